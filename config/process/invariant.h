#pragma once

// Assertions that stay on in release builds. A broken invariant ends the process with exit code 70
// at once: the supervisor restarts the node and has the log replayed, which is always safe.

namespace stampede::config {

// Says on stderr which condition broke where, and ends the process.
[[noreturn]] void broken_invariant(const char* file, int line, const char* condition,
                                   const char* text);

// Called by the thread that breaks an invariant, before the process ends; null: nothing is.
void set_last_words(void (*words)() noexcept);

}  // namespace stampede::config

#define STAMPEDE_ASSERT(condition, text) \
  ((condition) ? static_cast<void>(0)    \
               : ::stampede::config::broken_invariant(__FILE__, __LINE__, #condition, text))
