#pragma once

// Turns a lane's work into the rows of one database transaction, and the rows that failed back
// into commands. Pure: the lane actor and the simulator share it.

#include <vector>

#include "actors/backend/core/projection.h"
#include "storage/commands/batch_rows.h"
#include "storage/commands/command.h"

namespace stampede::actors {

class LaneBatchBuilder {
 public:
  // The rows point into the appends and item changes of `work`, which must outlive the batch.
  void fill(const LaneWork& work, storage::LaneBatch& batch);

 private:
  void fill_orders(const Append& append, storage::LaneBatch& batch);

  storage::CommandDecoder decoder_;
  std::vector<storage::Command> set_;  // kept for its memory
};

// The command whose row failed.
FailedCommand failed_command(const storage::LaneBatch& batch, const storage::RowFailure& failure);

}  // namespace stampede::actors
