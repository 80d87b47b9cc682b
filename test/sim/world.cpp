#include "test/sim/world.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace stampede::sim {

namespace {

constexpr Time kNever = std::numeric_limits<Time>::max();
constexpr Time kToldLate = 50 * kMs;  // between the disk's word and the core's
constexpr Time kSafetyMax = 2500 * kMs;
constexpr std::int64_t kWallStart = 1'795'000'000'000'000;  // 2026, in microseconds

}  // namespace

namespace {

Plan plan_of(std::uint64_t seed, const RunOptions& options) {
  auto plan = Plan::draw(seed);
  if (!options.promos)
    plan.promos = plan.hold_s = plan.rule_changes = plan.tickets = 0, plan.hasty = 0;
  return plan;
}

}  // namespace

World::World(std::uint64_t seed, const RunOptions& run_options)
    : options(run_options),
      plan(plan_of(seed, run_options)),
      trace(queue, run_options.trace),
      schedule(seed, "schedule"),
      disk(seed),
      server(seed),
      watch(server, log),
      net_(seed, "network"),
      fault_(seed, "faults"),
      clock_(seed ^ run_options.clock_seed, "clock"),
      refusing_(seed, "whether rows are refused"),
      news_(seed, "whether news are lost"),
      webapps_(plan.webapps),
      clients_(*this, seed),
      operator_(*this, seed),
      payers_(*this, seed),
      askers_(*this, seed),
      session_users_(*this, seed) {
  log.set_limit_per_user(plan.limit_per_user);
  log.set_promo_limit(plan.promo_limit);
  log.set_tickets_ahead_ms(plan.tickets_ahead_ms);
  server.on_commit = [this](const auto& changes) { watch.on_commit(changes); };
}

RunResult World::run() {
  try {
    if (!options.safety) plan.make_quiet();
    if (!options.retention) plan.remove_segments = false;
    for (std::uint32_t item = 1; item <= plan.imported; ++item) put_foreign_item(item);
    start_supervisor();
    start_broker();
    for (std::uint32_t i = 1; i <= plan.webapps; ++i) start_webapp(i);
    start_backend(0);
    operator_.start();
    clients_.start();
    session_users_.start();
    plan_faults();
    const auto done = [this] {
      return clients_.done() && operator_.done() && payers_.done() && askers_.done() &&
             session_users_.done();
    };
    while (queue.now() < kSafetyMax && !done() && step()) {
    }
    if (options.liveness) {
      stop_faults();
      settle();
      let_marks_converge();
      let_sessions_converge();
      settle();  // a message that came late may have been decided meanwhile
      compare_all();
    }
  } catch (Violation& violation) {
    result_.violation = std::move(violation);
  }
  result_.steps = queue.steps();
  result_.hash = trace.hash();
  result_.disk_errors = disk.counters().errors;
  result_.server_errors = server.errors();
  return result_;
}

// False: the limit that shrinking sets is reached.
bool World::step() {
  if (queue.steps() >= options.steps_max) throw StepLimit{};
  try {
    queue.step();
  } catch (const ProcessEnd& end) {
    end_backend(end.how, "inside");
  }
  require(disk.counters().synced_after_error == 0, "S10", "a file was synced after it failed");
  return true;
}

// An item of a database that no log has owned yet; its guards are leftovers of an earlier log.
void World::put_foreign_item(std::uint32_t item) {
  const SqlCells cells{{item, {}},
                       {0, "item " + std::to_string(item)},
                       {100 + item, {}},
                       {plan.stock, {}},
                       {plan.stock, {}},
                       {plan.limit_per_user, {}},
                       {plan.max_qty, {}},
                       {static_cast<std::int64_t>(fault_.below(2) << 50), {}},
                       {static_cast<std::int64_t>(fault_.below(2) << 50), {}}};
  server.put_row(server.tables().item, item, cells);
}

// Wall time means nothing but what is written for people.
std::int64_t World::wall_us() {
  return kWallStart + queue.now() + clock_offset_;
}

// --- what the backend tells ----------------------------------------------------------------------

void World::on_recovered(const actors::RecoveredLog& recovered) {
  ++result_.recoveries;
  if (recovered.core == nullptr) return;
  log.recovered(recovered.end.last_lsn, recovered.core->book());
  log.synced();  // the last batch was made durable once more
  watch_stock();
  watch.recovered(recovered.fold.owed());
  executed_ = executed_appended_ = recovered.max_executed;
  trace.note("recovered", {recovered.end.last_lsn, recovered.end.batches, recovered.end.segments,
                           recovered.fold.counts().owed, recovered.end.torn.bytes});
}

