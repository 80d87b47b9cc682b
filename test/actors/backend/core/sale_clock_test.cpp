#include "actors/backend/core/sale_clock.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <optional>

using namespace stampede::actors;

namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kHour = 3600 * kSecond;
constexpr std::int64_t kStart = 1'800'000'000 * kSecond;  // by the wall clock

// A machine whose wall clock is stepped by hand.
struct Machine {
  std::int64_t steady = 5 * kHour;
  std::int64_t wall = kStart;
  std::optional<SaleClock> clock;

  explicit Machine(const std::optional<KeptClock>& kept = {}) { begin(kept); }
  void begin(const std::optional<KeptClock>& kept) {
    clock.emplace(ClockReading{steady, wall}, kept);
  }
  void pass(std::int64_t us) {
    steady += us;
    wall += us;
    clock->look({steady, wall});
  }
  void step(std::int64_t us) {
    wall += us;
    clock->look({steady, wall});
  }
  [[nodiscard]] std::int64_t now() const { return clock->now_us(steady); }
  [[nodiscard]] bool alarm() const { return clock->ahead_us() != 0; }
};

}  // namespace

TEST_CASE("it runs with the monotonic clock, from the wall clock on") {
  Machine machine;
  CHECK(machine.now() == kStart);
  CHECK(machine.clock->now_us(machine.steady + 7) == kStart + 7);  // between two looks
  machine.pass(kHour);
  CHECK(machine.now() == kStart + kHour);
  CHECK_FALSE(machine.alarm());
}

TEST_CASE("a step back is followed at once, however long") {
  Machine machine;
  for (const auto step : {kSecond, kHour, 24 * kHour}) {
    const auto before = machine.now();
    machine.step(-step);
    CHECK(machine.now() == before - step);
    CHECK_FALSE(machine.alarm());
  }
}

TEST_CASE("forward it follows up to ten seconds, and beyond that it is an alarm") {
  Machine machine;
  machine.step(10 * kSecond);
  CHECK(machine.now() == kStart + 10 * kSecond);
  CHECK_FALSE(machine.alarm());
  Machine other;
  other.step(10 * kSecond + 1);
  CHECK(other.now() == kStart);
  CHECK(other.clock->ahead_us() == 10 * kSecond + 1);
  other.pass(kHour);  // and does not end by itself
  CHECK(other.now() == kStart + kHour);
  CHECK(other.clock->ahead_us() == 10 * kSecond + 1);
}

TEST_CASE("steps that follow each other are one, and are forgotten in time") {
  Machine machine;
  machine.step(6 * kSecond);
  machine.pass(kSecond);
  machine.step(6 * kSecond);
  CHECK(machine.alarm());
  CHECK(machine.now() == kStart + 7 * kSecond);
  Machine patient;
  patient.step(6 * kSecond);
  for (int i = 0; i < 600; ++i) patient.pass(kSecond);
  patient.step(9 * kSecond);
  CHECK_FALSE(patient.alarm());
  // A clock that is put right by a second each hour, for years.
  for (int i = 0; i < 10'000; ++i) {
    patient.pass(kHour);
    patient.step(kSecond);
    REQUIRE_FALSE(patient.alarm());
  }
  CHECK(patient.now() == patient.wall);
}

TEST_CASE("readings of one moment that differ by a little are no steps") {
  Machine machine;
  const auto offset = machine.clock->kept().offset_us;
  for (const auto noise : {999, -999, 500, -1}) {
    machine.clock->look({machine.steady, machine.wall + noise});
    CHECK(machine.clock->kept().offset_us == offset);
  }
}

TEST_CASE("an alarm ends when the wall clock is put right, or is accepted") {
  Machine machine;
  machine.step(kHour);
  REQUIRE(machine.alarm());
  machine.step(-kHour + 3 * kSecond);
  CHECK_FALSE(machine.alarm());
  CHECK(machine.now() == kStart + 3 * kSecond);
  machine.step(kHour);
  REQUIRE(machine.alarm());
  CHECK(machine.clock->believe("a").changed);
  CHECK_FALSE(machine.alarm());
  CHECK(machine.now() == machine.wall);
  machine.step(11 * kSecond);  // steps are measured from there
  CHECK(machine.clock->ahead_us() == 11 * kSecond);
}

TEST_CASE("back and forth again is a step forward, too") {
  Machine machine;
  machine.step(-kHour);
  machine.pass(60 * kSecond);
  machine.step(kHour);
  CHECK(machine.clock->ahead_us() == kHour);
  CHECK(machine.now() == kStart - kHour + 60 * kSecond);
}

TEST_CASE("an accept that is repeated has its answer, and accepts nothing else") {
  Machine machine;
  CHECK_FALSE(machine.clock->believe("early").changed);
  machine.step(kHour);
  const auto first = machine.clock->believe("a");
  CHECK(first.stepped_us == kHour);
  machine.step(kHour);
  const auto again = machine.clock->believe("a");
  CHECK(again.changed);
  CHECK(again.stepped_us == kHour);
  CHECK(machine.alarm());
  CHECK(machine.clock->believe("early").stepped_us == kHour);  // it did nothing before
  CHECK_FALSE(machine.alarm());
  CHECK_FALSE(machine.clock->believe("b").changed);
}

TEST_CASE("a process that follows another goes by the clock that it left") {
  Machine machine;
  machine.step(kHour);
  const auto kept = machine.clock->kept();
  machine.steady += kSecond;
  machine.wall += kSecond;
  machine.begin(kept);
  CHECK(machine.clock->ahead_us() == kHour);
  CHECK(machine.now() == kStart + kSecond);
  machine.clock->believe("a");
  machine.begin(machine.clock->kept());
  CHECK_FALSE(machine.alarm());
  CHECK(machine.clock->believe("a").stepped_us == kHour);
  machine.begin({});  // nothing was left: the machine was started anew
  CHECK(machine.now() == machine.wall);
}

TEST_CASE("steps with a new process after each are one, and are forgotten in time, too") {
  Machine machine;
  machine.step(6 * kSecond);
  machine.begin(machine.clock->kept());
  machine.step(6 * kSecond);
  CHECK(machine.clock->ahead_us() == 6 * kSecond);
  CHECK(machine.now() == kStart + 6 * kSecond);
  Machine patient;
  patient.step(6 * kSecond);
  const auto kept = patient.clock->kept();
  patient.steady += 600 * kSecond;  // without a backend
  patient.wall += 606 * kSecond;
  patient.begin(kept);
  CHECK_FALSE(patient.alarm());
  CHECK(patient.now() == patient.wall);
}

TEST_CASE("a clock that stands still is followed, and steps when it goes on") {
  Machine machine;
  for (int i = 0; i < 240; ++i) {
    machine.steady += kSecond / 20;
    machine.clock->look({machine.steady, machine.wall});
    REQUIRE(machine.now() == machine.wall);
  }
  machine.step(12 * kSecond);
  CHECK(machine.clock->ahead_us() == 12 * kSecond);
}
