#pragma once

// Named points at which a test may end, stop or disturb the process. Compiled in always; when none
// is armed a point costs one relaxed load. Armed by the environment variable STAMPEDE_FAILPOINTS:
//
//   point=kill@N;other=throw@N        the N-th time (from 1) the point is passed
//
// Actions: kill (SIGKILL to self), exit (_exit 1), stop (SIGSTOP to self), throw
// (std::runtime_error), eio (the point reports true: the caller pretends an I/O error).
// Thread-safe. Arm before the process starts its threads.

#include <atomic>
#include <string>
#include <string_view>

namespace stampede::config {

namespace detail {
extern std::atomic<bool> failpoints_armed;
bool pass_failpoint(std::string_view name);
}  // namespace detail

// Arms the points of `text`; returns an empty string, or what is wrong with the text.
std::string arm_failpoints(std::string_view text);

// True when the point is armed with action eio and its turn has come.
inline bool failpoint(std::string_view name) {
  if (!detail::failpoints_armed.load(std::memory_order_relaxed)) return false;
  return detail::pass_failpoint(name);
}

}  // namespace stampede::config
