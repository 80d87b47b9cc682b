#include "config/process/invariant.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "config/process/exit_codes.h"

namespace stampede::config {
namespace {

std::atomic<void (*)() noexcept> last_words{nullptr};

}  // namespace

void set_last_words(void (*words)() noexcept) {
  last_words.store(words);
}

void broken_invariant(const char* file, int line, const char* condition, const char* text) {
  std::fprintf(stderr, "broken invariant at %s:%d: %s (%s)\n", file, line, text, condition);
  std::fflush(stderr);
  if (auto* const words = last_words.load(); words != nullptr) words();
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
  std::abort();  // a fuzzer keeps the input of an abort, but not of an exit
#else
  ::_exit(kExitInvariant);
#endif
}

}  // namespace stampede::config
