#pragma once

// One life of a backend process: the shipped agents (start, log, lanes, claim, snapshots) and
// BackendCore, with a shell of its own in the place of the CAF mail boxes: each thread of the real
// process (core, log, spare maker, lanes, claim, snapshots, port) is a chain of events here.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "actors/backend/agents/claim_agent.h"
#include "actors/backend/agents/clock_agent.h"
#include "actors/backend/agents/lane_agent.h"
#include "actors/backend/agents/log_agent.h"
#include "actors/backend/agents/snapshot_agent.h"
#include "actors/backend/agents/start_agent.h"
#include "actors/backend/core/backend_core.h"
#include "actors/node/core/command_inbox.h"
#include "actors/protocol/envelope.h"
#include "actors/protocol/node_messages.h"
#include "actors/protocol/operator_command.h"
#include "test/sim/event_queue.h"

namespace stampede::sim {

class World;

// A lane's thread. It may outlive its process as a zombie: stopped when the others were killed, it
// goes on writing to the database later.
struct LaneThread {
  LaneThread(int lane, const actors::ClaimStart& claim, std::uint64_t rows_max)
      : number(lane),
        epoch(claim.epoch),
        agent(claim.database, lane, claim.epoch, rows_max, claim.owner.start,
              claim.last_of(static_cast<std::uint32_t>(lane - storage::kFirstLane))) {}
  int number;
  std::uint64_t epoch;
  actors::LaneAgent agent;
};

class BackendProcess : private actors::LogOutlet,
                       private actors::StartOutlet,
                       private actors::SnapshotOutlet,
                       private actors::ClockOutlet {
 public:
  BackendProcess(World& world, std::uint64_t instance);

  // Everything up to serving, in one event. Nothing: it serves. Otherwise why it does not;
  // unavailable: the first start waits for the database.
  std::optional<storage::Error> start();

  // --- what arrives ----------------------------------------------------------------------------
  void take_work(const transport::Envelope& envelope, std::string body);
  // The open commands of a supervisor.
  void take_wanted(std::uint64_t supervisor, std::int64_t began_us, const nlohmann::json& commands);

  [[nodiscard]] std::uint64_t instance() const { return instance_; }
  [[nodiscard]] std::uint64_t owner() const { return owner_; }  // of the lanes
  [[nodiscard]] bool serving() const { return serving_; }
  [[nodiscard]] actors::BackendCore& core() { return *core_; }
  [[nodiscard]] bool settled() const;  // claimed, nothing open, nothing owed
  [[nodiscard]] storage::LogWriter& writer() { return *writer_; }
  // The lanes that were writing when the process ended.
  std::vector<std::unique_ptr<LaneThread>> take_lanes() { return std::move(lanes_); }

 private:
  struct Work {
    transport::Envelope envelope;
    std::string body;
  };
  struct Control {
    std::uint64_t ticket;
    nlohmann::json command;
  };
  struct Durable {
    std::size_t appends;
  };
  struct LaneDone {
    std::uint32_t lane;
    std::vector<actors::FailedCommand> failed;
  };
  struct Claimed {};
  using ControlPtr = std::unique_ptr<Control>;  // large and rare
  using Mail = std::variant<Work, ControlPtr, Durable, LaneDone, Claimed>;

  // start
  [[nodiscard]] actors::StartSettings start_settings() const;
  void begin_work(actors::StartAgent& agent);
  std::int64_t wall_ns() override;
  actors::LogUuid fresh_uuid() override;
  storage::Result<actors::ReplayGuard*> locked() override;
  storage::Result<storage::Database> database_answer() override;
  void waits(std::string_view for_what, const storage::Error& why) override;
  void recovered(const actors::RecoveredLog& log, const actors::ClaimStart& claim) override;
  void importing(const std::vector<storage::ItemRow>& items, std::uint64_t epoch) override;
  void imported(std::size_t items) override;

  // core
  void post(Mail mail, Time delay_max);
  void deliver(Mail mail);
  void round();
  void take(Mail& mail);
  [[nodiscard]] bool take_command(std::uint64_t ticket, const actors::OperatorCommand& command);
  void take_work(const Work& work);
  void carry_out();
  void check_result(const actors::ResultMessage& message);
  void check_promo(const actors::PromoAnswer& answer) const;
  void check_control(const actors::ControlAnswer& answer) const;
  void heartbeat();
  void tick();
  void hello();

  // log
  void wake_log();
  void write_batch();
  void write();
  void sync();
  void io_error(const storage::Error& error);
  void durable(std::uint64_t appends) override;
  bool make_spare(storage::SegmentMaker maker) override;
  void room(std::uint64_t bytes) override { log_room_ = bytes; }
  void no_spare(const storage::Error& why) override;

  // clock
  actors::ClockReading clocks() override;
  std::optional<actors::KeptClock> kept() override;
  void keep(const actors::KeptClock& clock) override;
  void alarm(Time ahead) override;
  void alarm_is_over() override;
  [[nodiscard]] std::int64_t sale_clock_us() const;
  void accept_clock(const Control& control, std::string_view request_id);

  // snapshots and retention
  void plan_snapshot();
  [[nodiscard]] bool stopping() override { return false; }
  std::unique_ptr<actors::StoredRows> rows() override;
  void made(const actors::SnapshotMade& snapshot) override;
  void retained(const actors::RetentionReport& report) override;
  void not_made(std::string_view doing, const storage::Error& error, Time pause) override;
  void not_retained(const storage::Error&, Time) override {}

  // lanes
  void give_work(actors::LaneWork work);
  void apply(std::size_t lane);
  void claim();

  template <class F>
  void later(Time delay_max, F&& action);  // dropped when this process has ended by then
  template <class F>
  void exactly(Time delay, F&& action);

  World& world_;
  std::uint64_t instance_;
  std::unique_ptr<storage::LogLock> lock_;
  std::unique_ptr<actors::BackendCore> core_;
  std::shared_ptr<storage::LogWriter> writer_;
  storage::DbOptions database_;
  bool serving_ = false;
  bool claimed_ = false;

  std::deque<Mail> mail_;
  bool round_planned_ = false;
  actors::Effects effects_;
  actors::CommandInbox inbox_;
  std::uint64_t broker_ = 0;
  std::uint64_t answered_ = 0;

  std::optional<actors::LogAgent> log_;
  bool log_busy_ = false;
  Time log_wake_ = actors::LogAgent::kNever;  // when it is looked at again for time alone
  std::uint64_t log_room_ = actors::kLogRoom;
  bool spare_failed_ = false;  // the last segment that was to be made could not be

  std::optional<actors::ClockAgent> clock_;
  std::optional<actors::SnapshotAgent> snapshots_;
  std::uint64_t owner_ = 0;
  std::optional<actors::ClaimAgent> claim_;
  std::vector<std::unique_ptr<LaneThread>> lanes_;
  actors::BodyReader reader_;
  actors::Result result_;
};

}  // namespace stampede::sim
