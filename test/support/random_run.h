#pragma once

// What repeats a random test: every one starts from this seed and prints it.

#include <cstdint>
#include <cstdlib>
#include <random>

namespace stampede::test {

// STAMPEDE_TEST_SEED if set, else another one each time.
[[nodiscard]] inline std::uint64_t seed_of_run() {
  const char* given = std::getenv("STAMPEDE_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

// Number of random rounds: `usual`, or STAMPEDE_TEST_ROUNDS if set.
[[nodiscard]] inline std::uint64_t rounds_of_run(std::uint64_t usual) {
  const char* given = std::getenv("STAMPEDE_TEST_ROUNDS");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : usual;
}

}  // namespace stampede::test
