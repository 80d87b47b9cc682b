// The whole way of an order without sockets and disk; bytes/item is bytes of the log per order.

#include <benchmark/benchmark.h>

#include "test/bench/micro/hot_path.h"
#include "test/bench/micro/rates.h"

namespace stampede::bench {
namespace {

// Half of the orders are accepted. Frames are made outside the time.
void hot_path(benchmark::State& state) {
  const auto batch = static_cast<std::size_t>(state.range(0));
  constexpr std::uint64_t kOrders = 64 * 1024;
  constexpr std::size_t kRoundOrders = 256;
  const auto frames = order_frames(0, kOrders, batch, 1);
  std::uint64_t log_bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    HotPath path(1, kOrders / 2);
    const auto before = path.log_bytes();
    state.ResumeTiming();
    const std::span<const std::string> all(frames);
    const auto per_round = std::max<std::size_t>(1, kRoundOrders / batch);
    for (std::size_t at = 0; at < all.size(); at += per_round)
      path.round(all.subspan(at, std::min(per_round, all.size() - at)));
    log_bytes = path.log_bytes() - before;
    if (path.confirmed() != kOrders / 2) state.SkipWithError("not half of the orders were sold");
  }
  report(state, kOrders, log_bytes);
}
BENCHMARK(hot_path)->ArgName("batch")->Arg(1)->Arg(64)->Arg(1000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace stampede::bench
