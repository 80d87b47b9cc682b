#pragma once

// A test's view of its own thread's calls on files, and the power to refuse direct writes as some
// file systems do: file_calls.cpp stands before the C library's pwrite, pread and fcntl in
// the program that is linked with it.

#include <cstdint>

namespace stampede::test {

struct FileCalls {
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};

  std::uint64_t direct_writes = 0;
  std::uint64_t other_writes = 0;
  std::uint64_t direct_reads = 0;
  std::uint64_t refuse_writes_after = kNever;  // direct ones, when so many were done
  int refused_with = 0;                        // errno of those
  bool refuse_direct = false;                  // fcntl refuses O_DIRECT
};

FileCalls& file_calls();

// Counts from zero on; at its end nothing is refused any more.
class CountedCalls {
 public:
  CountedCalls() { file_calls() = {}; }
  ~CountedCalls() { file_calls() = {}; }
  CountedCalls(const CountedCalls&) = delete;
  CountedCalls& operator=(const CountedCalls&) = delete;
  FileCalls* operator->() { return &file_calls(); }
};

}  // namespace stampede::test
