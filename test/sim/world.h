#pragma once

// One seed: the machines, the processes on them, what connects them, and what goes wrong.
// Everything runs in one thread on virtual time; whatever is random comes from the seed.
//
// Safety mode: faults all the time, every promise checked as it is made. Then liveness mode: the
// faults stop, and everything must drain within a bound; then the books are compared.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "test/sim/backend_process.h"
#include "test/sim/broker_process.h"
#include "test/sim/clients.h"
#include "test/sim/database_watch.h"
#include "test/sim/event_queue.h"
#include "test/sim/log_model.h"
#include "test/sim/payers.h"
#include "test/sim/plan.h"
#include "test/sim/session_users.h"
#include "test/sim/sim_disk.h"
#include "test/sim/sim_server.h"
#include "test/sim/supervisor_process.h"
#include "test/sim/ticket_askers.h"
#include "test/sim/trace.h"
#include "test/sim/violation.h"
#include "test/sim/webapp_process.h"

namespace stampede::sim {

inline const std::string kLogDir = "log";

struct RunOptions {
  bool trace = false;
  bool safety = true;    // false: no faults at all
  bool liveness = true;  // false: stop where the faults would stop
  std::uint64_t steps_max = ~std::uint64_t{0};
  std::uint64_t clock_seed = 0;  // another wall clock for the same seed
  bool retention = true;         // false: no segment is removed, whatever the plan says
  bool promos = true;            // false: nothing is decided by the clock, whatever the plan says
};

struct RunResult {
  std::uint64_t steps = 0;
  std::uint64_t hash = 0;
  std::uint64_t kills = 0;
  std::uint64_t power_cuts = 0;
  std::uint64_t recoveries = 0;
  std::uint64_t orders = 0;  // confirmed, and found in memory, log and database
  std::uint64_t disk_errors = 0;
  std::uint64_t server_errors = 0;
  std::uint64_t snapshots = 0;
  std::uint64_t removed = 0;   // segments, by retention
  std::uint64_t refusals = 0;  // damaged, old or wiped logs and databases that were refused
  std::optional<Violation> violation;
};

class World {
 public:
  World(std::uint64_t seed, const RunOptions& options);
  RunResult run();

  // --- what the processes share ----------------------------------------------------------------
  const RunOptions options;
  Plan plan;
  EventQueue queue;
  Trace trace;
  Random schedule;  // when things happen
  SimDisk disk;
  SimServer server;
  LogModel log;
  DatabaseWatch watch;

  [[nodiscard]] std::int64_t wall_us();
  std::optional<actors::KeptClock> kept_clock;  // a file, as long as the machine runs
  // A process that planned an event, if it still runs when the event comes; held, as it may end
  // in it.
  [[nodiscard]] std::shared_ptr<BackendProcess> backend(std::uint64_t instance) const {
    return backend_ && backend_->instance() == instance ? backend_ : nullptr;
  }
  [[nodiscard]] std::shared_ptr<BrokerProcess> broker(std::uint64_t instance) const {
    return broker_ && broker_->instance() == instance ? broker_ : nullptr;
  }
  [[nodiscard]] std::shared_ptr<WebappProcess> webapp(std::uint32_t number,
                                                      std::uint64_t instance) const {
    const auto& webapp = webapps_[number - 1];
    return webapp && webapp->instance() == instance ? webapp : nullptr;
  }
  [[nodiscard]] std::shared_ptr<SupervisorProcess> supervisor(std::uint64_t instance) const {
    return supervisor_ && supervisor_->instance() == instance ? supervisor_ : nullptr;
  }
  [[nodiscard]] std::uint64_t backend_instance() const {
    return backend_ ? backend_->instance() : 0;
  }
  [[nodiscard]] bool backend_serves() const { return backend_ && backend_->serving(); }

  [[nodiscard]] Payers& payers() { return payers_; }
  // At some moment that a webapp may still know of.
  [[nodiscard]] bool sold_out_lately(std::uint64_t item) const;
  [[nodiscard]] TicketAskers& askers() { return askers_; }
  [[nodiscard]] SessionUsers& session_users() { return session_users_; }

  // --- what the backend tells --------------------------------------------------------------------
  void on_recovered(const actors::RecoveredLog& recovered);
  void on_import(const std::vector<storage::ItemRow>& items, std::uint64_t epoch);
  void on_append(std::string_view records, Lsn first_lsn);
  void on_synced(const storage::LogWriter& writer);
  void on_snapshot(const actors::SnapshotMade& made);
  void on_retention(const actors::RetentionReport& report);
  void on_claimed(std::uint64_t epoch);
  void on_clock(std::int64_t sale_clock_us);  // it was looked at
  void on_clock_believed(Lsn last);           // whatever it says, after this decision
  void backend_exit(int code, const std::string& why);

