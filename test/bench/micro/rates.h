#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>

namespace stampede::bench {

// items/s, bytes/s and bytes per item of a benchmark each of whose iterations handled so much.
inline void report(benchmark::State& state, std::uint64_t items, std::size_t bytes) {
  const auto rounds = static_cast<std::int64_t>(state.iterations());
  state.SetItemsProcessed(rounds * static_cast<std::int64_t>(items));
  state.SetBytesProcessed(rounds * static_cast<std::int64_t>(bytes));
  state.counters["bytes/item"] = static_cast<double>(bytes) / static_cast<double>(items);
}

}  // namespace stampede::bench
