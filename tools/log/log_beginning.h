#pragma once

// Where the log of a directory begins to speak, now that old segments may be gone, and what the
// snapshots know of the time before. Reads files only. Blocks.

#include <cstdint>
#include <string>
#include <vector>

#include "actors/sale/request_hash.h"
#include "actors/sale/ticket_table.h"
#include "storage/log/log_reader.h"
#include "storage/mysql/database.h"
#include "storage/replay/replay.h"
#include "storage/snapshot/snapshot_file.h"

namespace stampede::tools {

struct LogBeginning {
  storage::LogPosition position;  // read from here; the default is the start of a log
  std::string snapshot;           // the newest usable one; empty when the log has its start

  [[nodiscard]] bool is_start() const { return position.seg_no == 1; }
  // No decision that is left has a lower lsn; 0 when the log has its start.
  [[nodiscard]] storage::Lsn speaks_from() const {
    return is_start() ? 0 : position.chain.next_lsn;
  }
};
// A log without its start and without a usable snapshot gives the start: reading it then says what
// is missing. Errors: Errc::io, Errc::version; Errc::corrupt when a segment's header is damaged.
storage::Result<LogBeginning> log_beginning(storage::Disk& disk, const std::string& dir);

// After reading failed: whether a working backend has removed the oldest segments meanwhile, so
// that reading from where the log begins now, which `beginning` then says, is worth a try.
bool begins_later_now(storage::Disk& disk, const std::string& dir, LogBeginning& beginning);

// An order by what a snapshot remembers of it.
struct RememberedOrder {
  storage::Lsn lsn = 0;
  std::uint64_t content = 0;        // remembered_content()
  std::uint64_t id = 0;             // half of its request id's keyed hash
  std::uint32_t item_position = 0;  // in the items of the snapshot
  std::uint32_t qty = 0;
};

// All that a snapshot says, but for rejections and changes of items.
struct SnapshotContents {
  storage::SnapshotHeader header;
  std::vector<storage::ItemRow> items;
  std::vector<storage::SnapshotUser> users;
  std::vector<RememberedOrder> orders;  // confirmed, ascending by lsn
  std::vector<storage::PromoRow> promos;
  std::vector<storage::SnapshotHeld> held;  // ascending by lsn
  std::vector<storage::SnapshotPayment> payments;
  actors::TicketTable tickets;
  storage::ReplayFold owed;
};
storage::Result<SnapshotContents> read_snapshot(storage::Disk& disk, const std::string& dir,
                                                const std::string& name);

// The same for an order of a snapshot and for a row of the database.
std::uint64_t remembered_content(const actors::RequestHasher& hasher,
                                 const storage::StoredOrder& order);

}  // namespace stampede::tools
