#pragma once

// Looks for the knee: the highest rate at which a system keeps up. Rates grow by a half until one
// is too high, then the gap is halved a few times. Pure.

#include <cstdint>
#include <optional>

#include "tools/bench/bench_load.h"

namespace stampede::tools {

struct RampStep {
  double rate = 0;      // planned orders a second
  double answered = 0;  // decided a second
  bool kept_up = false;
  double late_share = 0;  // sent over 1 ms after their time: the generator's own limit
  double cpu_seconds = 0;
  LoadResult load;
};

// A system keeps up when it answers at least 95 % of the rate while orders come, with nothing
// refused, and the slowest percent does not wait for half a second (a queue that grows).
RampStep step_of(double rate, const LoadResult& load);

class RampSearch {
 public:
  explicit RampSearch(double first_rate) : next_(first_rate) {}

  std::optional<double> next_rate() const { return next_; }  // nothing: the search is over
  void tell(bool kept_up);                                   // of next_rate()
  [[nodiscard]] double knee() const { return good_; }        // 0: not even the first rate

 private:
  static constexpr double kFactor = 1.5;
  static constexpr int kHalvings = 3;
  static constexpr double kRateMax = 20'000'000;

  std::optional<double> next_;
  double good_ = 0;
  double bad_ = 0;  // 0: none yet
  int halvings_ = 0;
};

}  // namespace stampede::tools