void World::on_import(const std::vector<storage::ItemRow>& items, std::uint64_t epoch) {
  trace.note("import", {items.size(), epoch});
  log.import(items, epoch);
}

void World::on_append(std::string_view records, Lsn first_lsn) {
  std::vector<std::pair<storage::RecordType, storage::Outcome>> outcomes;
  log.append(records, first_lsn, queue.now(), outcomes);
  for (const auto& [type, outcome] : outcomes) {
    watch.on_outcome(type, outcome);
    if (type != storage::RecordType::exec) continue;
    for (std::size_t i = 1; i < outcome.numbers.size(); i += 2)
      executed_appended_ = std::max(executed_appended_, outcome.numbers[i]);
  }
  trace.note("append", {first_lsn, records.size()});
}

void World::on_synced(const storage::LogWriter& writer) {
  require(disk.newest_segment_durable(), "S7", "the log said durable what a power cut could take");
  log.synced();
  watch_stock();
  watch.synced();
  executed_ = executed_appended_;
  trace.note("synced", {writer.chain().next_batch, writer.segment_no()});
}

// Since when each item has units again, by what is durable.
void World::watch_stock() {
  const auto& decisions = log.decisions();
  stock_watched_ = std::min(stock_watched_, decisions.size());
  for (; stock_watched_ < decisions.size(); ++stock_watched_) {
    const auto& decision = decisions[stock_watched_];
    if (!log.durable(decision.lsn)) return;
    const bool moves = decision.kind == Decision::Kind::confirmed ||
                       decision.kind == Decision::Kind::item_change || decision.moved != 0;
    if (!moves) continue;
    const auto was = in_stock_since_.find(decision.item);
    if (decision.amount <= 0)
      in_stock_since_[decision.item] = kNever;
    else if (was != in_stock_since_.end() && was->second == kNever)
      was->second = queue.now();
  }
}

bool World::sold_out_lately(std::uint64_t item) const {
  const auto found = in_stock_since_.find(item);
  if (found == in_stock_since_.end()) return false;
  const auto known_for = actors::EdgeStock::kRefreshesMissedMax * plan.items_refresh;
  return found->second == kNever || queue.now() - found->second <= known_for + kToldLate;
}

void World::on_snapshot(const actors::SnapshotMade& made) {
  ++result_.snapshots;
  trace.note("snapshot", {made.header.position.seg_no, made.bytes});
}

void World::on_retention(const actors::RetentionReport& report) {
  result_.removed += report.removed;
  trace.note("retention", {report.removed, report.oldest.seg_no});
  if (!report.differing.empty()) throw Violation{"S4", report.differing.front()};
}

void World::on_claimed(std::uint64_t epoch) {
  trace.note("claimed", {epoch});
}

// It follows the wall clock, but for steps forward that nobody has accepted; some of what was
// stepped is forgotten in time.
void World::on_clock(std::int64_t sale_clock_us) {
  constexpr std::int64_t kMost = actors::SaleClock::kStepMaxUs;
  require(sale_clock_us <= wall_us() + kMs, "S21", "the sale's clock is ahead of the wall clock");
  const auto offset = sale_clock_us - queue.now();
  sale_offset_ = std::min(sale_offset_.value_or(offset), offset);
  require(offset - *sale_offset_ <= kMost + (queue.now() - believed_) / 50, "S21",
          "the sale's clock took a step forward that nobody accepted");
}

void World::on_clock_believed(Lsn last) {
  sale_offset_.reset();
  believed_ = queue.now();
  log.set_clock_believed(last);
}

// --- the network ---------------------------------------------------------------------------------

// Dropped, delayed, delivered twice.
template <class F>
void World::deliver(F&& action) {
  if (net_.chance(plan.network.drop)) return;
  const auto delay = [this] { return net_.between(20, 20 + plan.network.delay_max); };
  if (net_.chance(plan.network.twice)) queue.in(delay(), action);
  queue.in(delay(), std::forward<F>(action));
}

void World::to_webapp_from_client(Random& random, const actors::ClientAsk& ask,
                                  const std::string& token) {
  struct Owned {
    actors::ClientAsk ask;
    std::string id;
    std::string user;
    std::string order;
    std::string token;
  };
  const auto webapp = random.below(plan.webapps);
  auto owned =
      std::make_shared<Owned>(Owned{ask, std::string(ask.request.id), std::string(ask.request.user),
                                    std::string(ask.request.order), token});
  owned->ask.request.id = owned->id;
  owned->ask.request.user = owned->user;
  owned->ask.request.order = owned->order;
  deliver([this, webapp, owned] {
    if (webapps_[webapp]) webapps_[webapp]->take_request(owned->ask, owned->token);
  });
}

