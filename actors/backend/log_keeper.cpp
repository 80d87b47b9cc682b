#include "actors/backend/log_keeper.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "actors/backend/agents/log_agent.h"
#include "actors/backend/monotonic.h"
#include "actors/node/steady_actor.h"
#include "config/process/wall_clock.h"

namespace stampede::actors::detail {

struct SpareMail {
  std::shared_ptr<storage::Result<storage::SpareSegment>> spare;
};

}  // namespace stampede::actors::detail

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stampede::actors::detail::SpareMail)

namespace stampede::actors {

namespace {

using detail::SpareMail;

class LogKeeper : public SteadyActor, private LogOutlet {
 public:
  LogKeeper(caf::actor_config& config, NodeRuntime& node, BackendStatus& status,
            LogKeeperStart start, caf::actor core)
      : SteadyActor(config),
        node_(node),
        status_(status),
        core_(std::move(core)),
        disk_(std::move(start.disk)),
        agent_(std::move(start.writer), start.epoch, static_cast<std::uint32_t>(::getpid()), *this,
               monotonic_us()) {}

  void act() override {
    agent_.want_spare(monotonic_us());
    while (running_) {
      take_mail();
      while (agent_.begin(monotonic_us(), config::wall_ns())) write_batch();
      if (running_) agent_.want_spare(monotonic_us());
    }
    while (agent_.begin(monotonic_us(), config::wall_ns(), true)) write_batch();
  }

 private:
  // Waits for mail until the agent wants to look again, then takes all there is.
  void take_mail() {
    auto timed_out = false;
    const auto one = [&](std::chrono::microseconds wait) {
      receive([&](AppendMail& mail) { agent_.on_appends(std::move(mail.appends), monotonic_us()); },
              [&](SpareMail& mail) { agent_.on_spare(*mail.spare, monotonic_us()); },
              [&](const caf::exit_msg&) { running_ = false; },
              caf::others >> [](caf::message_view&) -> caf::result<caf::message> {
                return caf::sec::unexpected_message;
              },
              caf::after(wait) >> [&] { timed_out = true; });
    };
    const auto now = monotonic_us();
    one(std::chrono::microseconds(std::min(agent_.next_look(now) - now, kWaitMax)));
    while (!timed_out && running_ && has_next_message() && agent_.waiting_bytes() < kTakeBytes)
      one(std::chrono::microseconds(0));
  }

  void write_batch() {
    status_.disk_waiting.store(true);
    write();
    const auto before = monotonic_us();
    check(agent_.sync());
    const auto us = static_cast<std::uint64_t>(monotonic_us() - before);
    status_.sync_us.add(static_cast<std::int64_t>(us));
    if (us > status_.log_sync_us_max.load()) status_.log_sync_us_max.store(us);
    status_.log_syncs.fetch_add(1, std::memory_order_relaxed);
    status_.progress.fetch_add(1, std::memory_order_relaxed);
    const auto position = agent_.writer().durable_pos();
    const auto was = status_.log_bytes.exchange(position);
    status_.log_written.fetch_add(position - std::min(was, position), std::memory_order_relaxed);
    status_.log_segments.store(agent_.writer().segment_no());
    status_.disk_waiting.store(false);
  }

  // What was decided stays undecided for its client until the disk has room for it.
  void write() {
    auto written = agent_.write();
    while (!written && written.error().code == storage::Errc::full) {
      if (std::exchange(no_room_, written.error().message) != no_room_)
        spdlog::error("the log waits for room: {}", no_room_);
      std::this_thread::sleep_for(kRoomRetry);
      written = agent_.write();
    }
    if (!no_room_.empty()) spdlog::warn("the log goes on");
    no_room_.clear();
    check(written);
  }

  void check(const storage::Status& status) {
    if (!status) node_.fail(kExitIo, status.error().message);
  }

  // --- LogOutlet ---
  void durable(std::uint64_t appends) override { send(core_, DurableMail{appends}); }

  // Without a thread for it there is none, and the sale goes on: whoever needs the next segment
  // before there is one makes it.
  bool make_spare(storage::SegmentMaker maker) override {
    const bool begun = node_.spawn_work_if_any(
        "spare",
        [maker = std::move(maker), disk = disk_, keeper = caf::actor_cast<caf::actor>(this)] {
          auto made = std::make_shared<storage::Result<storage::SpareSegment>>(maker.make());
          caf::anon_send(keeper, SpareMail{std::move(made)});
        });
    if (begun == std::exchange(no_thread_, !begun))
      begun ? spdlog::warn("there is a thread for spare segments again")
            : spdlog::warn(
                  "no spare segment: the kernel gives no thread (ulimit -u, the container's "
                  "limit on pids); tried again, the sale goes on");
    return begun;
  }

  void room(std::uint64_t bytes) override {
    const bool was_full = status_.log_room.exchange(bytes) == 0;
    if ((bytes == 0) == was_full) return;
    spdlog::warn(bytes == 0
                     ? "the log's disk is full: new orders are overloaded until there is room"
                     : "the log has room again");
  }

  void no_spare(const storage::Error& why) override {
    spdlog::warn("no spare segment: {}", why.message);
  }

  static constexpr std::size_t kTakeBytes = 4u << 20;
  static constexpr Micros kWaitMax = 3600 * kSeconds;
  static constexpr std::chrono::milliseconds kRoomRetry{100};

  NodeRuntime& node_;
  BackendStatus& status_;
  caf::actor core_;
  std::shared_ptr<storage::Disk> disk_;  // outlives the writer and each maker
  LogAgent agent_;
  std::string no_room_;     // why a batch waits
  bool no_thread_ = false;  // was told
  bool running_ = true;
};

}  // namespace

caf::actor spawn_log_keeper(NodeRuntime& node, BackendStatus& status, LogKeeperStart start,
                            caf::actor core) {
  return node.spawn_actor<LogKeeper>({"log"}, std::ref(node), std::ref(status), std::move(start),
                                     std::move(core));
}

}  // namespace stampede::actors
