#pragma once

// A lane's agent: applies one LaneWork after the other as one transaction each, again and again
// until the database has taken it, and says which commands failed. Whoever runs it (the actor
// `lane-1` …, or a simulator) waits between the attempts for as long as the agent says.
// attempt() blocks on the database; one thread.

#include <cstdint>
#include <string>
#include <vector>

#include "actors/backend/agents/attempts.h"
#include "actors/backend/agents/micros.h"
#include "actors/backend/core/lane_batch.h"
#include "storage/mysql/command_sql.h"

namespace stampede::actors {

class LaneAgent {
 public:
  // `lane` from 1, as its row; `rows_max`: db.batch_rows_max; `last`: what the log calls stored by
  // it.
  LaneAgent(const storage::DbOptions& database, int lane, std::uint64_t epoch,
            std::uint64_t rows_max, std::uint64_t owner, const storage::LaneLast& last = {});

  // The next work; the one before must be done.
  void take(LaneWork work, Micros now);
  // done: the work is committed or refused row by row, see failed(); report it not before
  // rest_until().
  [[nodiscard]] Attempt attempt();
  // The lanes' rows are this start's from now on. Work comes only then.
  void claimed() { claimed_ = true; }
  // Without work: whether the database is as this lane left it. Not asked before it is claimed.
  [[nodiscard]] Attempt look();

  [[nodiscard]] bool busy() const { return busy_; }
  [[nodiscard]] bool down() const { return down_; }  // the last attempt did not reach the database
  [[nodiscard]] std::uint32_t number() const { return work_.lane; }  // of the work: from 0
  // Of the work that is done: the commands that the database refused, by lsn; and a sentence for
  // people about each, as the server came to them.
  [[nodiscard]] const std::vector<FailedCommand>& failed() const { return failed_; }
  [[nodiscard]] const std::vector<std::string>& reasons() const { return reasons_; }
  [[nodiscard]] Micros rest_until() const { return rest_until_; }

 private:
  // A transaction of few rows costs the database, and the disk that the log shares with it, as
  // much as one of many. So a lane makes at most forty such a second; rows meanwhile gather.
  static constexpr std::uint64_t kFewRows = 1000;
  static constexpr Micros kFewRowsEvery = 25 * kMillis;

  Attempt failed(const storage::Error& error);
  void take_failures(const storage::LaneOutcome& outcome);

  storage::LaneWriter writer_;
  std::uint64_t few_rows_;  // a full batch is never few
  LaneBatchBuilder builder_;
  LaneWork work_;
  storage::LaneBatch batch_;  // of work_, whose bytes it points into
  Attempts attempts_;
  std::vector<FailedCommand> failed_;
  std::vector<std::string> reasons_;
  Micros rest_until_ = 0;
  bool busy_ = false;
  bool claimed_ = false;
  bool down_ = false;
};

}  // namespace stampede::actors
