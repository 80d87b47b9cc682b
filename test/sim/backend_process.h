#pragma once

// One life of a backend process: the real recovery, BackendCore, LogPlan, LogWriter, SegmentMaker,
// LaneBatchBuilder, LaneWriter and database claim, with a shell of its own in the place of the CAF
// actors: each thread of the real process (core, log, spare maker, lanes, claim, port) is a chain
// of events here.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "actors/backend/core/backend_core.h"
#include "actors/backend/core/lane_batch.h"
#include "actors/backend/core/log_plan.h"
#include "actors/backend/recovery/database_check.h"
#include "actors/backend/recovery/recovery.h"
#include "actors/backend/recovery/retention.h"
#include "actors/backend/recovery/snapshot_builder.h"
#include "actors/protocol/envelope.h"
#include "storage/log/log_writer.h"
#include "storage/mysql/command_sql.h"
#include "test/sim/event_queue.h"

namespace stampede::sim {

class World;

// A lane's thread. It may outlive its process as a zombie: stopped when the others were killed, it
// goes on writing to the database later.
struct LaneThread {
  LaneThread(int lane, std::uint64_t owner_epoch, const storage::DbOptions& options)
      : number(lane), epoch(owner_epoch), writer(options, lane, owner_epoch) {}
  int number;
  std::uint64_t epoch;
  storage::LaneWriter writer;
  actors::LaneBatchBuilder builder;
  actors::LaneWork work;
  storage::LaneBatch batch;
  bool busy = false;
  Time backoff = 0;
};

class BackendProcess {
 public:
  BackendProcess(World& world, std::uint64_t instance);

  // Everything up to serving, in one event. Nothing: it serves. Otherwise why it does not;
  // unavailable: the first start waits for the database.
  std::optional<storage::Error> start();

  // --- what arrives ----------------------------------------------------------------------------
  void take_work(const transport::Envelope& envelope, std::string body);
  void take_control(std::uint64_t number, const actors::Request& request, std::string id,
                    std::string name);

  [[nodiscard]] std::uint64_t instance() const { return instance_; }
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
    std::uint64_t number;
    actors::Request request;
    std::string id;
    std::string name;
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
  storage::Status open_log(std::vector<storage::ItemRow>& imported);
  storage::Status first_start(std::vector<storage::ItemRow>& imported);
  storage::Status compare_with_database(std::vector<storage::ItemRow>& imported);
  storage::Status take_over();
  storage::Status import(const std::vector<storage::ItemRow>& imported);

  // core
  void post(Mail mail, Time delay_max);
  void deliver(Mail mail);
  void round();
  void take(Mail& mail);
  void carry_out();
  void check_result(const actors::ResultMessage& message);
  void check_control(const actors::ControlAnswer& answer) const;
  void tick();
  void hello();

  // log
  void wake_log();
  void write_frame();
  void write_seal();
  void append(const storage::BatchHead& head);
  void sync();
  void want_spare();
  void make_spare();
  [[nodiscard]] bool log_idle() const;
  void io_error(const storage::Error& error);

  void take_spare(storage::Result<storage::SpareSegment>& made);
  void tell_room();

  // snapshots and retention
  void plan_snapshot();
  void keep_snapshots();
  bool make_snapshot();
  void remove_segments();

  // lanes
  void give_work(actors::LaneWork work);
  void apply(std::size_t lane);
  void claim(Time backoff);

  template <class F>
  void later(Time delay_max, F&& action);  // dropped when this process has ended by then
  template <class F>
  void exactly(Time delay, F&& action);

  World& world_;
  std::uint64_t instance_;
  std::unique_ptr<storage::LogLock> lock_;
  std::optional<actors::RecoveredLog> log_;
  std::unique_ptr<actors::BackendCore> core_;
  std::unique_ptr<storage::LogWriter> writer_;
  actors::ClaimStart claim_;
  bool serving_ = false;
  bool claimed_ = false;

  std::deque<Mail> mail_;
  bool round_planned_ = false;
  actors::Effects effects_;
  std::uint64_t broker_ = 0;
  std::uint64_t answered_ = 0;

  actors::LogPlan plan_;
  std::vector<std::string_view> parts_;
  std::string seal_;
  bool log_busy_ = false;
  bool sealing_ = false;
  std::size_t in_frame_ = 0;
  Time last_append_ = 0;
  bool making_spare_ = false;
  Time next_spare_ = 0;  // 0: the last one could be made
  bool log_full_ = false;

  std::vector<std::unique_ptr<LaneThread>> lanes_;
  actors::BodyReader reader_;
  actors::Result result_;
};

}  // namespace stampede::sim
