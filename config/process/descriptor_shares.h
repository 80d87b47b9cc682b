#pragma once

// How many of a process's file descriptors each of its doors may give to strangers: who fills one
// leaves room at the others, and what the process needs for its own work (logs, other nodes, the
// database, children) stays free.

#include <cstddef>

namespace stampede::config {

// One process has some of them: a webapp the first three, a supervisor all but streams.
enum class Door { peers, requests, streams, operators };  // ZeroMQ, HTTP, /v1/events, admin.sock

inline constexpr std::size_t kOwnDescriptors = 48;  // a webapp at rest has 31, a supervisor 37

// Of `limit` descriptors; two at least. Pure.
std::size_t descriptors_for(Door door, std::size_t limit);
// Of this process, now: its limit may be changed while it runs. One system call; any thread.
std::size_t descriptors_for(Door door);

}  // namespace stampede::config
