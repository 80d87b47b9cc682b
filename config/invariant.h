#pragma once

// Assertions that stay on in release builds. A broken invariant ends the process with exit code 70
// at once: the supervisor restarts the node and has the log replayed, which is always safe.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace stampede::config {

inline constexpr int kExitBrokenInvariant = 70;

[[noreturn]] inline void broken_invariant(const char* file, int line, const char* condition,
                                          const char* text) {
  std::fprintf(stderr, "broken invariant at %s:%d: %s (%s)\n", file, line, text, condition);
  std::fflush(stderr);
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
  std::abort();  // a fuzzer keeps the input of an abort, but not of an exit
#else
  ::_exit(kExitBrokenInvariant);
#endif
}

}  // namespace stampede::config

#define STAMPEDE_ASSERT(condition, text) \
  ((condition) ? static_cast<void>(0)    \
               : ::stampede::config::broken_invariant(__FILE__, __LINE__, #condition, text))
