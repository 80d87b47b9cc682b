#include "actors/supervisor/memory_deaths.h"

#include <algorithm>
#include <utility>

namespace stampede::actors {

MemoryDeaths::MemoryDeaths(Read read)
    : read_(std::move(read)), told_(read_().count), seen_(told_) {}

void MemoryDeaths::look(Ms now) {
  if (now < look_at_) return;
  look_at_ = now + kLookPause;
  told_ = std::max(told_, std::exchange(seen_, read_().count));
}

std::string MemoryDeaths::take_reason() {
  const auto kills = read_();
  if (kills.count <= told_) return {};
  ++told_;
  constexpr std::uint64_t kMiB = 1 << 20;
  const auto limit =
      kills.limit == 0 ? "the machine has no more"
                       : "its memory group may have " + std::to_string(kills.limit / kMiB) + " MiB";
  return "killed by the kernel for want of memory (" + limit + ")";
}

}  // namespace stampede::actors
