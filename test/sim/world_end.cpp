// The faults stop, everything drains, the books are compared.

#include <algorithm>

#include "test/sim/world.h"

namespace stampede::sim {

namespace {

// Looks at the log's files are as rare as the backend's own once nothing can go wrong between them.
constexpr Time kUnhurried = 500 * kMs;
// Behind all that a clock said before.
constexpr std::int64_t kClockRight = std::int64_t{13} * 365 * 24 * 3600 * 1'000'000;
constexpr Time kLivenessMax = 90 * kSecond;

}  // namespace

void World::stop_faults() {
  trace.note("faults stop");
  faults_on_ = false;
  plan.make_quiet();
  // A clock that went back delays what is due; it is put right at last.
  if (plan.hold_s > 0 || plan.rule_changes > 0) {
    clock_offset_ = std::max(clock_offset_, kClockRight);
    operator_.accept_clock();
  }
  if (plan.snapshot_every != 0) plan.snapshot_every = std::max(plan.snapshot_every, kUnhurried);
  disk.faults = {};
  disk.forget_end();
  const bool refused = server.faults.refused > 0;
  server.faults = {};
  server.away = false;
  server.forget_end();
  server.settle();
  if (!backend_)
    start_backend(0);
  else if (refused)
    end_backend(End::kill, "for what was refused: it is tried once a start");
}

bool World::quiet() const {
  return clients_.done() && operator_.done() && payers_.done() && askers_.done() &&
         session_users_.done() && backend_ && backend_->settled() &&
         backend_->core().book().held().unpaid() == 0;
}

std::string World::what_is_open() const {
  std::string text = "after a minute and a half without faults";
  if (!clients_.done()) text += ", clients wait";
  if (!operator_.done()) text += ", the operator waits";
  if (!payers_.done()) text += ", payers wait";
  if (!askers_.done()) text += ", some wait for tickets";
  if (!session_users_.done()) text += ", some wait for sessions";
  if (!backend_) return text + ", there is no backend";
  if (const auto unpaid = backend_->core().book().held().unpaid(); unpaid > 0)
    text += ", " + std::to_string(unpaid) + " orders are unpaid";
  if (!backend_->settled())
    text += ", the backend owes " + std::to_string(backend_->core().projection().owed()) +
            (backend_->core().work_open() ? " and has work open" : "");
  return text;
}

void World::settle() {
  const auto until = queue.now() + kLivenessMax;
  while (!quiet() && step())
    if (queue.now() >= until) throw Violation{"liveness", what_is_open()};
}

// An item that has units is known as sold out somewhere.
bool World::marked_wrongly() const {
  for (const auto& webapp : webapps_)
    for (const auto& [item, truth] : log.items())
      if (webapp && webapp->core().stock().marked(item) && truth.amount > 0) return true;
  return false;
}

void World::let_marks_converge() {
  const auto until = queue.now() + 3 * plan.items_refresh + kSecond;
  while (marked_wrongly() && step())
    if (queue.now() >= until)
      throw Violation{"S19", "an item is taken for sold out though nothing is lost any more"};
}

// What was told as ended is known to every webapp a refresh later.
void World::let_sessions_converge() {
  if (plan.session_steps == 0) return;
  const auto until = queue.now() + 2 * actors::EndedSessions::kRefreshUs + kSecond;
  const auto all_know = [this] {
    return std::all_of(webapps_.begin(), webapps_.end(), [this](const auto& webapp) {
      return webapp && session_users_.knows_all(webapp->core());
    });
  };
  while (!all_know() && step())
    if (queue.now() >= until)
      throw Violation{"S22", "a webapp does not know which sessions have ended"};
}

void World::compare_all() {
  trace.note("compare", {log.confirmed()});
  log.recovered(log.durable_lsn(), backend_->core().book());
  watch.compare();
  clients_.compare(backend_->core().book());
  payers_.compare(backend_->core().book());
  result_.orders = log.confirmed();
  const auto rows = watch.content_hash();
  const auto decided = log.decisions().size();
  end_backend(End::kill, "the last time");
  while (!quiet() && step()) {
  }
  clients_.compare(backend_->core().book());
  payers_.compare(backend_->core().book());
  // Somebody may have asked again for a rejection that is forgotten: then it was decided anew.
  const bool at_rest = log.decisions().size() == decided;
  require(!at_rest || watch.content_hash() == rows, "S5", "a restart at rest changed rows");
  if (queue.steps() % 4 == 0 && log_reaches_back()) replay_everything_again();
  if (result_.snapshots > 0 && queue.steps() % 2 == 0) compare_snapshots();
}

// By the disk's word: whoever removed a segment may have ended before it could tell.
bool World::log_reaches_back() {
  const auto numbers = storage::segment_numbers(disk, kLogDir);
  return numbers && !numbers->empty() && numbers->front() == 1;
}

// The older snapshot, replayed up to the newer, says the same.
void World::compare_snapshots() {
  const auto compared = actors::compare_snapshots(disk, kLogDir);
  if (!compared && snapshot_damaged_) return;
  if (!compared) throw Violation{"S5", compared.error().message};
  require(compared->carried == compared->replayed, "S5", "two snapshots contradict each other");
}

namespace {

// The log's decisions without their outcomes: everything is owed.
class Decisions : public storage::LogVisitor {
 public:
  storage::Status on_record(const storage::BatchInfo&, const storage::RecordView& record) override {
    if (!storage::is_decision(record.type)) return storage::Done{};
    return fold.record(record);
  }
  storage::ReplayFold fold;
};

}  // namespace

// As `log replay --all`: whatever was executed is executed again, by the writers of this epoch.
void World::replay_everything_again() {
  const auto rows = watch.content_hash();
  Decisions decisions;
  require(bool(storage::read_log(disk, kLogDir, decisions)), "S5", "the log cannot be read again");
  actors::BackendLimits limits;
  limits.projection = {plan.lanes, plan.rows_max, plan.items_max, plan.batches_between_items};
  actors::BackendCore core(storage::LogUuid{}, limits);
  std::swap(core.book(), backend_->core().book());  // lent: what is owed finds its items there
  actors::hand_over_owed(core, decisions.fold, plan.rows_max);
  actors::Effects effects;
  core.start_lanes(effects);
  while (!effects.work.empty()) {
    auto work = std::move(effects.work.back());
    effects.work.pop_back();
    const auto number = work.lane;
    actors::LaneAgent lane(server.options(), static_cast<int>(number) + storage::kFirstLane,
                           backend_->core().epoch(), plan.rows_max, backend_->owner());
    lane.take(std::move(work), 0);
    const auto attempt = lane.attempt();
    if (attempt.kind != actors::Attempt::Kind::done) throw Violation{"S5", attempt.error.message};
    if (!lane.failed().empty()) throw Violation{"S5", lane.reasons().front()};
    core.on_lane_done(number, {}, effects);
  }
  std::swap(core.book(), backend_->core().book());
  require(core.projection().idle(), "S5", "a full replay does not end");
  require(watch.content_hash() == rows, "S5", "applying every command again changed rows");
}

}  // namespace stampede::sim
