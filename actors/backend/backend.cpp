#include "actors/backend/backend.h"

#include <malloc.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>

#include "actors/backend/backend_clock.h"
#include "actors/backend/backend_mail.h"
#include "actors/backend/backend_port.h"
#include "actors/backend/backend_report.h"
#include "actors/backend/backend_start.h"
#include "actors/backend/log_keeper.h"
#include "actors/backend/monotonic.h"
#include "actors/backend/replay_trace_file.h"
#include "actors/backend/snapshot_keeper.h"
#include "actors/node/operator_wishes.h"
#include "actors/protocol/operator_command.h"
#include "config/faults/failpoint.h"
#include "config/process/memory_left.h"
#include "transport/port/time_grid.h"

namespace stampede::actors {

namespace {

using std::chrono::milliseconds;

constexpr auto kTick = milliseconds(50);         // news and status, when no mail comes
constexpr auto kTickIdle = milliseconds(500);    // the same while nothing is to be done
constexpr auto kExpireAgain = milliseconds(2);   // while more orders are due than one tick takes
constexpr auto kLookAgain = milliseconds(1);     // for a command that is not done yet
constexpr auto kReplayLook = milliseconds(100);  // whether the replay stands still
constexpr auto kRoomEvery = milliseconds(1000);  // whether there is memory to be made ahead
constexpr std::uint64_t kMemoryKept = std::uint64_t{96} << 20;
constexpr auto kItemsEvery = milliseconds(1000);  // the item list of the status
constexpr std::size_t kStatusItemsMax = 1000;
constexpr std::size_t kItemsPerTick = 1024;  // of the walk for the metrics
constexpr std::size_t kNewsPerTick = 500;

// The backend's port actor: one thread that owns the sockets and BackendCore. A round feeds the
// core all that has arrived (of much, what is worth a round: the log syncs meanwhile, and what is
// durable is answered before the rest is decided), then flushes once. While the log is being
// replayed (by a thread of its own, so that heartbeats go on) there is no core yet; commands wait,
// but for those that would wait for room on the disk.
class Backend : public transport::PortRole {
 public:
  Backend(NodeRuntime& node, BackendStatus& status)
      : node_(node),
        status_(status),
        limits_(node.limits()),
        port_(node, status,
              {.work = [this](const auto& envelope, auto body) { take(envelope, body); },
               .wanted = [this](Phase phase) { want(phase); },
               .command =
                   [this](std::uint64_t number, const nlohmann::json& command) {
                     commands_.emplace_back(number, command);
                   },
               .orders_refused = [this](bool refused) { refuse_orders(refused); }}),
        orders_refused_(read_operator_wishes(node.config().run_dir).drained()) {}

  void start(transport::PortControl& port) override {
    status_.phase.store(Phase::replaying);
    port_.start(port);
    spawn_start(port);
    port.wake_at(port.now() + kReplayLook);
  }

  caf::message_handler mail(transport::PortControl& port) override {
    return {[this, &port](StartedMail& mail) { serve(port, std::move(*mail.start)); },
            [this, &port](DurableMail& mail) {
              core().on_durable(mail.appends, effects_);
              carry_out(port);
              port_.send(port);  // answers leave before the next requests are looked at
            },
            [this](LaneDoneMail& mail) { core().on_lane_done(mail.lane, *mail.failed, effects_); },
            [this, &port](ClaimedMail&) {
              status_.claimed.store(true);
              for (const auto& lane : lanes_) port.self().send(lane, ClaimedMail{});
              core().start_lanes(effects_);
            },
            [this](WantedMail& mail) { want(mail.phase); }};
  }

  void on_message(transport::PortControl& port, transport::SocketId id,
                  transport::Message& parts) override {
    port_.on_message(port, id, parts);
    if (round_entries_ >= kRoundEntries) port.leave_rest();
  }

  void on_timer(transport::PortControl& port) override {
    if (!started())
      watch_replay(port);
    else if (port.now() >= next_tick_)
      tick(port);
    port_.on_timer(port);  // behind the tick, whose status a heartbeat tells
  }

  void on_quiet(transport::PortControl& port) override {
    const bool serving = started() && core().phase() == Phase::serving;
    if (!serving || port.now() < next_room_ || room_made_at_ == core().last_lsn()) return;
    if (memory_is_short()) {
      next_room_ = port.now() + kRoomEvery;
    } else if (core().make_room(node_.config().backend.orders_ahead_max)) {
      return port.call_when_quiet();
    } else if (!core().work_open()) {
      next_room_ = port.now() + kRoomEvery;  // nothing is missing, until more is decided
      if (core().projection().idle()) room_made_at_ = core().last_lsn();
    }
  }

