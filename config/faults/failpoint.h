#pragma once

// Named points at which a test may end, stop or disturb the process. Compiled in always; when none
// is armed a point costs one relaxed load. Armed by the environment variable STAMPEDE_FAILPOINTS
// or, in a running node, by `stampede chaos`; their names are listed in
// config/faults/failpoint_names.h:
//
//   point=kill@N;other=throw@N        the N-th time (from 1) the point is passed
//
// Actions: kill (SIGKILL to self), exit (_exit 1), abort (std::abort), stop (SIGSTOP to self),
// throw (std::runtime_error), eio (the point reports true: the caller pretends an I/O error), on
// (it reports true from then on, until it is disarmed), hang (the thread does nothing any more),
// slow (from then on, until it is disarmed, each pass takes 100 ms). Thread-safe: once kill, exit,
// abort or stop takes effect no other thread passes a point.

#include <atomic>
#include <string>
#include <string_view>

namespace stampede::config {

namespace detail {
extern std::atomic<bool> failpoints_armed;
bool pass_failpoint(std::string_view name);
}  // namespace detail

// Arms the points of `text` beside those that are armed; returns an empty string, or what is wrong
// with the text: then none is armed.
std::string arm_failpoints(std::string_view text);
// What is wrong with a text that an operator gives, names that no point has among it; empty:
// nothing.
std::string wrong_failpoints(std::string_view text);
void disarm_failpoints();
bool failpoint_armed(std::string_view name);  // and its turn may still come

// True when the point is armed with action eio or on and its turn has come.
inline bool failpoint(std::string_view name) {
  if (!detail::failpoints_armed.load(std::memory_order_relaxed)) return false;
  return detail::pass_failpoint(name);
}

// A point of its own for each thing of a kind: `name:label`. The label is made only when something
// is armed.
template <typename MakeLabel>
bool failpoint(std::string_view name, MakeLabel make_label) {
  if (!detail::failpoints_armed.load(std::memory_order_relaxed)) return false;
  return detail::pass_failpoint(std::string(name) + ":" + make_label());
}

}  // namespace stampede::config
