#include "actors/backend.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <deque>

#include "actors/backend_mail.h"
#include "actors/backend_port.h"
#include "actors/backend_report.h"
#include "actors/backend_start.h"
#include "actors/log_keeper.h"
#include "config/failpoint.h"

namespace stampede::actors {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kTick = milliseconds(50);          // news and status, when no mail comes
constexpr auto kItemsEvery = milliseconds(1000);  // the item list of the status
constexpr std::size_t kStatusItemsMax = 1000;
constexpr std::size_t kNewsPerTick = 500;
constexpr int kMailsPerRound = 256;

std::int64_t wall_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// The core actor: feeds BackendCore and carries its effects out. Detached: it has a thread of its
// own, in which it first replays the log. One round takes all mail that waits, then flushes once.
class Core : public caf::blocking_actor {
 public:
  Core(caf::actor_config& config, NodeRuntime& node, BackendStatus& status)
      : caf::blocking_actor(config), node_(node), status_(status) {}

  void act() override {
    receive([&](const caf::actor& port) { port_ = port; });
    status_.phase.store(Phase::replaying);
    start_ = start_backend(node_, status_);
    spawn_others();
    core().set_phase(Phase::serving);
    replies_->open_intake = true;
    publish_status();
    send_replies();
    while (running_) round();
  }

 private:
  BackendCore& core() { return *start_.core; }

  void spawn_others() {
    const auto self = caf::actor_cast<caf::actor>(this);
    const auto epoch = start_.claim.epoch;
    log_ = spawn_log_keeper(node_, status_, {start_.disk, start_.writer, epoch}, self);
    node_.watch("log", log_);
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(start_.claim.database.lanes); ++i) {
      lanes_.push_back(spawn_lane(node_, status_, {start_.claim.database, i, epoch}, self));
      node_.watch("lane-" + std::to_string(i + storage::kFirstLane), lanes_.back());
    }
    spawn_claim(node_, start_.claim, self);
  }

  void round() {
    take_mail(kTick);
    for (int i = 1; i < kMailsPerRound && running_ && has_next_message(); ++i)
      take_mail(milliseconds(0));
    core().flush(effects_);
    if (decided_something()) config::failpoint("decided");
    carry_out();
    if (steady_clock::now() >= next_tick_) tick();
    send_replies();
  }

  [[nodiscard]] bool decided_something() const {
    return std::any_of(effects_.appends.begin(), effects_.appends.end(),
                       [](const auto& append) { return append->decisions > 0; });
  }

  void take_mail(milliseconds wait) {
    receive([&](WorkMail& mail) { take(*mail.work); },
            [&](DurableMail& mail) { core().on_durable(mail.appends, effects_); },
            [&](LaneDoneMail& mail) { core().on_lane_done(mail.lane, *mail.failed, effects_); },
            [&](ControlMail& mail) { take(mail.number, *mail.command); },
            [&](WantedMail& mail) { want(mail.phase); },
            [&](ClaimedMail&) {
              status_.claimed.store(true);
              core().start_lanes(effects_);
            },
            [&](const caf::exit_msg&) { running_ = false; },
            caf::others >> [](caf::message_view&) -> caf::result<caf::message> {
              return caf::sec::unexpected_message;
            },
            caf::after(wait) >> [] {});
  }

  void take(std::vector<Work>& work) {
    config::failpoint("received");
    const auto now = wall_us();
    for (const auto& one : work) core().on_work(one.envelope, one.body.bytes(), now, effects_);
  }

  void take(std::uint64_t number, const nlohmann::json& command) {
    const auto what = command.value("do", "");
    if (what == "books") return core().on_books(number, effects_);
    if (what == "items") return list_items(number, command);
    if (what != "item_put" && what != "stock_change")
      return answer(number, {{"error", "unknown command"}, {"exit", 2}});
    const auto read = read_control(command);
    if (!read.error.empty()) return answer(number, error_reply(Code::bad_request, {}, read.error));
    core().on_control(number, read.request, effects_);
  }

  void list_items(std::uint64_t number, const nlohmann::json& command) {
    const auto from = command.value("from", std::uint64_t{0});
    const auto limit = command.value("limit", std::uint64_t{kItemsPageMax});
    answer(number, items_reply(core().book(), from, limit));
  }

