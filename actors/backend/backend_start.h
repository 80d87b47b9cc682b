#pragma once

// How a backend comes up: lock -> read and verify the whole log -> compare with the database when
// it answers -> re-persist the last batch -> mint the epoch -> hand over what is still owed.
// Changes nothing on disk before everything was verified. Blocks; runs in a thread of its own, so
// that heartbeats go on.

#include <memory>
#include <optional>

#include "actors/backend/backend_status.h"
#include "actors/backend/core/backend_core.h"
#include "actors/backend/lane.h"
#include "actors/node/node.h"
#include "storage/log/log_writer.h"

namespace stampede::actors {

struct BackendStart {
  std::unique_ptr<storage::LogLock> lock;  // held for as long as the process writes the log
  std::shared_ptr<storage::Disk> disk;
  std::shared_ptr<storage::LogWriter> writer;
  std::unique_ptr<BackendCore> core;  // phase replaying, epoch taken over
  ClaimStart claim;
};

// Ends the process (65, 74, 75, 78) when the log cannot be used; the reason says what to do.
BackendStart start_backend(NodeRuntime& node, BackendStatus& status);

storage::DbOptions database_options(NodeRuntime& node);

}  // namespace stampede::actors
