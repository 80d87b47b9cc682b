#include "test/sim/backend_process.h"

#include <algorithm>
#include <utility>

#include "test/sim/violation.h"
#include "test/sim/world.h"

namespace stampede::sim {

using actors::Code;
using actors::Phase;
using actors::ResultKind;
using actors::State;
using storage::Errc;
using storage::Error;
using storage::Status;
using transport::Envelope;
using transport::EnvelopeKind;

namespace {

constexpr Time kHelloEvery = 250 * kMs;
constexpr Time kLogIdle = 10 * kMs;
constexpr Time kSpareAgain = kSecond;
constexpr Time kBackoffFirst = 5 * kMs;
constexpr Time kBackoffMax = 500 * kMs;
constexpr std::uint64_t kMailsPerRound = 12;

actors::BackendLimits limits_of(const Plan& plan) {
  actors::BackendLimits limits;
  limits.book = {plan.orders_max, plan.rejections_max};
  limits.projection = {plan.lanes, plan.rows_max, plan.items_max, plan.batches_between_items};
  limits.backlog_commands_max = plan.backlog_max;
  return limits;
}

}  // namespace

BackendProcess::BackendProcess(World& world, std::uint64_t instance)
    : world_(world), instance_(instance) {
  claim_.database = world.server.options();
  claim_.database.lanes = static_cast<int>(world.plan.lanes);
}

template <class F>
void BackendProcess::exactly(Time delay, F&& action) {
  world_.queue.in(
      delay, [&world = world_, instance = instance_, action = std::forward<F>(action)]() mutable {
        if (const auto alive = world.backend(instance)) action();
      });
}

template <class F>
void BackendProcess::later(Time delay_max, F&& action) {
  exactly(world_.schedule.between(0, delay_max), std::forward<F>(action));
}

// --- start: the steps of actors/backend/backend_start.cpp, which adds CAF, clock and messages ----

std::optional<Error> BackendProcess::start() {
  std::vector<storage::ItemRow> imported;
  auto done = open_log(imported);
  if (done) done = take_over();
  if (done) done = import(imported);
  if (!done) return done.error();
  for (std::uint32_t i = 0; i < world_.plan.lanes; ++i)
    lanes_.push_back(std::make_unique<LaneThread>(static_cast<int>(i) + storage::kFirstLane,
                                                  claim_.epoch, claim_.database));
  claim(kBackoffFirst);
  want_spare();
  plan_snapshot();
  core_->set_phase(Phase::serving);
  serving_ = true;
  tick();
  return std::nullopt;
}

Status BackendProcess::open_log(std::vector<storage::ItemRow>& imported) {
  const auto history = actors::has_history(world_.disk, kLogDir);
  if (!history) return history.error();
  if (!*history) {
    auto database = storage::Database::open(claim_.database);
    if (!database) return database.error();
    if (auto fits = actors::refuse_wiped_log(*database, kLogDir); !fits) return fits;
  }
  auto lock = storage::LogLock::take(world_.disk, kLogDir);
  if (!lock) return lock.error();
  lock_ = std::make_unique<storage::LogLock>(std::move(*lock));
  auto log = actors::recover_log(world_.disk, kLogDir, limits_of(world_.plan),
                                 [](const storage::BatchInfo&) {});
  if (!log) return log.error();
  log_ = std::move(*log);
  claim_.last_lsn = log_->end.last_lsn;
  claim_.max_executed = log_->max_executed;
  return log_->end.tail == storage::LogTail::empty ? first_start(imported)
                                                   : compare_with_database(imported);
}

Status BackendProcess::first_start(std::vector<storage::ItemRow>& imported) {
  auto database = storage::Database::open(claim_.database);
  if (!database) return database.error();
  if (auto fits = actors::refuse_wiped_log(*database, kLogDir); !fits) return fits;
  auto items = database->items();
  if (!items) return items.error();
  imported = std::move(*items);
  for (auto& byte : claim_.log_uuid) byte = static_cast<std::uint8_t>(world_.schedule.next());
  log_->core = std::make_unique<actors::BackendCore>(claim_.log_uuid, limits_of(world_.plan));
  return storage::Done{};
}

Status BackendProcess::compare_with_database(std::vector<storage::ItemRow>& imported) {
  claim_.log_uuid = log_->end.uuid;
  auto database = storage::Database::open(claim_.database);
  auto missing = actors::fit_database(database, claim_, *log_->core);
  if (missing)
    imported = std::move(*missing);
  else if (!log_->served || actors::exit_code_of(missing.error().code) != 0)
    return missing.error();  // before it has served, a backend waits for the database
  return storage::Done{};
}

Status BackendProcess::take_over() {
  storage::LogOptions options;
  options.segment_bytes = world_.plan.segment_bytes;
  options.created_ns = world_.wall_us() * 1000;
  const auto& end = log_->end;
  world_.log.set_uuid(claim_.log_uuid);
  auto writer = end.tail == storage::LogTail::empty
                    ? storage::LogWriter::create(world_.disk, kLogDir, claim_.log_uuid, options)
                    : storage::LogWriter::resume(world_.disk, kLogDir, end, options);
  if (!writer) return writer.error();
  world_.on_recovered(*log_);
  writer_ = std::make_unique<storage::LogWriter>(std::move(*writer));
  auto epoch = actors::take_over_epoch(*writer_, *log_->core, end, world_.wall_us() * 1000, 1);
  if (!epoch) return epoch.error();
  claim_.epoch = *epoch;
  core_ = std::move(log_->core);
  actors::hand_over_owed(*core_, log_->fold, world_.plan.rows_max);
  log_.reset();
  return storage::Done{};
}

Status BackendProcess::import(const std::vector<storage::ItemRow>& imported) {
  if (imported.empty()) return storage::Done{};
  world_.on_import(imported, claim_.epoch);
  auto taken = actors::import_items(*writer_, *core_, imported,
                                    {claim_.epoch, 0, 0, world_.wall_us() * 1000, 1});
  if (taken) world_.log.synced();
  return taken;
}

// --- core ---------------------------------------------------------------------------------------

void BackendProcess::post(Mail mail, Time delay_max) {
  later(delay_max, [this, mail = std::move(mail)]() mutable { deliver(std::move(mail)); });
}

void BackendProcess::deliver(Mail mail) {
  mail_.push_back(std::move(mail));
  if (std::exchange(round_planned_, true)) return;
  later(kMs / 5, [this] { round(); });
}

void BackendProcess::take_work(const Envelope& envelope, std::string body) {
  if (serving_) deliver(Work{envelope, std::move(body)});
}

void BackendProcess::take_control(std::uint64_t number, const actors::Request& request,
                                  std::string id, std::string name) {
  if (serving_) deliver(std::make_unique<Control>(number, request, std::move(id), std::move(name)));
}

void BackendProcess::round() {
  round_planned_ = false;
  core_->set_log_full(log_full_);
  for (std::uint64_t i = 0; i < kMailsPerRound && !mail_.empty(); ++i) {
    auto mail = std::move(mail_.front());
    mail_.pop_front();
    take(mail);
  }
  core_->flush(effects_);
  carry_out();
  if (!mail_.empty() && !std::exchange(round_planned_, true)) later(kMs / 5, [this] { round(); });
}

void BackendProcess::take(Mail& mail) {
  if (auto* work = std::get_if<Work>(&mail)) {
    const bool full = core_->projection().owed() >= world_.plan.backlog_max;
    const auto confirmed = core_->counters().confirmed;
    core_->on_work(work->envelope, work->body, world_.wall_us(), effects_);
    require(!full || core_->counters().confirmed == confirmed, "L1",
            "an order was confirmed though the backlog is full");
  } else if (const auto* control = std::get_if<ControlPtr>(&mail)) {
    auto& request = (*control)->request;
    request.id = (*control)->id;
    request.terms.name = (*control)->name;
    core_->on_control((*control)->number, request, effects_);
  } else if (const auto* durable = std::get_if<Durable>(&mail)) {
    core_->on_durable(durable->appends, effects_);
  } else if (const auto* done = std::get_if<LaneDone>(&mail)) {
    core_->on_lane_done(done->lane, done->failed, effects_);
  } else {
    core_->start_lanes(effects_);
  }
}

void BackendProcess::carry_out() {
  if (!effects_.appends.empty()) {
    exactly(kMs / 20, [this, appends = std::move(effects_.appends)] {  // mail keeps its order
      last_append_ = world_.queue.now();
      for (const auto& append : appends) plan_.add(append);
      wake_log();
    });
  }
  for (auto& work : effects_.work) give_work(std::move(work));
  for (auto& result : effects_.results) {
    check_result(result);
    if (result.envelope.counter != 0) {
      broker_ = result.envelope.broker;
      answered_ = result.envelope.counter;
    }
    world_.to_broker_from_backend(result.envelope, std::move(result.body));
  }
  for (const auto& control : effects_.controls) {
    check_control(control);
    world_.on_control_answer(control.number, control.lsn, control.body);
  }
  effects_.clear();
}

// No answer ahead of its cause: what leaves here speaks of durable decisions, and truly.
void BackendProcess::check_result(const actors::ResultMessage& message) {
  if (message.envelope.kind != EnvelopeKind::result) return;
  auto& reader = reader_;
  auto& result = result_;
  reader.open(message.body);
  std::uint32_t count = 0;
  for (; reader.next(result); ++count) {
    if (result.kind == ResultKind::items)
      for (const auto& row : result.items)
        require(row.seq == 0 || world_.log.durable(row.seq), "S7", "an item page ahead of the log");
    if (result.kind != ResultKind::answer) continue;
    const auto& answer = result.answer;
    const auto* decision = world_.log.find(answer.lsn);
    require(decision != nullptr && world_.log.durable(answer.lsn), "S7",
            "an answer left before its decision is durable");
    const bool confirmed = decision->kind == Decision::Kind::confirmed;
    require((answer.state == State::confirmed) == confirmed && answer.item == decision->item &&
                answer.qty == decision->qty && answer.reason == decision->reason,
            "S3", "an answer says something else than its decision");
    require(!answer.left || *answer.left == decision->amount, "S3", "`left` is not the amount");
    require(!answer.stored ||
                world_.server.tables().orders.rows.contains(static_cast<std::int64_t>(answer.lsn)),
            "S1", "`stored` though there is no row");
  }
  require(!reader.bad() && count == message.envelope.count, "S15", "a result that cannot be read");
}

void BackendProcess::check_control(const actors::ControlAnswer& answer) const {
  require(answer.lsn == 0 || world_.log.durable(answer.lsn), "S7",
          "an item change answered before it is durable");
}

void BackendProcess::tick() {
  hello();
  std::string news;
  (void)core_->take_news(news, 100);
  exactly(kHelloEvery, [this] { tick(); });
}

void BackendProcess::hello() {
  world_.to_broker_from_backend({.kind = EnvelopeKind::hello,
                                 .code = static_cast<std::uint16_t>(core_->phase()),
                                 .sender = instance_,
                                 .number = answered_,
                                 .broker = broker_,
                                 .epoch = core_->epoch(),
                                 .counter = world_.plan.inflight_max},
                                {});
}

bool BackendProcess::settled() const {
  const bool lanes_idle =
      std::none_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane->busy; });
  return serving_ && claimed_ && mail_.empty() && !core_->work_open() && plan_.empty() &&
         !log_busy_ && core_->projection().idle() && lanes_idle;
}