void World::to_client(const actors::ClientToken& client, const actors::Reply& reply) {
  if (reply.kind == actors::ReplyKind::edge) clients_.check_edge(client.number());
  SeenAnswer seen{reply.kind, {}, reply.code, {}};
  if (reply.kind == actors::ReplyKind::answer) seen.answer = *reply.answer;
  if (reply.fulfilled != nullptr) {
    seen.fulfilled = *reply.fulfilled;
    seen.fulfilled.order = {};
  }
  if (reply.granted != nullptr) {
    seen.granted = *reply.granted;
    seen.granted_id = seen.granted.id;
    seen.granted_user = seen.granted.user;
    seen.granted.id = seen.granted.user = {};
  }
  deliver([this, serial = client.number(), id = std::string(reply.id), seen] {
    if (serial >= kSessionSerial) return session_users_.on_reply(serial, seen);
    if (serial >= kAskerSerial) return askers_.on_reply(serial, id, seen);
    if (serial >= kPayerSerial) return payers_.on_reply(serial, id, seen);
    clients_.on_reply(serial, id, seen);
  });
}

bool World::to_broker_from_webapp(const transport::Envelope& envelope, std::string body) {
  if (!broker_) return false;
  trace.note("work", {envelope.origin, envelope.number, envelope.count});
  deliver([this, envelope, body = std::move(body)] {
    if (broker_) broker_->take_work(envelope, body);
  });
  return true;
}

// What is queued in one way goes when the way does.
void World::to_backend(const transport::Envelope& envelope, const std::string& body) {
  const auto instance = backend_->instance();
  const auto broker = broker_->instance();
  const auto way = broker_->way();
  trace.note("forward", {envelope.origin, envelope.number, envelope.count, way});
  deliver([this, envelope, body, instance, broker, way] {
    if (backend_serves() && backend_->instance() == instance && broker_ &&
        broker_->instance() == broker && broker_->way() == way)
      backend_->take_work(envelope, body);
  });
}

void World::to_broker_from_backend(const transport::Envelope& envelope, std::string body) {
  deliver([this, envelope, body = std::move(body)] {
    if (broker_) broker_->take_backend(envelope, body);
  });
}

void World::to_webapp(std::uint32_t webapp, const transport::Envelope& envelope, std::string body) {
  trace.note("to webapp", {webapp, envelope.number, static_cast<std::uint64_t>(envelope.kind),
                           envelope.code, envelope.epoch});
  deliver([this, webapp, envelope, body = std::move(body)] {
    if (webapp <= webapps_.size() && webapps_[webapp - 1])
      webapps_[webapp - 1]->take_broker(envelope, body);
  });
}

void World::news_to_webapp(std::uint32_t webapp, const transport::Envelope& envelope,
                           const std::string& body) {
  if (!news_.chance(plan.news_lost)) to_webapp(webapp, envelope, body);
}

// Who asks while there is no supervisor hears nothing, nor does who asked one that ends.
void World::to_supervisor_from_operator(std::uint64_t serial, nlohmann::json command) {
  if (!supervisor_) return;
  supervisor_->take_command(std::move(command), [this, serial](const nlohmann::json& answer) {
    if (answer.contains("error")) return;  // timed out
    if (answer.contains("clock")) return operator_.on_clock_answer(serial);
    if (answer.contains("promo"))
      return operator_.on_promo_answer(serial, answer.at("lsn").get<Lsn>(),
                                       answer.at("promo").get<std::uint64_t>(),
                                       static_cast<actors::Code>(answer.at("code").get<int>()));
    operator_.on_answer(serial, answer.at("lsn").get<Lsn>(), answer.at("body").get<std::string>());
  });
}

void World::to_backend_from_supervisor(std::uint64_t supervisor, std::int64_t began_us,
                                       nlohmann::json commands) {
  deliver([this, supervisor, began_us, commands = std::move(commands)] {
    if (backend_) backend_->take_wanted(supervisor, began_us, commands);
  });
}

void World::to_supervisor(nlohmann::json replies) {
  deliver([this, replies = std::move(replies)] {
    if (supervisor_) supervisor_->take_replies(replies);
  });
}

}  // namespace stampede::sim
