#pragma once

#include <functional>

namespace stampede::config {

// For a process whose threads hand much small work to each other: called before it starts any, for
// this thread and all that it starts.
//
// A thread that is woken no longer interrupts the one that runs (SCHED_BATCH, sched(7)): it waits
// until that one sleeps or its slice is over, a few milliseconds at most, and then finds all that
// has gathered meanwhile. On a processor that is free it runs at once, as before. And malloc keeps
// memory that was freed for the next use (mallopt(3)), where it would give it back to the kernel
// and fault it in again with every burst. A kernel that refuses leaves things as they were.
void prefer_throughput();

// Work that can wait, on a thread of its own that runs only while a processor has nothing else to
// do (SCHED_IDLE), and that any other one interrupts. The lowest nice value would not do: a thread
// of the kind above waits for the slice of such a one, too. Orders taken while snapshots were made
// all the time: 451,000/s against 346,000/s. Returns when it is done; what it throws the caller
// gets. False: no thread was to be had, and nothing was done. No such thread is kept: it ends no
// sooner than it runs, and a process that was killed beside busy others would go on holding its
// memory and its locks.
bool do_when_idle(const std::function<void()>& work);

}  // namespace stampede::config
