#include "actors/backend/agents/claim_agent.h"

#include "config/faults/failpoint.h"

namespace stampede::actors {

Attempt ClaimAgent::attempt(std::int64_t wall_us) {
  config::failpoint("claim");
  const auto claimed = claim_database(
      start_, wall_us, [this](const storage::Error& missing) { return lost(missing); });
  if (!claimed) return attempts_.failed(claimed.error());
  config::failpoint("claimed");
  attempts_.succeeded();
  return {};
}

bool ClaimAgent::lost(const storage::Error& missing) {
  looked_ = missing.message == missing_ ? looked_ + 1 : 0;
  missing_ = missing.message;
  return looked_ >= kLooks;
}

}  // namespace stampede::actors
