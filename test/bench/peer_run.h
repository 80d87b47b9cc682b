#pragma once

// What the peers' programs share: their arguments, clock, percentiles and CPU seconds.

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace stampede::bench {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start);

// `--name value` pairs of a command line; a word that is no such pair throws std::runtime_error.
class Arguments {
 public:
  Arguments(int count, char** words);
  [[nodiscard]] std::string text(const std::string& name) const;  // empty: not given
  [[nodiscard]] std::uint64_t number(const std::string& name, std::uint64_t otherwise) const;

 private:
  std::map<std::string, std::string> given_;
};

// User and system time of this process and of the servers it measures, from its making on.
class CpuMeter {
 public:
  explicit CpuMeter(const std::string& server_pids);  // "12,34"; a pid that is not there counts 0
  [[nodiscard]] double seconds() const;

 private:
  [[nodiscard]] double used() const;
  std::vector<long> pids_;
  double before_;
};

// Reorders the values. 0 when there are none.
double percentile(std::vector<double>& values, double part);

// What every peer reports; prints it as one JSON object and returns the exit code: 0, or 4 when not
// `ok`, that is when an order was lost, sold twice or sold too much.
struct PeerResult {
  std::uint64_t offered = 0;
  std::uint64_t accepted = 0;
  double seconds = 0;  // until the last answer
  std::vector<double> latencies_us;
  std::uint64_t stored = 0;
  double stored_seconds = 0;  // until the last row is committed
  double cpu_seconds = 0;
  bool ok = false;
};
int report(PeerResult result);

}  // namespace stampede::bench
