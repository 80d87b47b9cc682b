#pragma once

// The decisions whose rows a database refused when all was written anew (`log replay --all`),
// remembered beside the log: the file `refused-rows`, a line for each lsn. The log calls them
// stored; a start does not look for them, and says so. One writer, who holds the log's lock. All
// calls block on the disk.

#include <set>
#include <string>
#include <string_view>

#include "storage/disk/disk.h"
#include "storage/lsn.h"
#include "storage/result.h"

namespace stampede::storage {

bool looks_like_refused_rows(std::string_view name);

// Errors: Errc::io; Errc::corrupt when a line is no lsn.
Result<std::set<Lsn>> refused_rows(Disk& disk, const std::string& dir);
// In the place of those that were remembered; none: the file goes. Durable on return; cut short,
// none may be remembered.
Status remember_refused_rows(Disk& disk, const std::string& dir, const std::set<Lsn>& lsns);

}  // namespace stampede::storage
