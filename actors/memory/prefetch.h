#pragma once

namespace stampede::actors {

// Asks for the line of memory at `address`. The empty statement is for GCC, which takes a function
// that does nothing but prefetch for one without effect, and drops its calls.
[[gnu::always_inline]] inline void prefetch_line(const void* address) {
  __builtin_prefetch(address);
  asm volatile("");
}

}  // namespace stampede::actors