// --- log: actors/backend/log_keeper.cpp ----------------------------------------------------------

bool BackendProcess::log_idle() const {
  return world_.queue.now() - last_append_ >= kLogIdle;
}

void BackendProcess::wake_log() {
  if (log_busy_) return;
  want_spare();
  if (plan_.due(log_idle())) return write_frame();
  if (plan_.seal_due() && log_idle()) return write_seal();
  if (!plan_.empty() || plan_.seal_due()) exactly(kLogIdle, [this] { wake_log(); });
}

void BackendProcess::write_frame() {
  storage::BatchHead head{claim_.epoch, 0, 0, world_.wall_us() * 1000, 1};
  in_frame_ = plan_.next_frame(parts_, head);
  append(head);
}

void BackendProcess::write_seal() {
  seal_ = actors::LogPlan::seal_records();
  parts_.assign(1, seal_);
  in_frame_ = 0;
  sealing_ = true;
  append({claim_.epoch, writer_->chain().next_lsn, 1, world_.wall_us() * 1000, 1});
}

void BackendProcess::append(const storage::BatchHead& head) {
  log_busy_ = true;
  std::string records;
  for (const auto part : parts_) records += part;
  world_.on_append(records, head.first_lsn);
  if (const auto written = writer_->append(parts_, head); !written)
    return io_error(written.error());
  later(world_.plan.sync_delay_max, [this] { sync(); });
}

