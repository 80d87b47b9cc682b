#pragma once

// Waits until the orders of a bench are rows of the database, and says when the last one was.
// Owner: bench; one thread. The waiting costs the database a small query every 20 ms, and counts of
// its rows at the end.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "config/settings/config.h"
#include "storage/mysql/database.h"
#include "tools/bench/bench_report.h"

namespace stampede::tools {

class StoredRowsWatch {
 public:
  explicit StoredRowsWatch(const config::Config& config);

  // Before the run: how many rows the orders so far are, or will be. Returns what is wrong, empty
  // if nothing.
  std::string open();
  // After it. Blocks until all rows are there, or none came for a minute. With an empty prefix
  // every order since open() counts as the run's.
  StoredRows wait(const LoadResult& load, const std::string& id_prefix);

 private:
  using Clock = std::chrono::steady_clock;

  bool connect(std::string& problem);
  std::optional<std::uint64_t> orders_so_far();
  std::optional<std::uint64_t> count_rows(const LoadResult& load);
  std::uint64_t count_exactly(const LoadResult& load, const std::string& id_prefix);

  const config::Config& config_;
  std::unique_ptr<storage::Database> database_;
  std::uint64_t rows_before_ = 0;
};

}  // namespace stampede::tools
