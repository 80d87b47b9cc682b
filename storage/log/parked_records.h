#pragma once

// Records that replay passes over, because it crashed at them or because the operator said so. Each
// is named by a small file of its own in the log's directory, `parked-<lsn>`, that says why; what
// passing over means: log_format.md. Stateless; all calls block on the disk. Errors: Errc::io.

#include <string>
#include <vector>

#include "storage/disk/disk.h"
#include "storage/lsn.h"
#include "storage/result.h"

namespace stampede::storage {

struct ParkedRecord {
  Lsn lsn = 0;
  std::string why;  // for people
};

// Ascending by lsn; nothing when there is no directory.
Result<std::vector<ParkedRecord>> list_parked(Disk& disk, const std::string& dir);
bool looks_like_parked(std::string_view name);  // begins with "parked-"
bool is_parked(const std::vector<ParkedRecord>& parked, Lsn lsn);
// "1.5, 1.9"
std::string to_text(const std::vector<ParkedRecord>& parked);

// Durable on return. A record that is parked already keeps its reason.
Status park_record(Disk& disk, const std::string& dir, const ParkedRecord& record);
// Durable on return. Errc::not_found when it is not parked.
Status unpark_record(Disk& disk, const std::string& dir, Lsn lsn);

}  // namespace stampede::storage