void BackendProcess::sync() {
  if (const auto synced = writer_->sync(); !synced) return io_error(synced.error());
  world_.on_synced(*writer_);
  tell_room();
  if (std::exchange(sealing_, false)) {
    plan_.sealed();
  } else {
    plan_.written();
    post(Durable{in_frame_}, kMs / 10);
  }
  log_busy_ = false;
  wake_log();
}

void BackendProcess::io_error(const Error& error) {
  world_.backend_exit(kExitIo, error.message);
}

void BackendProcess::want_spare() {
  if (making_spare_ || !writer_->wants_spare() || world_.queue.now() < next_spare_) return;
  making_spare_ = true;
  later(5 * kMs, [this] { make_spare(); });
}

void BackendProcess::make_spare() {
  auto made = writer_->segment_maker().make();
  later(kMs,
        [this, made = std::make_shared<storage::Result<storage::SpareSegment>>(std::move(made))] {
          making_spare_ = false;
          take_spare(*made);
        });
}

void BackendProcess::take_spare(storage::Result<storage::SpareSegment>& made) {
  if (made) {
    writer_->give_spare(std::move(*made));
  } else {
    next_spare_ = world_.queue.now() + kSpareAgain;
    exactly(kSpareAgain, [this] { want_spare(); });
  }
  tell_room();
}