  void answer(std::uint64_t number, nlohmann::json reply) {
    replies_->controls.emplace_back(number, std::move(reply));
  }

  void want(Phase wanted) {
    if (wanted == core().phase()) return;
    if (wanted == Phase::draining || wanted == Phase::serving) core().set_phase(wanted);
    spdlog::info("phase {}", to_text(core().phase()));
    publish_status();
  }

  void carry_out() {
    if (!effects_.appends.empty()) send(log_, AppendMail{std::move(effects_.appends)});
    for (auto& work : effects_.work)
      send(lanes_[work.lane], LaneWorkMail{std::make_shared<LaneWork>(std::move(work))});
    for (auto& result : effects_.results) replies_->results.push_back(std::move(result));
    for (const auto& control : effects_.controls) answer(control.number, control_reply(control));
    for (const auto& books : effects_.books) answer(books.number, books_reply(books));
    effects_.clear();
  }

  void tick() {
    next_tick_ = steady_clock::now() + kTick;
    replies_->news_count = core().take_news(replies_->news, kNewsPerTick);
    publish_status();
    if (steady_clock::now() >= next_items_) publish_items();
    const auto& projection = core().projection();
    const bool written = projection.idle() || status_.lanes_down.load() > 0;
    if (core().phase() == Phase::draining && !core().work_open() && written)
      replies_->drained = true;
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
    status_.owed.store(core().projection().owed());
    status_.failed.store(core().projection().failed());
    status_.lag_us.store(lag_us());
  }

  // How long ago the oldest order that the database does not have yet was decided; measured at
  // ticks, so right to a tick.
  std::uint64_t lag_us() {
    const auto oldest = core().projection().oldest_owed();
    if (oldest == 0) return decided_.clear(), 0;
    const auto now = static_cast<std::uint64_t>(wall_us());
    if (decided_.empty() || decided_.back().first < core().last_lsn())
      decided_.emplace_back(core().last_lsn(), now);
    while (decided_.size() > 1 && decided_.front().first < oldest) decided_.pop_front();
    if (decided_.size() > kLagSamplesMax) decided_.erase(decided_.begin() + 1);
    return now > decided_.front().second ? now - decided_.front().second : 0;
  }

  void publish_items() {
    next_items_ = steady_clock::now() + kItemsEvery;
    std::vector<ItemRow> rows;
    core().book().page(0, kStatusItemsMax, rows);
    auto items = nlohmann::json::array();
    for (const auto& row : rows)
      items.push_back({{"item", row.item},
                       {"name", row.name},
                       {"total", row.total},
                       {"left", row.left},
                       {"sold", row.total - row.left}});
    const std::lock_guard lock(status_.items_mutex);
    status_.items = std::move(items);
  }

  void send_replies() {
    const bool something = !replies_->results.empty() || !replies_->controls.empty() ||
                           replies_->news_count > 0 || replies_->open_intake || replies_->drained;
    if (!something) return;
    send(port_, ReplyMail{std::move(replies_)});
    replies_ = std::make_shared<Replies>();
  }

  static constexpr std::size_t kLagSamplesMax = 100'000;

  NodeRuntime& node_;
  BackendStatus& status_;
  BackendStart start_;
  caf::actor port_;
  caf::actor log_;
  std::vector<caf::actor> lanes_;
  Effects effects_;
  std::shared_ptr<Replies> replies_ = std::make_shared<Replies>();
  std::deque<std::pair<Lsn, std::uint64_t>> decided_;  // (lsn, time): for the lag
  steady_clock::time_point next_tick_{};
  steady_clock::time_point next_items_{};
  bool running_ = true;
};

}  // namespace

int run_backend(NodeOptions options) {
  BackendStatus status;
  caf::actor core;
  const auto start = [&](NodeRuntime& node) {
    core = node.system().spawn<Core, caf::detached>(std::ref(node), std::ref(status));
    node.watch("core", core);
    auto port = transport::spawn_port(node.system(), node.context(),
                                      std::make_unique<BackendPort>(node, status, core));
    node.watch("port", port);
    caf::anon_send(core, port);
  };
  const auto drain = [&](NodeRuntime&) { caf::anon_send(core, WantedMail{Phase::draining}); };
  const auto code = run_node(std::move(options), start, drain);
  return code;
}

}  // namespace stampede::actors
