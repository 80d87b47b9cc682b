// The ceiling of a drain: how fast two connections fill the contract's own table by multi-row text
// INSERTs of 5000 rows, each a transaction, with no stock to keep and nothing to remember. The rows
// are as long as those of `stampede bench`.
//
//   insert_ceiling --db URL [--rows N] [--connections N] [--servers PID,PID]
//
// Prints a PeerResult in which every row is an order.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <future>
#include <string>
#include <vector>

#include "test/bench/peer_run.h"
#include "test/bench/peer_tables.h"

namespace {

using namespace stampede::bench;
using stampede::storage::MysqlSession;

void fill(const std::string& db, std::uint64_t rows, std::atomic<std::uint64_t>& next) {
  const auto session = open_session(db, MysqlSession::Commit::each_statement);
  for (;;) {
    const auto first = next.fetch_add(kRowsOfBatch);
    if (first >= rows) return;
    OrderBatch batch(*session);
    for (auto row = first; row < std::min(rows, first + kRowsOfBatch); ++row)
      batch.add({row + 1, row * 7 % 1'000'003, 0});
    batch.insert();
  }
}

int measure(const Arguments& given) {
  const auto db = given.text("db");
  const auto rows = given.number("rows", 400'000);
  prepare_tables(db, 1, rows);
  const CpuMeter cpu(given.text("servers"));
  const auto start = Clock::now();
  std::atomic<std::uint64_t> next{0};
  std::vector<std::future<void>> writers;
  for (std::uint64_t i = 0; i < given.number("connections", 2); ++i)
    writers.push_back(std::async(std::launch::async, [&] { fill(db, rows, next); }));
  for (auto& writer : writers) writer.get();
  PeerResult result;
  result.offered = result.accepted = result.stored = rows;
  result.seconds = result.stored_seconds = seconds_since(start);
  result.cpu_seconds = cpu.seconds();
  result.ok = rows_of(db) == rows;
  return report(std::move(result));
}

}  // namespace

int main(int count, char** words) {
  try {
    const Arguments given(count, words);
    if (given.text("db").empty()) {
      std::fprintf(stderr, "usage: insert_ceiling --db URL [--rows N] [--connections N]\n");
      return 2;
    }
    return measure(given);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "insert_ceiling: %s\n", error.what());
    return 1;
  }
}
