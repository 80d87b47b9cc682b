#include <deque>
#include <random>

#include "test/actors/broker/core/broker_fixture.h"
#include "test/support/random_run.h"

namespace stampede::actors {

TEST_CASE("in any order of losses, restarts and silence the window is kept and credit comes back") {
  const auto seed = test::seed_of_run();
  CAPTURE(seed);
  MESSAGE("seed " << seed);
  std::mt19937_64 random(seed);
  BrokerFixture fixture;
  constexpr std::uint64_t kWindow = 64;
  std::uint64_t epoch = 1, number = 0, answered = 0;
  std::deque<Envelope> queue;  // at the backend
  const auto answer_one = [&](bool lost) {
    answered = queue.front().counter;
    queue.pop_front();
    if (!lost) fixture.result(number, epoch, answered);
  };
  fixture.serve(epoch, kWindow);
  for (int step = 0; step < 20'000; ++step) {
    fixture.now += static_cast<std::int64_t>(random() % 50);
    switch (random() % 16) {
      case 0:
        fixture.hello(Phase::serving, epoch, kWindow, answered);
        break;
      case 1:  // the backend starts again: what it had is gone
        if (random() % 20 != 0) break;
        queue.clear();
        answered = 0;
        fixture.hello(Phase::serving, ++epoch, kWindow);
        break;
      case 2:
        fixture.connect(random() % 4 != 0);
        break;
      case 3:
        if (!queue.empty()) queue.pop_back();  // lost on its way
        break;
      case 4:
      case 5:
      case 6:
        if (!queue.empty()) answer_one(random() % 8 == 0);
        break;
      case 7:
        fixture.tick(static_cast<std::int64_t>(random() % 3000));
        break;
      default:
        fixture.work(++number, static_cast<std::uint32_t>(1 + random() % kWindow));
        for (const auto& effect : fixture.last)
          if (effect.kind == BrokerEffect::Kind::forward) queue.push_back(effect.envelope);
    }
    std::uint64_t open = 0;
    for (const auto& batch : queue) open += batch.count;
    REQUIRE(open <= fixture.core.in_flight());
    REQUIRE(fixture.core.in_flight() <= kWindow * (1 + fixture.core.counters().probes));
  }
  // Quiet again: the backend answers what it has, and one more batch heals whatever was lost.
  while (!queue.empty()) answer_one(false);
  fixture.now += kProbeAfterMs;
  fixture.hello(Phase::serving, epoch, kWindow, answered);
  fixture.connect();
  ++number;
  REQUIRE(fixture.work(number, 1) == "forward " + std::to_string(number));
  fixture.result(number, epoch, fixture.last[0].envelope.counter);
  CHECK(fixture.core.credit() == kWindow);
}

}  // namespace stampede::actors
