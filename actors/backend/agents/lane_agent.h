#pragma once

// A lane's agent: applies one LaneWork after the other as one transaction each, again and again
// until the database has taken it, and says which commands failed. Whoever runs it (the actor
// `lane-1` …, or a simulator) waits between the attempts for as long as the agent says.
// attempt() blocks on the database; one thread.

#include <cstdint>
#include <string>
#include <vector>

#include "actors/backend/agents/micros.h"
#include "actors/backend/core/lane_batch.h"
#include "storage/mysql/command_sql.h"
#include "storage/result.h"

namespace stampede::actors {

// What an attempt at the database came to, of a lane or of the claim.
struct Attempt {
  enum class Kind : std::uint8_t {
    done,
    again,  // after `wait`; the database is away or said something transient
    final,  // trying again cannot help: the process ends with `exit_code`
  };
  Kind kind = Kind::done;
  storage::Error error{};  // again, final
  bool news = false;       // again: another error than the last time
  int exit_code = 0;       // final
  Micros wait = 0;
};

// Pauses between attempts: twice as long each time, from 5 ms to 500 ms.
class Backoff {
 public:
  [[nodiscard]] Micros next();
  void reset() { wait_ = kFirst; }

 private:
  static constexpr Micros kFirst = 5 * kMillis;
  static constexpr Micros kMax = 500 * kMillis;
  Micros wait_ = kFirst;
};

// After a failed attempt at the database: again or final, and whether that is news.
class Attempts {
 public:
  [[nodiscard]] Attempt failed(const storage::Error& error);
  void succeeded();

 private:
  Backoff backoff_;
  std::string last_error_;
};

class LaneAgent {
 public:
  // `lane` from 1, as its row; `rows_max`: db.batch_rows_max.
  LaneAgent(const storage::DbOptions& database, int lane, std::uint64_t epoch,
            std::uint64_t rows_max);

  // The next work; the one before must be done.
  void take(LaneWork work, Micros now);
  // done: the work is committed or refused row by row, see failed(); report it not before
  // rest_until().
  [[nodiscard]] Attempt attempt();

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
  bool down_ = false;
};

}  // namespace stampede::actors
