#include "actors/backend/agents/claim_agent.h"

#include "config/faults/failpoint.h"

namespace stampede::actors {

Attempt ClaimAgent::attempt(std::int64_t wall_us) {
  config::failpoint("claim");
  const auto claimed = claim_database(start_, wall_us);
  if (!claimed) return failed(claimed.error());
  config::failpoint("claimed");
  attempts_.succeeded();
  return {};
}

// Half a database: see storage::kHalvesMax.
Attempt ClaimAgent::failed(storage::Error error) {
  if (error.code != storage::Errc::not_found)
    halves_ = 0;
  else if (++halves_ >= storage::kHalvesMax)
    error.code = storage::Errc::corrupt;
  return attempts_.failed(error);
}

}  // namespace stampede::actors