  void end_of_round(transport::PortControl& port) override {
    if (started()) {
      take_commands(port);
      core().flush(effects_);
      if (decided_something()) config::failpoint("decided");
      carry_out(port);
      if (next_tick_ > port.now() + kTick && is_awake()) look_at(port, port.now() + kTick);
    } else if (standstill(status_) != Standstill::none) {
      refuse_commands();
    }
    port_.send(port);
    round_began_us_ = 0;
    round_entries_ = 0;
  }

  void finish(transport::PortControl& port) override {
    if (started()) publish_status();  // the last decisions are counted, too
    port_.finish(port);
  }

 private:
  [[nodiscard]] bool started() const { return start_ != nullptr; }
  BackendCore& core() { return *start_->core; }

  // Reads the log on a thread of its own.
  void spawn_start(transport::PortControl& port) {
    node_.spawn_work("start", [this, self = caf::actor_cast<caf::actor>(&port.self())] {
      auto start = std::make_shared<BackendStart>(start_backend(node_, status_));
      caf::anon_send(self, StartedMail{std::move(start)});
      ::malloc_trim(0);  // what reading the log took
    });
  }

  // Memory made ahead is a comfort: it ends where a quarter of what there may be is left, to others
  // in the same container, too.
  static bool memory_is_short() {
    const auto left = config::memory_left();
    return left.bytes < std::max(left.of / 4, kMemoryKept);
  }

  // Long before the supervisor ends what does not move.
  void watch_replay(transport::PortControl& port) {
    standing_.look(monotonic_us(), node_.config().supervisor.stall_ms * kMillis / 2);
    port.wake_at(port.now() + kReplayLook);
  }

  void serve(transport::PortControl& port, BackendStart&& start) {
    start_ = std::make_unique<BackendStart>(std::move(start));
    spawn_others(caf::actor_cast<caf::actor>(&port.self()));
    core().set_phase(Phase::serving);
    // Payments that waited while nobody served come first.
    clock_.emplace(node_.config().run_dir / (node_.id() + ".clock"), status_);
    core().expire_from(clock_->now_us() + node_.config().backend.hold_grace_s * kSeconds);
    publish_status();
    port_.open_intake(port);
    want(wanted_);
    refuse_orders(orders_refused_);
    tick(port);
  }

  void spawn_others(const caf::actor& self) {
    const auto& claim = start_->claim;
    const auto epoch = claim.epoch;
    log_ = spawn_log_keeper(node_, status_, {start_->disk, start_->writer, epoch}, self);
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(claim.database.lanes); ++i)
      lanes_.push_back(spawn_lane(
          node_, status_, {claim.database, i, epoch, claim.owner.start, claim.last_of(i)}, self));
    spawn_claim(node_, status_, claim, self);
    const auto& book = node_.config().backend;
    spawn_snapshot_keeper(
        node_, status_,
        {start_->disk, start_->claim.database, {book.orders_max, book.rejections_max}});
  }

  [[nodiscard]] bool decided_something() const {
    return std::any_of(effects_.appends.begin(), effects_.appends.end(),
                       [](const auto& append) { return append->decisions > 0; });
  }

  void take(const transport::Envelope& envelope, std::string_view body) {
    if (round_began_us_ == 0) {
      config::failpoint("received");
      round_began_us_ = clock_->round_began_us();
    }
    round_entries_ += envelope.count;
    look_at_room();
    core().on_work(envelope, body, round_began_us_, effects_);
  }

  // Before whatever may decide something new, whichever way it came in.
  void look_at_room() { core().set_log_room(status_.log_room.load(std::memory_order_relaxed)); }

  // Until one needs more time than a round has: then orders go first, and the others wait behind
  // it.
  void take_commands(transport::PortControl& port) {
    if (commands_.empty()) return;
    look_at_room();
    clock_->look();  // the first after a rest, perhaps
    for (; !commands_.empty(); commands_.pop_front())
      if (!take(commands_.front().first, commands_.front().second))
        return port.wake_at(port.now() + kLookAgain);
  }

  // A start that waits for somebody outside. What is refused is not kept, as orders are not.
  void refuse_commands() {
    for (; !commands_.empty(); commands_.pop_front())
      answer(commands_.front().first,
             standstill_reply(commands_.front().second, standstill(status_), limits_));
  }

