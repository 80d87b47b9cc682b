#pragma once

// How a bench's results read: for people, and as JSON with the contract's keys. Pure but for the
// printing.

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tools/bench/bench.h"
#include "tools/bench/bench_load.h"
#include "tools/bench/bench_ramp.h"
#include "tools/books/verify.h"

namespace stampede::tools {

// What became of the confirmed orders in the database.
struct StoredRows {
  bool all = false;              // every confirmed order has its row
  std::uint64_t rows = 0;        // of this run
  double seconds = 0;            // from the run's start to the last row
  double after_last_answer = 0;  // may be 0 when they were stored while the run went on
  std::string problem;           // why not all
};

struct BenchResult {
  LoadResult load;                    // of all steps together
  std::optional<LoadResult> tickets;  // --tickets: of what was asked before
  std::vector<RampStep> steps;        // --ramp
  bool closed = false;
  double knee = 0;  // --ramp: orders a second; 0: not even the first rate was kept
  std::map<std::string, double> cpu;   // seconds of every node while the load ran
  std::optional<StoredRows> stored;    // nothing with --no-drain
  std::optional<VerifyReport> verify;  // nothing with --no-drain
};

void print_plan(const Bench& bench, const std::string& endpoint);  // stderr
void print_second(const LoadSecond& second);                       // stderr
void print_step(const RampStep& step);                             // stderr
void print_result(const BenchResult& result);                      // stdout
nlohmann::json to_json(const BenchResult& result, const Bench& bench);

// CPU seconds between two looks, of what was there at both.
std::map<std::string, double> spent_since(const std::map<std::string, double>& before,
                                          const std::map<std::string, double>& now);

}  // namespace stampede::tools