  // --- the network -------------------------------------------------------------------------------
  // `token`: what it shows; empty: it comes from somebody who is trusted.
  void to_webapp_from_client(Random& random, const actors::ClientAsk& ask,
                             const std::string& token = {});
  void to_client(const actors::ClientToken& client, const actors::Reply& reply);
  bool to_broker_from_webapp(const transport::Envelope& envelope, std::string body);
  void to_backend(const transport::Envelope& envelope, const std::string& body);
  void to_broker_from_backend(const transport::Envelope& envelope, std::string body);
  void to_webapp(std::uint32_t webapp, const transport::Envelope& envelope, std::string body);
  void news_to_webapp(std::uint32_t webapp, const transport::Envelope& envelope,
                      const std::string& body);
  void to_supervisor_from_operator(std::uint64_t serial, nlohmann::json command);
  void to_backend_from_supervisor(std::uint64_t supervisor, std::int64_t began_us,
                                  nlohmann::json commands);
  void to_supervisor(nlohmann::json replies);

 private:
  // processes (world_faults.cpp)
  void start_broker();
  void start_webapp(std::uint32_t number);
  void start_supervisor();
  void start_backend(Time delay);
  void try_start();
  void end_backend(End how, const char* why);
  void end_machine();
  void plan_faults();
  void crash();
  void crash_broker();
  void crash_webapp();
  void crash_server();
  void crash_supervisor();
  void jump_clock();
  void put_foreign_item(std::uint32_t item);
  template <class F>
  void again(Time Plan::*every, F&& action);
  void run_zombie(std::shared_ptr<LaneThread> zombie, int times);

  // what must be refused (world_refusals.cpp)
  void refusals();
  void rot();
  void old_log();
  void wiped_log();
  void old_database();
  void foreign_owner();
  [[nodiscard]] std::optional<std::uint64_t> foreign_epoch();
  [[nodiscard]] static bool is_behind_log(const actors::RecoveredLog& known,
                                          const ServerTables& tables);
  void must_miss(const actors::RecoveredLog& known, const ServerTables& tables);
  void damaged_snapshot();
  [[nodiscard]] bool log_reaches_back();
  void must_refuse(const char* what, storage::Errc code = storage::Errc::corrupt);
  void must_refuse_database(const ServerTables& tables, const char* what,
                            storage::Errc code = storage::Errc::corrupt);
  [[nodiscard]] storage::Result<actors::RecoveredLog> known_log();

  // the end (world_end.cpp)
  [[nodiscard]] bool quiet() const;
  void watch_stock();
  [[nodiscard]] bool marked_wrongly() const;
  void settle();
  void let_marks_converge();
  void let_sessions_converge();
  [[nodiscard]] std::string what_is_open() const;
  void stop_faults();
  void compare_all();
  void replay_everything_again();
  void compare_snapshots();

  template <class F>
  void deliver(F&& action);
  bool step();

  Random net_;
  Random fault_;
  Random clock_;
  Random refusing_;  // whether the database refuses rows
  Random news_;      // whether they are lost
  std::shared_ptr<BackendProcess> backend_;
  std::shared_ptr<BrokerProcess> broker_;
  std::vector<std::shared_ptr<WebappProcess>> webapps_;
  std::shared_ptr<SupervisorProcess> supervisor_;
  std::int64_t clock_offset_ = 0;
  // The least that the sale's clock was ahead of the monotonic one since it last was believed
  // without question.
  std::optional<std::int64_t> sale_offset_;
  Time believed_ = 0;  // when that was
  Clients clients_;    // plan by the clock, as the next
  Operator operator_;
  Payers payers_;
  TicketAskers askers_;
  SessionUsers session_users_;
  bool faults_on_ = true;
  std::uint64_t next_instance_ = 1;
  std::uint64_t supervisors_ = 0;  // that have lived
  bool starting_ = false;          // a start of the backend is planned
  bool snapshot_damaged_ = false;
  std::optional<SimDisk::State> log_backup_;
  Lsn log_backup_lsn_ = 0;
  std::optional<ServerTables> server_backup_;
  std::map<std::uint64_t, Time> in_stock_since_;  // items that were sold out; kNever: they are
  std::size_t stock_watched_ = 0;                 // decisions
  Lsn executed_appended_ = 0;  // highest lsn that an EXEC on its way to the log names
  Lsn executed_ = 0;           // durable ones
  RunResult result_;
};

}  // namespace stampede::sim
