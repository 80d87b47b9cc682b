#include "test/sim/backend_process.h"

#include <algorithm>
#include <set>
#include <utility>

#include "actors/protocol/operator_command.h"
#include "test/sim/violation.h"
#include "test/sim/world.h"

namespace stampede::sim {

using actors::Code;
using actors::Phase;
using actors::ResultKind;
using actors::State;
using storage::Errc;
using storage::Error;
using transport::Envelope;
using transport::EnvelopeKind;

namespace {

constexpr Time kHelloEvery = 250 * kMs;
constexpr std::uint64_t kMailsPerRound = 12;

actors::BackendLimits limits_of(const Plan& plan) {
  actors::BackendLimits limits;
  limits.book = {plan.orders_max, plan.rejections_max, plan.tickets_ahead_ms};
  limits.projection = {plan.lanes, plan.rows_max, plan.items_max, plan.batches_between_items};
  limits.backlog_commands_max = plan.backlog_max;
  limits.looks_ahead_max = plan.looks_ahead_max;
  return limits;
}

}  // namespace

BackendProcess::BackendProcess(World& world, std::uint64_t instance)
    : world_(world), instance_(instance) {
  database_ = world.server.options();
  database_.lanes = static_cast<int>(world.plan.lanes);
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

// --- start: StartAgent ---------------------------------------------------------------------------

// Where the real start waits, this process ends and a new one begins.
std::optional<Error> BackendProcess::start() {
  const std::shared_ptr<storage::Disk> disk(std::shared_ptr<void>(), &world_.disk);  // lent
  actors::StartAgent agent(disk, start_settings(), *this);
  const auto step = agent.step(world_.queue.now());
  if (step.kind != actors::StartAgent::Step::Kind::ready) return step.error;
  lock_ = agent.take_lock();
  writer_ = agent.writer();
  core_ = agent.take_core();
  begin_work(agent);
  return std::nullopt;
}

actors::StartSettings BackendProcess::start_settings() const {
  return {.dir = kLogDir,
          .database = database_,
          .limits = limits_of(world_.plan),
          .segment_bytes = world_.plan.segment_bytes,
          .rows_max = world_.plan.rows_max,
          .pid = 1};
}

void BackendProcess::begin_work(actors::StartAgent& agent) {
  const auto epoch = agent.claim().epoch;
  log_.emplace(writer_, epoch, 1U, static_cast<actors::LogOutlet&>(*this), world_.queue.now());
  for (std::uint32_t i = 0; i < world_.plan.lanes; ++i)
    lanes_.push_back(std::make_unique<LaneThread>(static_cast<int>(i) + storage::kFirstLane,
                                                  agent.claim(), world_.plan.rows_max));
  owner_ = agent.claim().owner.start;
  claim_.emplace(agent.claim());
  claim();
  wake_log();
  plan_snapshot();
  core_->set_phase(Phase::serving);
  clock_.emplace(static_cast<actors::ClockOutlet&>(*this));
  core_->expire_from(sale_clock_us() + world_.plan.hold_grace_us);
  serving_ = true;
  tick();
}

std::int64_t BackendProcess::wall_ns() {
  return world_.wall_us() * 1000;
}

actors::LogUuid BackendProcess::fresh_uuid() {
  actors::LogUuid uuid;
  for (auto& byte : uuid) byte = static_cast<std::uint8_t>(world_.schedule.next());
  return uuid;
}

storage::Result<actors::ReplayGuard*> BackendProcess::locked() {
  return nullptr;
}

storage::Result<storage::Database> BackendProcess::database_answer() {
  return storage::Database::open(database_);
}

void BackendProcess::waits(std::string_view for_what, const Error& why) {
  world_.trace.say(for_what, why.message);
}

void BackendProcess::recovered(const actors::RecoveredLog& log, const actors::ClaimStart& claim) {
  world_.log.set_uuid(claim.log_uuid);
  world_.on_recovered(log);
}

void BackendProcess::importing(const std::vector<storage::ItemRow>& items, std::uint64_t epoch) {
  world_.on_import(items, epoch);
}

void BackendProcess::imported(std::size_t) {
  world_.log.synced();
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

void BackendProcess::take_wanted(std::uint64_t supervisor, std::int64_t began_us,
                                 const nlohmann::json& commands) {
  if (!serving_) return;
  if (!inbox_.on_supervisor(supervisor, began_us)) return;
  std::set<std::uint64_t> open;
  for (const auto& entry : commands) {
    const auto number = entry.at("number").get<std::uint64_t>();
    open.insert(number);
    if (const auto ticket = inbox_.on_command(number))
      deliver(std::make_unique<Control>(*ticket, entry.at("command")));
  }
  inbox_.keep_only(open);
  heartbeat();
}

void BackendProcess::heartbeat() {
  if (!inbox_.has_replies()) return;
  world_.to_supervisor(inbox_.replies());
  inbox_.on_replies_sent();
}

void BackendProcess::round() {
  round_planned_ = false;
  core_->set_log_room(log_room_);
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
    take_work(*work);
  } else if (auto* control = std::get_if<ControlPtr>(&mail)) {
    const auto read = actors::read_operator_command((*control)->command);
    require(read.error.empty(), "S15", "an operator's command that cannot be read");
    if (read.accepts_clock)
      accept_clock(**control, read.request.id);
    else if (!take_command((*control)->ticket, read))
      post(std::move(*control), kMs);
  } else if (const auto* durable = std::get_if<Durable>(&mail)) {
    core_->on_durable(durable->appends, effects_);
  } else if (const auto* done = std::get_if<LaneDone>(&mail)) {
    core_->on_lane_done(done->lane, done->failed, effects_);
  } else {
    core_->start_lanes(effects_);
  }
}

// False: not yet.
bool BackendProcess::take_command(std::uint64_t ticket, const actors::OperatorCommand& command) {
  if (command.item.action != actors::ItemAction::invalid)
    return core_->on_item(ticket, command.item, sale_clock_us(), effects_);
  if (command.promo.action != actors::PromoAction::invalid)
    return core_->on_promo(ticket, command.promo, sale_clock_us(), effects_);
  core_->on_control(ticket, command.request, effects_, sale_clock_us());
  return true;
}

void BackendProcess::take_work(const Work& work) {
  const bool backlog_full = core_->projection().owed() >= world_.plan.backlog_max;
  // Told when a batch is durable; until then the core may not know it yet.
  const bool log_full = !log_busy_ && spare_failed_ && writer_->nearly_full();
  const auto confirmed = core_->counters().confirmed;
  core_->on_work(work.envelope, work.body, sale_clock_us(), effects_);
  const bool more = core_->counters().confirmed != confirmed;
  require(!backlog_full || !more, "L1", "an order was confirmed though the backlog is full");
  require(!log_full || !more, "L1", "an order was confirmed though the log's disk is full");
}

void BackendProcess::carry_out() {
  if (!effects_.appends.empty()) {
    // Mail keeps its order.
    exactly(kMs / 20, [this, appends = std::move(effects_.appends)]() mutable {
      log_->on_appends(std::move(appends), world_.queue.now());
      wake_log();
    });
    effects_.appends.clear();
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
    inbox_.on_answer(control.number, {{"lsn", control.lsn}, {"body", control.body}});
  }
  for (const auto& promo : effects_.promos) {
    check_promo(promo);
    inbox_.on_answer(promo.number, {{"lsn", promo.lsn},
                                    {"promo", promo.promo.put.promo},
                                    {"code", static_cast<int>(promo.error)}});
  }
  heartbeat();
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
    if (result.kind == ResultKind::items || result.kind == ResultKind::changes)
      for (const auto& row : result.items)
        require(row.seq == 0 || world_.log.durable(row.seq), "S7", "an item page ahead of the log");
    if (result.kind == ResultKind::fulfilled)
      require(world_.log.durably_became(result.fulfilled.order_id, result.fulfilled.fulfilment),
              "S7", "a payment or cancel is answered before it is durable");
    if (result.kind == ResultKind::granted)
      require(
          world_.log.durably_granted(result.granted.promo, result.granted.user, result.granted.id),
          "S7", "a ticket is handed out before it is durable");
    if (result.kind == ResultKind::session_kept)
      require(world_.log.durably_kept(result.session.session, result.session.what), "S7",
              "a session is kept before it is durable");
    if (result.kind == ResultKind::ended_sessions)
      for (const auto& row : result.sessions.rows)
        require(world_.log.durably_kept(row.session, row.what), "S7",
                "a session is told as ended before it is durable");
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
    require(answer.replayed || !answer.left || !confirmed ||
                (answer.unit_price_cents == decision->price && answer.promo == decision->promo),
            "S3", "an order is told another price or promo than it was decided with");
    require(answer.fulfilment == storage::Fulfilment::none ||
                world_.log.durably_became(answer.lsn, answer.fulfilment),
            "S7", "an order is told to be what it is not durably");
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

void BackendProcess::check_promo(const actors::PromoAnswer& answer) const {
  if (answer.error != actors::Code::none) return;
  require(world_.log.durable(std::max(answer.lsn, answer.promo.put_lsn)), "S7",
          "a change of a promo answered before it is durable");
}

void BackendProcess::tick() {
  hello();
  std::string news;
  if (const auto count = core_->take_news(news, 100); count > 0)
    world_.to_broker_from_backend(
        {.kind = EnvelopeKind::news, .count = count, .epoch = core_->epoch()}, std::move(news));
  std::string ended;
  if (const auto count = core_->take_session_news(ended, 100, sale_clock_us()); count > 0)
    world_.to_broker_from_backend({.kind = EnvelopeKind::news,
                                   .code = actors::kSessionNews,
                                   .count = count,
                                   .epoch = core_->epoch()},
                                  std::move(ended));
  core_->set_log_room(log_room_);
  clock_->look();
  world_.on_clock(sale_clock_us());
  (void)core_->expire(sale_clock_us(), effects_);
  core_->flush(effects_);
  carry_out();
  exactly(kHelloEvery, [this] { tick(); });
}

void BackendProcess::hello() {
  world_.to_broker_from_backend({.kind = EnvelopeKind::hello,
                                 .code = static_cast<std::uint16_t>(core_->phase()),
                                 .origin = actors::log_name(writer_->uuid()),
                                 .sender = instance_,
                                 .number = answered_,
                                 .broker = broker_,
                                 .epoch = core_->epoch(),
                                 .counter = world_.plan.inflight_max},
                                {});
}

bool BackendProcess::settled() const {
  const bool lanes_idle = std::none_of(lanes_.begin(), lanes_.end(),
                                       [](const auto& lane) { return lane->agent.busy(); });
  return serving_ && claimed_ && mail_.empty() && !core_->work_open() && log_->empty() &&
         core_->projection().idle() && lanes_idle;
}

// --- log: LogAgent -------------------------------------------------------------------------------

void BackendProcess::wake_log() {
  if (log_busy_) return;
  const auto now = world_.queue.now();
  log_->want_spare(now);
  if (log_->begin(now, wall_ns())) return write_batch();
  const auto next = log_->next_look(now);
  if (next >= log_wake_) return;
  log_wake_ = next;
  exactly(next - now, [this, next] {
    if (log_wake_ != next) return;  // an earlier one was wanted meanwhile
    log_wake_ = actors::LogAgent::kNever;
    wake_log();
  });
}

void BackendProcess::write_batch() {
  log_busy_ = true;
  std::string records;
  for (const auto part : log_->parts()) records += part;
  world_.on_append(records, log_->head().first_lsn);
  write();
}

void BackendProcess::write() {
  const auto written = log_->write();
  if (!written && written.error().code == Errc::full) return later(100 * kMs, [this] { write(); });
  if (!written) return io_error(written.error());
  later(world_.plan.sync_delay_max, [this] { sync(); });
}

void BackendProcess::sync() {
  if (const auto synced = log_->sync(); !synced) return io_error(synced.error());
  world_.on_synced(*writer_);
  log_busy_ = false;
  wake_log();
}

void BackendProcess::durable(std::uint64_t appends) {
  post(Durable{appends}, kMs / 10);
}

void BackendProcess::io_error(const Error& error) {
  world_.backend_exit(kExitIo, error.message);
}

bool BackendProcess::make_spare(storage::SegmentMaker maker) {
  later(5 * kMs, [this, maker = std::move(maker)] {
    const auto made = std::make_shared<storage::Result<storage::SpareSegment>>(maker.make());
    later(kMs, [this, made] {
      spare_failed_ = !*made;
      log_->on_spare(*made, world_.queue.now());
      wake_log();
    });
  });
  return true;
}

void BackendProcess::no_spare(const Error& why) {
  world_.trace.say("no spare", why.message);
}

// --- clock: ClockAgent ---------------------------------------------------------------------------

actors::ClockReading BackendProcess::clocks() {
  return {world_.queue.now(), world_.wall_us()};
}

std::optional<actors::KeptClock> BackendProcess::kept() {
  if (!world_.kept_clock) world_.on_clock_believed(core_->last_lsn());
  return world_.kept_clock;
}

void BackendProcess::keep(const actors::KeptClock& clock) {
  world_.kept_clock = clock;
}

void BackendProcess::alarm(Time ahead) {
  world_.trace.say("clock alarm, microseconds ahead", std::to_string(ahead));
}

void BackendProcess::alarm_is_over() {
  world_.trace.say("clock", "the alarm is over");
}

std::int64_t BackendProcess::sale_clock_us() const {
  return clock_->now_us(world_.queue.now());
}

void BackendProcess::accept_clock(const Control& control, std::string_view request_id) {
  const auto accepted = clock_->believe(request_id);
  if (accepted.changed) world_.on_clock_believed(core_->last_lsn());
  inbox_.on_answer(control.ticket, {{"clock", accepted.changed}});
}

// --- snapshots and retention: SnapshotAgent -----------------------------------------------------

// Now and then an operator asks for a snapshot though none is due.
void BackendProcess::plan_snapshot() {
  const auto every = world_.plan.snapshot_every;
  if (every == 0) return;
  if (!snapshots_)
    snapshots_.emplace(world_.disk,
                       actors::SnapshotSettings{.dir = kLogDir,
                                                .limits = limits_of(world_.plan).book,
                                                .every_bytes = 1,
                                                .retain_s = world_.plan.remove_segments ? 0 : -1,
                                                .retain_every = 3 * every,
                                                .after_kept = 3 * every,
                                                .after_failure = every,
                                                .after_difference = 3 * every},
                       static_cast<actors::SnapshotOutlet&>(*this));
  exactly(world_.schedule.between(1, 2 * every), [this] {
    const auto now = world_.queue.now();
    if (world_.schedule.chance(0.1)) snapshots_->make(now);
    snapshots_->look(now);
    plan_snapshot();
  });
}

std::unique_ptr<actors::StoredRows> BackendProcess::rows() {
  return std::make_unique<actors::DatabaseRows>(database_);
}

void BackendProcess::made(const actors::SnapshotMade& snapshot) {
  world_.on_snapshot(snapshot);
}

// A segment may go only when the database has what it says.
void BackendProcess::retained(const actors::RetentionReport& report) {
  world_.on_retention(report);
}

void BackendProcess::not_made(std::string_view, const Error& error, Time) {
  if (error.code != Errc::io && error.code != Errc::full) throw Violation{"S8", error.message};
}

// --- lanes and claim: LaneAgent, ClaimAgent ------------------------------------------------------

void BackendProcess::claim() {
  later(world_.plan.server_delay_max, [this] {
    const auto attempt = claim_->attempt(world_.wall_us());
    switch (attempt.kind) {
      case actors::Attempt::Kind::done:
        claimed_ = true;
        world_.on_claimed(claim_->epoch());
        return post(Claimed{}, kMs / 10);
      case actors::Attempt::Kind::again:
        return exactly(attempt.wait, [this] { claim(); });
      case actors::Attempt::Kind::final:
        return world_.backend_exit(attempt.exit_code, attempt.error.message);
    }
  });
}

void BackendProcess::give_work(actors::LaneWork work) {
  const auto number = work.lane;
  auto& lane = *lanes_[number];
  require(!lane.agent.busy(), "core", "work for a lane that is busy");
  lane.agent.take(std::move(work), world_.queue.now());
  later(world_.plan.server_delay_max, [this, number] { apply(number); });
}

void BackendProcess::apply(std::size_t number) {
  auto& lane = *lanes_[number];
  const auto attempt = [&] {
    const WritesAs as(world_.server, {lane.epoch, lane.number});
    return lane.agent.attempt();
  }();
  switch (attempt.kind) {
    case actors::Attempt::Kind::again:
      return exactly(attempt.wait, [this, number] { apply(number); });
    case actors::Attempt::Kind::final:
      return world_.backend_exit(attempt.exit_code, attempt.error.message);
    case actors::Attempt::Kind::done:
      break;
  }
  for (const auto& reason : lane.agent.reasons()) world_.trace.say("failed", reason);
  const auto rest = std::max<Time>(0, lane.agent.rest_until() - world_.queue.now());
  exactly(rest, [this, number] {
    const auto& done = lanes_[number]->agent;
    post(LaneDone{done.number(), done.failed()}, world_.plan.server_delay_max);
  });
}

}  // namespace stampede::sim
