#include "tools/bench/bench_ramp.h"

#include <algorithm>

namespace stampede::tools {
namespace {

constexpr double kShareMin = 0.95;
constexpr std::uint64_t kP99MaxNs = 500'000'000;

}  // namespace

RampStep step_of(double rate, const LoadResult& load) {
  RampStep step;
  step.rate = rate;
  const auto decided = static_cast<double>(load.answered());
  const auto offered = static_cast<double>(std::max<std::uint64_t>(load.offered, 1));
  step.answered = load.seconds > 0 ? decided / load.seconds : 0;
  step.late_share = static_cast<double>(load.late) / offered;
  step.cpu_seconds = load.cpu_seconds;
  step.kept_up = step.answered >= kShareMin * rate && load.no_answer + load.errors == 0 &&
                 load.codes.empty() && load.latency.percentile_ns(0.99) <= kP99MaxNs;
  step.load = load;
  return step;
}

void RampSearch::tell(bool kept_up) {
  (kept_up ? good_ : bad_) = *next_;
  if (bad_ == 0) {
    next_ = *next_ * kFactor;
    if (*next_ > kRateMax) next_.reset();
    return;
  }
  if (good_ == 0 || halvings_++ == kHalvings)
    next_.reset();
  else
    next_ = (good_ + bad_) / 2;
}

}  // namespace stampede::tools
