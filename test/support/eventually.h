#pragma once

// Waiting for what another process or thread does: asks again until it is true or the time is over.
// The limit is generous, because machines that run tests are busy; a passing test does not wait it
// out.

#include <chrono>
#include <thread>

namespace stampede::test {

template <class Predicate>
[[nodiscard]] bool eventually(Predicate holds,
                              std::chrono::milliseconds limit = std::chrono::seconds(30)) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace stampede::test
