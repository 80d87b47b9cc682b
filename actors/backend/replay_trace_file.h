#pragma once

// A ReplayTrace in the file `replay.at` of the log's directory, mapped into memory: a store costs
// what any store costs and outlives the process, however that ends. Not the machine: a power cut is
// no record's fault, and nothing is ever synced. Blocks on the disk when opened only.
//
// While it is open, a fault (SIGSEGV, SIGABRT, SIGFPE, SIGILL) or a broken invariant of the thread
// that opened it is written down as the record's own doing before the process ends by it; a signal
// that somebody sent is not. One at a time in a process, opened and destroyed by the same thread.

#include <string>
#include <utility>
#include <vector>

#include "actors/backend/agents/micros.h"
#include "actors/backend/recovery/replay_guard.h"
#include "storage/result.h"

namespace stampede::actors {

class ReplayTraceFile {
 public:
  // What the last replay left; all 0 in a new file. Hold the log's lock. Errors: Errc::io.
  static storage::Result<ReplayTraceFile> open(const std::string& dir);
  ReplayTraceFile(ReplayTraceFile&& other) noexcept
      : trace_(std::exchange(other.trace_, nullptr)) {}
  ReplayTraceFile& operator=(ReplayTraceFile&&) = delete;
  ~ReplayTraceFile();

  [[nodiscard]] ReplayTrace& trace() { return *trace_; }

 private:
  explicit ReplayTraceFile(ReplayTrace* trace);
  ReplayTrace* trace_;
};

// Sees from another thread when the replay stands still at one decision, and writes that down: an
// end that comes then is that record's doing, whoever brings it. Only the process' own time counts:
// what passes between two looks that are far apart, it did not run.
class StandingReplay {
 public:
  // To be called every 100 ms or so; `limit`: how long is too long.
  void look(Micros now, Micros limit);

 private:
  Lsn at_ = 0;
  Micros since_ = 0;
  Micros looked_ = 0;
};

// What the replay that begins now passes over: what is parked, and the record that the last replays
// died of. Says in the node's log what it concludes. Blocks on the disk; what it parks is durable
// on return. Errors: Errc::io; Errc::corrupt when replay dies even of passing over a record.
storage::Result<std::vector<storage::ParkedRecord>> take_parked(storage::Disk& disk,
                                                                const std::string& dir,
                                                                ReplayTrace& trace);

}  // namespace stampede::actors
