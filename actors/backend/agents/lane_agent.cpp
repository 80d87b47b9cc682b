#include "actors/backend/agents/lane_agent.h"

#include <algorithm>
#include <utility>

#include "config/faults/failpoint.h"
#include "config/process/invariant.h"

namespace stampede::actors {

LaneAgent::LaneAgent(const storage::DbOptions& database, int lane, std::uint64_t epoch,
                     std::uint64_t rows_max, std::uint64_t owner, const storage::LaneLast& last)
    : writer_(database, lane, epoch, owner, last),
      few_rows_(std::min<std::uint64_t>(kFewRows, rows_max / 2)) {}

void LaneAgent::take(LaneWork work, Micros now) {
  STAMPEDE_ASSERT(!busy_, "one work at a time");
  work_ = std::move(work);
  builder_.fill(work_, batch_);
  failed_.clear();
  reasons_.clear();
  rest_until_ = now;
  if (work_.rows() < few_rows_) rest_until_ += kFewRowsEvery;
  busy_ = true;
}

Attempt LaneAgent::attempt() {
  STAMPEDE_ASSERT(busy_, "there is work to attempt");
  const auto outcome = writer_.apply(batch_);
  if (!outcome) return failed(outcome.error());
  config::failpoint("lane_done");
  attempts_.succeeded();
  down_ = false;
  busy_ = false;
  take_failures(*outcome);
  return {};
}

Attempt LaneAgent::look() {
  STAMPEDE_ASSERT(!busy_, "work is looked at by its attempts");
  if (!claimed_) return {};
  if (const auto as_left = writer_.look(); !as_left) return failed(as_left.error());
  attempts_.succeeded();
  down_ = false;
  return {};
}

Attempt LaneAgent::failed(const storage::Error& error) {
  auto attempt = attempts_.failed(error);
  down_ = attempt.kind == Attempt::Kind::again;
  return attempt;
}

void LaneAgent::take_failures(const storage::LaneOutcome& outcome) {
  for (const auto& failure : outcome.failures) {
    failed_.push_back(failed_command(batch_, failure));
    reasons_.push_back("command " + storage::to_text(failed_.back().lsn) +
                       " failed: " + failure.message);
  }
  std::sort(failed_.begin(), failed_.end(),
            [](const auto& a, const auto& b) { return a.lsn < b.lsn; });
}

}  // namespace stampede::actors