  // False: not yet.
  bool take(std::uint64_t number, const nlohmann::json& command) {
    const auto read = read_operator_command(command);
    if (read.error.empty() && read.item.action != ItemAction::invalid)
      return core().on_item(number, read.item, clock_->now_us(), effects_);
    if (read.error.empty() && read.promo.action != PromoAction::invalid)
      return core().on_promo(number, read.promo, clock_->now_us(), effects_);
    take_at_once(number, command, read);
    return true;
  }

  void take_at_once(std::uint64_t number, const nlohmann::json& command,
                    const OperatorCommand& read) {
    if (!read.error.empty())
      return answer(number, error_reply(Code::bad_request, read.field, read.error));
    if (read.request.kind == RequestKind::items)
      return answer(number, items_reply(core().book(), read.request));
    if (read.request.kind == RequestKind::promos)
      return answer(number, promos_reply(core().book(), read.request, clock_->now_us()));
    if (read.request.kind != RequestKind::invalid)
      return core().on_control(number, read.request, effects_, clock_->now_us());
    if (read.accepts_clock) return answer(number, clock_->accept(read.request.id));
    if (command.at("do") == "books") return core().on_books(number, effects_);
    answer(number, {{"error", "unknown command"}, {"exit", 2}});
  }

  void answer(std::uint64_t number, nlohmann::json reply) { port_.reply(number, std::move(reply)); }

  void want(Phase wanted) {
    wanted_ = wanted;
    status_.stop_wanted.store(wanted == Phase::draining);
    if (!started() || wanted == core().phase()) return;
    if (wanted == Phase::draining || wanted == Phase::serving) core().set_phase(wanted);
    spdlog::info("phase {}", to_text(core().phase()));
    publish_status();
  }

  void refuse_orders(bool refused) {
    orders_refused_ = refused;
    if (started()) core().refuse_orders(refused);
  }

  void carry_out(transport::PortControl& port) {
    auto& self = port.self();
    if (!effects_.appends.empty()) self.send(log_, AppendMail{std::move(effects_.appends)});
    for (auto& work : effects_.work)
      self.send(lanes_[work.lane], LaneWorkMail{std::make_shared<LaneWork>(std::move(work))});
    for (auto& result : effects_.results) port_.queue(std::move(result));
    // Who changed an item looks next at what webapps tell of it.
    if (!effects_.controls.empty() || !effects_.promos.empty()) tell_news();
    // … and at the status: the report that answers has the items as they are now.
    if (!effects_.controls.empty()) publish_items(port.now());
    for (const auto& control : effects_.controls)
      answer(control.number, control_reply(control, limits_));
    for (const auto& promo : effects_.promos) answer(promo.number, promo_reply(promo, limits_));
    for (const auto& books : effects_.books) answer(books.number, books_reply(books));
    effects_.clear();
  }

  // Somebody waits, something is owed, or a time to pay may end.
  [[nodiscard]] bool is_awake() {
    return core().work_open() || !core().projection().idle() || core().phase() != Phase::serving ||
           core().book().held().size() > 0 || status_.clock_ahead_us.load() != 0;
  }

  void look_at(transport::PortControl& port, transport::MonoTime when) {
    next_tick_ = when;
    port.wake_at(next_tick_);
  }

  void tick(transport::PortControl& port) {
    port.call_when_quiet();
    look_at_room();
    clock_->look();
    const bool more = core().expire(clock_->now_us(), effects_);
    if (more || is_awake())
      look_at(port, port.now() + (more ? kExpireAgain : kTick));
    else
      look_at(port, transport::next_on_grid(port.now(), kTickIdle));
    tell_news();
    std::string ended;
    if (const auto count = core().take_session_news(ended, kNewsPerTick, clock_->now_us());
        count > 0)
      port_.queue_session_news(count, std::move(ended));
    publish_status();
    if (port.now() >= next_items_) publish_items(port.now());
    if (port.now() >= next_walk_) walk_items(port.now());
    const auto& projection = core().projection();
    const bool written = projection.idle() || status_.lanes_down.load() > 0;
    if (core().phase() == Phase::draining && !core().work_open() && written) node_.request_stop();
  }

  void tell_news() {
    std::string news;
    if (const auto count = core().take_news(news, kNewsPerTick); count > 0)
      port_.queue_news(count, std::move(news));
  }

