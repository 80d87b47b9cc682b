#pragma once

// The log actor: a mail box around LogAgent. Detached, because the agent blocks on the disk. A disk
// error ends the node with exit code 74.

#include <caf/all.hpp>
#include <memory>

#include "actors/backend/backend_mail.h"
#include "actors/backend/backend_status.h"
#include "actors/node/node.h"
#include "storage/log/log_writer.h"

namespace stampede::actors {

struct LogKeeperStart {
  std::shared_ptr<storage::Disk> disk;
  std::shared_ptr<storage::LogWriter> writer;  // used by the log actor alone from here on
  std::uint64_t epoch = 0;
};

caf::actor spawn_log_keeper(NodeRuntime& node, BackendStatus& status, LogKeeperStart start,
                            caf::actor core);

}  // namespace stampede::actors
