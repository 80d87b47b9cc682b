#pragma once

// A ReplayTrace in the file `replay.at` of the log's directory, mapped into memory: a store costs
// what any store costs and outlives the process, however that ends. Not the machine: a power cut is
// no record's fault, and nothing is ever synced. Blocks on the disk when opened only.

#include <string>
#include <utility>
#include <vector>

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
  explicit ReplayTraceFile(ReplayTrace* trace) : trace_(trace) {}
  ReplayTrace* trace_;
};

// What the replay that begins now passes over: what is parked, and the record that the last replays
// died of. Says in the node's log what it concludes. Blocks on the disk; what it parks is durable
// on return. Errors: Errc::io; Errc::corrupt when replay dies even of passing over a record.
storage::Result<std::vector<storage::ParkedRecord>> take_parked(storage::Disk& disk,
                                                                const std::string& dir,
                                                                ReplayTrace& trace);

}  // namespace stampede::actors
