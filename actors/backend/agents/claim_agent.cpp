#include "actors/backend/agents/claim_agent.h"

#include "config/faults/failpoint.h"

namespace stampede::actors {

Attempt ClaimAgent::attempt(std::int64_t wall_us) {
  config::failpoint("claim");
  const auto claimed = claim_database(start_, wall_us);
  if (!claimed) return attempts_.failed(claimed.error());
  config::failpoint("claimed");
  attempts_.succeeded();
  return {};
}

}  // namespace stampede::actors