// Only a disk without room for a spare stops orders, not one that is still making it.
void BackendProcess::tell_room() {
  log_full_ = writer_->nearly_full() && next_spare_ != 0;
  if (!writer_->wants_spare()) next_spare_ = 0;
}

// --- snapshots and retention ---------------------------------------------------------------------

namespace {

class DatabaseRows final : public actors::StoredRows {
 public:
  explicit DatabaseRows(storage::Database database) : database_(std::move(database)) {}
  storage::Result<std::optional<storage::LogUuid>> log_uuid() override {
    return database_.log_uuid();
  }
  storage::Result<std::vector<storage::ItemRow>> items() override { return database_.items(); }
  storage::Result<std::vector<std::string>> differing(const storage::LaneBatch& orders) override {
    return database_.differing_orders(orders);
  }

 private:
  storage::Database database_;
};

}  // namespace

void BackendProcess::plan_snapshot() {
  if (world_.plan.snapshot_every == 0) return;
  exactly(world_.schedule.between(1, 2 * world_.plan.snapshot_every), [this] {
    keep_snapshots();
    plan_snapshot();
  });
}

// As actors/backend/snapshot_keeper.cpp: segments go when a snapshot was made, else every few
// ticks. Errors harm nothing: the next tick may come further. Now and then an operator asks for a
// snapshot though none is due.
void BackendProcess::keep_snapshots() {
  const bool asked = world_.schedule.chance(0.1);
  const bool remove = world_.schedule.chance(0.3);
  const auto behind = actors::bytes_behind_snapshot(world_.disk, kLogDir);
  const bool made = (asked || (behind && *behind > 0)) && make_snapshot();
  if (world_.plan.remove_segments && (made || remove)) remove_segments();
}

