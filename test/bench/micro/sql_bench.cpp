// The text of the lanes' statements. bytes/item is bytes of SQL per row.

#include <benchmark/benchmark.h>

#include <deque>

#include "storage/mysql/sql_text.h"
#include "test/bench/micro/rates.h"

namespace stampede::bench {
namespace {

using namespace storage;

constexpr std::size_t kRows = 1000;

void sql_orders(benchmark::State& state) {
  std::deque<std::string> ids;
  LaneBatch batch;
  for (std::uint64_t n = 0; n < kRows; ++n) {
    ids.push_back("b1-4f81a2c0-" + std::to_string(1'000'000'000 + n));
    batch.orders.push_back({make_lsn(1, 187'402 + n), ids.back(), 1 + n, "u000012345", 1, 1999,
                            1'795'257'721'203'118});
  }
  std::string out;
  for (auto _ : state) {
    out.clear();
    if (append_order_insert(out, batch, 0, kRows) != kRows) state.SkipWithError("not all rows");
  }
  report(state, kRows, out.size());
}
BENCHMARK(sql_orders);

void sql_amounts(benchmark::State& state) {
  LaneBatch batch;
  for (std::uint64_t n = 0; n < kRows; ++n)
    batch.amounts.push_back({1 + n, 1'000'000 - static_cast<std::int64_t>(n), make_lsn(1, n + 1)});
  std::string out;
  for (auto _ : state) {
    out.clear();
    if (append_amount_upsert(out, batch, 0, kRows) != kRows) state.SkipWithError("not all rows");
  }
  report(state, kRows, out.size());
}
BENCHMARK(sql_amounts);

}  // namespace
}  // namespace stampede::bench
