#pragma once

#include <string>

namespace stampede::sim {

// Thrown where a promise is seen broken; ends the run of the seed.
struct Violation {
  std::string invariant;  // "S1", …, "liveness"
  std::string what;
};

struct StepLimit {};  // thrown when a run reaches the limit that was set for it

inline void require(bool holds, const char* invariant, const char* what) {
  if (!holds) throw Violation{invariant, what};
}

}  // namespace stampede::sim