// True: there is a new one.
bool BackendProcess::make_snapshot() {
  const auto lock = actors::lock_snapshots(world_.disk, kLogDir);
  if (!lock) return false;
  actors::SnapshotOrder order;
  order.limits = limits_of(world_.plan).book;
  order.created_ns = world_.wall_us() * 1000;
  const auto made = actors::make_snapshot(world_.disk, kLogDir, order);
  if (!made) {
    if (made.error().code != Errc::io) throw Violation{"S8", made.error().message};
    return false;
  }
  if (*made) world_.on_snapshot(**made);
  return made->has_value();
}

// A segment may go only when the database has what it says.
void BackendProcess::remove_segments() {
  const auto all = storage::list_snapshots(world_.disk, kLogDir);
  if (!all || all->empty()) return;
  const auto lock = actors::lock_snapshots(world_.disk, kLogDir);
  if (!lock) return;
  auto database = storage::Database::open(claim_.database);
  if (!database) return;
  DatabaseRows rows(std::move(*database));
  actors::RetentionRules rules;
  rules.retain_s = 0;
  rules.now_ns = world_.wall_us() * 1000;
  const auto report = actors::remove_old_segments(world_.disk, kLogDir, rules, rows);
  if (report) world_.on_retention(*report);
}

// --- lanes: actors/backend/lane.cpp --------------------------------------------------------------

void BackendProcess::claim(Time backoff) {
  later(world_.plan.server_delay_max, [this, backoff] {
    const auto claimed = actors::claim_database(claim_, world_.wall_us());
    if (claimed) {
      claimed_ = true;
      world_.on_claimed(claim_.epoch);
      return post(Claimed{}, kMs / 10);
    }
    if (const auto code = actors::exit_code_of(claimed.error().code); code != 0)
      return world_.backend_exit(code, claimed.error().message);
    exactly(backoff, [this, backoff] { claim(std::min(backoff * 2, kBackoffMax)); });
  });
}

void BackendProcess::give_work(actors::LaneWork work) {
  const auto number = work.lane;
  auto& lane = *lanes_[number];
  require(!lane.busy, "core", "work for a lane that is busy");
  lane.work = std::move(work);
  lane.busy = true;
  lane.backoff = kBackoffFirst;
  lane.builder.fill(lane.work, lane.batch);
  later(world_.plan.server_delay_max, [this, number] { apply(number); });
}

void BackendProcess::apply(std::size_t number) {
  auto& lane = *lanes_[number];
  const auto outcome = [&] {
    const WritesAs as(world_.server, {lane.epoch, lane.number});
    return lane.writer.apply(lane.batch);
  }();
  if (!outcome) {
    if (const auto code = actors::exit_code_of(outcome.error().code); code != 0)
      return world_.backend_exit(code, outcome.error().message);
    exactly(lane.backoff, [this, number] { apply(number); });
    lane.backoff = std::min(lane.backoff * 2, kBackoffMax);
    return;
  }
  std::vector<actors::FailedCommand> failed;
  for (const auto& failure : outcome->failures) {
    world_.trace.say("failed", failure.message);
    failed.push_back(actors::failed_command(lane.batch, failure));
  }
  lane.busy = false;
  post(LaneDone{static_cast<std::uint32_t>(number), std::move(failed)},
       world_.plan.server_delay_max);
}

}  // namespace stampede::sim
