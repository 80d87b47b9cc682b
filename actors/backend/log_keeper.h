#pragma once

// The log actor: owns the LogWriter and makes appends durable, everything that has arrived as one
// batch: one write, one fdatasync. Detached, because it blocks on the disk. Answers the core with
// the number of appends that became durable.
//
// Appends without a decision (outcomes only) wait for the next batch, at most kLogIdleMs; the same
// pause after a batch with decisions writes a SEAL, so that the last answered batch gets a
// successor that vouches for it. A disk error ends the node with exit code 74.

#include <caf/all.hpp>
#include <memory>

#include "actors/backend/backend_mail.h"
#include "actors/backend/backend_status.h"
#include "actors/node/node.h"
#include "storage/log/log_writer.h"

namespace stampede::actors {

inline constexpr int kLogIdleMs = 10;

struct LogKeeperStart {
  std::shared_ptr<storage::Disk> disk;
  std::shared_ptr<storage::LogWriter> writer;  // used by the log actor alone from here on
  std::uint64_t epoch = 0;
};

caf::actor spawn_log_keeper(NodeRuntime& node, BackendStatus& status, LogKeeperStart start,
                            caf::actor core);

}  // namespace stampede::actors
