// Ten wrong tries a minute of each key, whatever the others do.

#include "actors/auth/core/wrong_tries.h"

#include <doctest/doctest.h>

#include <map>
#include <random>

#include "test/support/random_run.h"

using namespace stampede::actors;

namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kStart = 77 * kSecond;

bool tries_wrong(WrongTries& tries, std::uint64_t key, std::int64_t now_us) {
  if (tries.begin(key, now_us) != 0) return false;
  tries.end(key, true, now_us);
  return true;
}

}  // namespace

TEST_CASE("the eleventh try of a minute waits until the minute is over") {
  WrongTries tries;
  for (int n = 0; n < 10; ++n) CHECK(tries_wrong(tries, 5, kStart + n * kSecond));
  CHECK(tries.begin(5, kStart + 10 * kSecond) == 50 * kSecond);
  CHECK(tries.begin(5, kStart + 60 * kSecond - 1) == 1);
  CHECK(tries.begin(6, kStart + 10 * kSecond) == 0);
  CHECK(tries_wrong(tries, 5, kStart + 60 * kSecond));
  for (int n = 0; n < 9; ++n) CHECK(tries_wrong(tries, 5, kStart + 61 * kSecond));
  CHECK(tries.begin(5, kStart + 61 * kSecond) == 59 * kSecond);
}

TEST_CASE("right ones do not count, and take nothing back") {
  WrongTries tries;
  for (int n = 0; n < 100; ++n) {
    CHECK(tries.begin(5, kStart) == 0);
    tries.end(5, false, kStart);
  }
  for (int n = 0; n < 9; ++n) CHECK(tries_wrong(tries, 5, kStart));
  CHECK(tries.begin(5, kStart) == 0);
  tries.end(5, false, kStart);
  CHECK(tries_wrong(tries, 5, kStart));
  CHECK(tries.begin(5, kStart) == 60 * kSecond);
}

TEST_CASE("many at once are no way around") {
  WrongTries tries;
  int begun = 0;
  for (int n = 0; n < 100; ++n) {
    const auto wait = tries.begin(5, kStart);
    begun += wait == 0 ? 1 : 0;
    CHECK((wait == 0 || wait == WrongTries::kOpenWaitUs));
  }
  CHECK(begun == 10);
  for (int n = 0; n < begun; ++n) tries.end(5, true, kStart + kSecond);
  CHECK(tries.begin(5, kStart + kSecond) == 60 * kSecond);
}

TEST_CASE("a set that is full forgets the key that tried least, never one that is refused") {
  WrongTries tries(WrongTries::kWays);
  for (std::uint64_t key = 1; key < WrongTries::kWays; ++key)
    for (int n = 0; n < 10; ++n) CHECK(tries_wrong(tries, key, kStart));
  for (std::uint64_t key = 100; key < 200; ++key) CHECK(tries_wrong(tries, key, kStart));
  for (std::uint64_t key = 1; key < WrongTries::kWays; ++key)
    CHECK(tries.begin(key, kStart) == 60 * kSecond);
}

TEST_CASE("against a model: never an eleventh wrong one within a minute") {
  const auto seed = stampede::test::seed_of_run();
  MESSAGE("seed " << seed);
  std::mt19937_64 dice(seed);
  WrongTries tries;
  std::map<std::uint64_t, std::pair<std::int64_t, int>> model;  // end of the minute, wrong ones
  std::int64_t now = kStart;
  for (int n = 0; n < 20'000; ++n) {
    now += static_cast<std::int64_t>(dice() % (2 * kSecond));
    const auto key = dice() % 40;
    auto& [ends, wrong] = model[key];
    if (ends <= now) wrong = 0;
    const auto wait = tries.begin(key, now);
    CHECK(wait == (wrong >= 10 ? ends - now : 0));
    if (wait != 0) continue;
    const bool is_wrong = dice() % 8 != 0;
    tries.end(key, is_wrong, now);
    if (!is_wrong) continue;
    if (wrong == 0) ends = now + WrongTries::kMinuteUs;
    ++wrong;
  }
}
