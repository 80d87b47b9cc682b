#pragma once

// A lane: one detached actor with one database session, a mail box around LaneAgent. While the
// database is away it keeps the work and tries again for ever; a lane fenced by another owner ends
// the node with exit code 75, a database that was put back to an earlier state with 65. Without
// work it looks once a second, so that both are known, and told, before the next order.

#include <caf/all.hpp>
#include <cstdint>

#include "actors/backend/backend_mail.h"
#include "actors/backend/backend_status.h"
#include "actors/backend/recovery/database_check.h"
#include "actors/node/node.h"
#include "storage/mysql/db_options.h"

namespace stampede::actors {

struct LaneStart {
  storage::DbOptions database;
  std::uint32_t lane = 0;  // from 0; its row and its name are lane + storage::kFirstLane
  std::uint64_t epoch = 0;
  std::uint64_t owner = 0;  // LaneOwner::start
  storage::LaneLast last;   // ClaimStart::last_of
};

caf::actor spawn_lane(NodeRuntime& node, BackendStatus& status, LaneStart start, caf::actor core);

// Runs a ClaimAgent until the database is ours, then sends ClaimedMail to the core and ends.
void spawn_claim(NodeRuntime& node, BackendStatus& status, ClaimStart start, caf::actor core);

}  // namespace stampede::actors