  void publish_status() {
    const auto& counters = core().counters();
    status_.phase.store(core().phase());
    status_.epoch.store(core().epoch());
    status_.last_lsn.store(core().last_lsn());
    status_.durable_lsn.store(core().durable_lsn());
    status_.work_waiting.store(core().work_open());
    status_.requests.store(counters.requests);
    status_.confirmed.store(counters.confirmed);
    status_.sold_out.store(counters.sold_out);
    status_.limit_reached.store(counters.limit_reached);
    status_.replayed.store(counters.replayed);
    status_.refused.store(counters.refused);
    status_.malformed.store(counters.malformed);
    status_.tickets.store(counters.tickets);
    status_.sessions_ended.store(core().book().sessions().ended());
    status_.paid.store(counters.paid);
    status_.expired.store(counters.expired);
    status_.cancelled.store(counters.cancelled);
    status_.refund_due.store(counters.refund_due);
    status_.owed.store(core().projection().owed());
    status_.backlog_full.store(core().projection().owed() >=
                               node_.config().log.backlog_commands_max);
    status_.failed.store(core().projection().failed());
    status_.lag_us.store(lag_us());
    status_.counted.store(true);
  }

  // How long ago the oldest order, change of one or of the stock that the database does not have
  // yet was decided; measured at ticks, so right to a tick.
  std::uint64_t lag_us() {
    const auto oldest = core().projection().oldest_owed();
    if (oldest == 0) return decided_.clear(), 0;
    const auto now = static_cast<std::uint64_t>(monotonic_us());
    if (decided_.empty() || decided_.back().first < core().last_lsn())
      decided_.emplace_back(core().last_lsn(), now);
    while (decided_.size() > 1 && decided_.front().first < oldest) decided_.pop_front();
    if (decided_.size() > kLagSamplesMax) decided_.erase(decided_.begin() + 1);
    return now > decided_.front().second ? now - decided_.front().second : 0;
  }

  void publish_items(transport::MonoTime now) {
    next_items_ = now + kItemsEvery;
    std::vector<ItemRow> rows;
    core().book().page(0, kStatusItemsMax, rows);
    auto items = nlohmann::json::array();
    for (const auto& row : rows) items.push_back(item_status(row));
    const std::lock_guard lock(status_.items_mutex);
    status_.items = std::move(items);
  }

  void walk_items(transport::MonoTime now) {
    if (!core().walk_items(kItemsPerTick)) return;
    next_walk_ = now + kItemsEvery;
    status_.stock_left.store(core().busy().left());
    status_.stock_sold.store(core().busy().sold());
    auto busiest = core().busy().busiest(core().book().items());
    const std::lock_guard lock(status_.items_mutex);
    status_.busiest = std::move(busiest);
  }

  static constexpr std::size_t kLagSamplesMax = 100'000;

  NodeRuntime& node_;
  BackendStatus& status_;
  LimitTexts limits_;
  BackendPort port_;
  StandingReplay standing_;
  std::unique_ptr<BackendStart> start_;  // null while the log is being replayed, as the next
  std::optional<BackendClock> clock_;
  Phase wanted_ = Phase::serving;
  bool orders_refused_;
  std::deque<std::pair<std::uint64_t, nlohmann::json>> commands_;  // of this round, or waiting
  caf::actor log_;
  std::vector<caf::actor> lanes_;
  Effects effects_;
  std::deque<std::pair<Lsn, std::uint64_t>> decided_;  // (lsn, time): for the lag
  std::int64_t round_began_us_ = 0;                    // by clock_; 0: no work in this round yet
  std::size_t round_entries_ = 0;
  transport::MonoTime next_tick_{};
  transport::MonoTime next_items_{};
  transport::MonoTime next_walk_{};
  transport::MonoTime next_room_{};
  std::optional<Lsn> room_made_at_;  // as much as there shall be
};

}  // namespace

int run_backend(NodeOptions options) {
  BackendStatus status;
  caf::actor port;
  const auto start = [&](NodeRuntime& node) {
    // The core lives in the port's thread.
    port = node.spawn_actor<transport::PortActor>({"port", "core"}, &node.context(),
                                                  std::make_unique<Backend>(node, status));
  };
  const auto drain = [&](NodeRuntime&) { caf::anon_send(port, WantedMail{Phase::draining}); };
  return run_node(std::move(options), start, drain);
}

}  // namespace stampede::actors
