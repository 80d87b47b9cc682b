#pragma once

// Looks at every commit of the simulated database, and at every outcome on its way to the log.

#include <cstdint>
#include <map>
#include <vector>

#include "storage/commands/command.h"
#include "storage/replay/replay.h"
#include "test/sim/log_model.h"
#include "test/sim/sim_server.h"

namespace stampede::sim {

class DatabaseWatch {
 public:
  DatabaseWatch(SimServer& server, const LogModel& log) : server_(server), log_(log) {}

  // A lane's commit of orders, items or promos under another epoch than its lane row's is a breach
  // of the fence.
  void on_commit(const std::vector<SqlChange>& changes);
  void on_outcome(storage::RecordType type, const storage::Outcome& outcome);
  void synced();  // the outcomes on their way are durable
  // A restart read the log: how often each order was refused must have been kept.
  void recovered(const storage::Owed& owed);

  // At rest: the database holds exactly what the log says.
  void compare() const;
  [[nodiscard]] std::uint64_t content_hash() const;  // of orders, items and promos
  void recount();                                    // after the rows were replaced by a backup

 private:
  void on_order(const SqlChange& change);
  void on_update(const SqlChange& change) const;
  void on_stock(const SqlChange& change) const;
  void on_item(const SqlChange& change) const;
  void on_promo(const SqlChange& change) const;
  void on_grant(const SqlChange& change) const;
  void on_lane(const SqlChange& change) const;
  void on_exec(const storage::Outcome& exec) const;
  void compare_promos() const;
  void compare_payments() const;
  void on_fail(const storage::Outcome& fail);

  SimServer& server_;
  const LogModel& log_;
  std::map<std::uint64_t, std::int64_t> sold_;
  struct Tries {
    std::uint64_t before = 0;   // this process, and durable
    std::uint64_t said = 0;     // by the newest FAIL
    std::uint64_t durable = 0;  // of those said
  };
  std::map<Lsn, Tries> tries_;
};

}  // namespace stampede::sim
