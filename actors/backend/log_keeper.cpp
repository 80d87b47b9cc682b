#include "actors/backend/log_keeper.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>

#include "actors/backend/core/log_plan.h"
#include "actors/node/steady_actor.h"
#include "config/faults/failpoint.h"
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
using std::chrono::milliseconds;
using std::chrono::steady_clock;

class LogKeeper : public SteadyActor {
 public:
  LogKeeper(caf::actor_config& config, NodeRuntime& node, BackendStatus& status,
            LogKeeperStart start, caf::actor core)
      : SteadyActor(config),
        node_(node),
        status_(status),
        start_(std::move(start)),
        core_(std::move(core)) {}

  void act() override {
    want_spare();
    while (running_) {
      take_mail();
      if (plan_.due(idle()))
        write_waiting();
      else if (plan_.seal_due() && idle())
        write_seal();
      want_spare();
    }
    write_waiting();
  }

 private:
  storage::LogWriter& writer() { return *start_.writer; }
  bool idle() const { return steady_clock::now() - last_mail_ >= milliseconds(kLogIdleMs); }

  // Waits for mail (with something unwritten only for the idle time), then takes all there is.
  void take_mail() {
    auto timed_out = false;
    const auto one = [&](auto&& timeout) {
      receive([&](AppendMail& mail) { take(mail); }, [&](SpareMail& mail) { take(mail); },
              [&](const caf::exit_msg&) { running_ = false; },
              caf::others >> [](caf::message_view&) -> caf::result<caf::message> {
                return caf::sec::unexpected_message;
              },
              timeout);
    };
    if (!plan_.empty() || plan_.seal_due()) {
      one(caf::after(milliseconds(kLogIdleMs)) >> [&] { timed_out = true; });
    } else {
      // A spare that could not be made is tried again although nobody writes: then nobody may.
      const auto wait = writer().wants_spare() ? kSpareRetry : milliseconds(3'600'000);
      one(caf::after(wait) >> [&] { timed_out = true; });
    }
    while (!timed_out && running_ && has_next_message() && plan_.waiting_bytes() < kTakeBytes)
      one(caf::after(milliseconds(0)) >> [&] { timed_out = true; });
  }

  void take(AppendMail& mail) {
    last_mail_ = steady_clock::now();
    for (auto& append : mail.appends) plan_.add(std::move(append));
  }

  // Writes all that waits, in batches of at most the log's size, and reports each.
  void write_waiting() {
    while (!plan_.empty()) {
      storage::BatchHead head{start_.epoch, 0, 0, config::wall_ns(), pid_};
      const auto appends = plan_.next_frame(parts_, head);
      write_batch(head);
      plan_.written();
      send(core_, DurableMail{appends});
    }
  }

  void write_seal() {
    config::failpoint("before_seal");
    const auto records = LogPlan::seal_records();
    parts_.assign(1, records);
    write_batch({start_.epoch, writer().chain().next_lsn, 1, config::wall_ns(), pid_});
    plan_.sealed();
  }

  void write_batch(const storage::BatchHead& head) {
    status_.disk_waiting.store(true);
    check(writer().append(parts_, head));
    const auto before = steady_clock::now();
    check(writer().sync());
    const auto took =
        std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - before);
    const auto us = static_cast<std::uint64_t>(took.count());
    if (us > status_.log_sync_us_max.load()) status_.log_sync_us_max.store(us);
    status_.log_syncs.fetch_add(1, std::memory_order_relaxed);
    status_.progress.fetch_add(1, std::memory_order_relaxed);
    status_.log_bytes.store(writer().durable_pos());
    status_.log_segments.store(writer().segment_no());
    tell_room();
    status_.disk_waiting.store(false);
  }

  void check(const storage::Status& status) {
    if (!status) node_.fail(kExitIo, status.error().message);
  }

  // Has the next segment made on a thread of its own while this one is being filled.
  void want_spare() {
    if (making_spare_ || !running_ || !writer().wants_spare()) return;
    if (steady_clock::now() < next_spare_) return;
    making_spare_ = true;
    node_.spawn_work("spare", [maker = writer().segment_maker(), disk = start_.disk,
                               keeper = caf::actor_cast<caf::actor>(this)] {
      auto made = std::make_shared<storage::Result<storage::SpareSegment>>(maker.make());
      caf::anon_send(keeper, SpareMail{std::move(made)});
    });
  }

  void take(SpareMail& mail) {
    making_spare_ = false;
    if (*mail.spare) {
      writer().give_spare(std::move(**mail.spare));
    } else {
      if (next_spare_ == steady_clock::time_point{})
        spdlog::warn("no spare segment: {}", mail.spare->error().message);
      next_spare_ = steady_clock::now() + kSpareRetry;
    }
    tell_room();
  }

  // Only a disk without room for a spare stops orders, not one that is still making it.
  void tell_room() {
    const bool full = writer().nearly_full() && next_spare_ != steady_clock::time_point{};
    if (!writer().wants_spare()) next_spare_ = {};
    if (status_.log_full.exchange(full) == full) return;
    spdlog::warn(full ? "the log's disk is full: new orders are overloaded until there is room"
                      : "the log has room again");
  }

  static constexpr std::size_t kTakeBytes = 4u << 20;
  static constexpr milliseconds kSpareRetry{1000};

  NodeRuntime& node_;
  BackendStatus& status_;
  LogKeeperStart start_;
  caf::actor core_;
  const std::uint32_t pid_ = static_cast<std::uint32_t>(::getpid());
  LogPlan plan_;
  std::vector<std::string_view> parts_;
  steady_clock::time_point last_mail_ = steady_clock::now();
  steady_clock::time_point next_spare_{};
  bool making_spare_ = false;
  bool running_ = true;
};

}  // namespace

caf::actor spawn_log_keeper(NodeRuntime& node, BackendStatus& status, LogKeeperStart start,
                            caf::actor core) {
  return node.spawn_actor<LogKeeper>({"log"}, std::ref(node), std::ref(status), std::move(start),
                                     std::move(core));
}

}  // namespace stampede::actors
