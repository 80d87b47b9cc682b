#pragma once

// Thrown out of whatever a simulated process does when it is ended there, caught by the world.

#include <cstdint>

namespace stampede::sim {

enum class End : std::uint8_t {
  kill = 1,  // the process is gone; the page cache stays
  power,     // the whole machine is gone, with everything that was not synced
};

struct ProcessEnd {
  End how;
};

}  // namespace stampede::sim
