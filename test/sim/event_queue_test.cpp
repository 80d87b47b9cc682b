#include "test/sim/event_queue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "test/sim/random.h"

namespace stampede::sim {
namespace {

struct Ran {
  Time planned;
  std::uint64_t number;  // in the order of planning
};

// Events that plan further ones, near and far, some at the same time.
class Planner {
 public:
  explicit Planner(std::uint64_t seed) : random_(seed) {}
  void plan() {
    const Time delay = random_.pick<Time>({0, 0, 1, 63, 64, 200, 5 * kMs, kSecond, 90 * kSecond});
    const auto when = queue_.now() + (delay == 0 ? 0 : random_.between(0, delay));
    queue_.at(when, [this, when, number = planned_++] {
      CHECK(queue_.now() == when);
      ran_.push_back({when, number});
      for (auto more = random_.below(3); more > 0 && planned_ < 5000; --more) plan();
    });
  }
  void run() {
    for (int i = 0; i < 100; ++i) plan();
    while (queue_.step()) {
    }
  }
  [[nodiscard]] const std::vector<Ran>& ran() const { return ran_; }
  [[nodiscard]] std::uint64_t planned() const { return planned_; }

 private:
  Random random_;
  EventQueue queue_;
  std::uint64_t planned_ = 0;
  std::vector<Ran> ran_;
};

}  // namespace

TEST_CASE("events run by time, those of one time as they were planned") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Planner planner(seed);
    planner.run();
    CHECK(planner.ran().size() == planner.planned());
    CHECK(
        std::is_sorted(planner.ran().begin(), planner.ran().end(), [](const Ran& a, const Ran& b) {
          return std::pair(a.planned, a.number) < std::pair(b.planned, b.number);
        }));
  }
}

TEST_CASE("what an event holds goes with it, however it ends, and with the queue") {
  const auto held = std::make_shared<int>(0);
  {
    EventQueue queue;
    queue.in(5, [held] { ++*held; });
    queue.in(7, [held, large = std::string(300, 'x'), room = std::array<char, 300>()] {
      *held += static_cast<int>(large.size() + room.size());
    });
    queue.in(9, [held] { throw std::runtime_error("ends here"); });
    queue.in(kSecond, [held] { ++*held; });
    CHECK(held.use_count() == 5);
    CHECK(queue.step());
    CHECK(queue.step());
    CHECK_THROWS_AS(queue.step(), std::runtime_error);
    CHECK(held.use_count() == 2);
    CHECK(queue.now() == 9);
  }
  CHECK(held.use_count() == 1);
  CHECK(*held == 601);
}

}  // namespace stampede::sim
