#pragma once

// Which SIGKILL was the kernel's, for want of memory: whoever dies of it is told nothing, but the
// memory group counts. One death is told for each that was counted; of one that is none of our
// nodes (the database's, perhaps) nobody knows after a few seconds, so that a later kill by hand is
// not taken for it. Where two processes are killed within those, one of them by hand, the words may
// go to the wrong one. One thread.

#include <cstdint>
#include <functional>
#include <string>

#include "actors/supervisor/core/restart_policy.h"
#include "config/process/memory_group.h"

namespace stampede::actors {

class MemoryDeaths {
 public:
  using Read = std::function<config::MemoryKills()>;
  explicit MemoryDeaths(Read read = [] { return config::memory_kills(); });

  // Often; looks every few seconds.
  void look(Ms now);
  // Of a process that somebody else has killed. Empty: want of memory is not why.
  [[nodiscard]] std::string take_reason();

  static constexpr Ms kLookPause = 5'000;

 private:
  Read read_;
  std::uint64_t told_;  // of those that were counted: told of, or none of ours
  std::uint64_t seen_;  // at the last look
  Ms look_at_ = 0;
};

}  // namespace stampede::actors
