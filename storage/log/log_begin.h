#pragma once

// Where a log begins, remembered beside it: the empty file `begins-<seg_no>`. Old segments are
// removed on purpose (actors/backend/recovery/retention), and nothing in the others would tell that
// from a file that somebody deleted. One writer, who holds the log's lock or that of the snapshots.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/disk/disk.h"
#include "storage/result.h"

namespace stampede::storage {

bool looks_like_begin(std::string_view name);  // begins with "begins-"

// The highest number that was remembered; none in a log of a program that did not know this.
Result<std::optional<std::uint64_t>> known_begin(Disk& disk, const std::string& dir);
// Durable on return. Call it before older segments are removed.
Status remember_begin(Disk& disk, const std::string& dir, std::uint64_t seg_no);

// The numbers that no segment has, between the one that the log is known to begin with (else the
// lowest there, or `lowest_seen` if that is lower) and the highest there. At most 1000 are named.
Result<std::vector<std::uint64_t>> missing_segments(Disk& disk, const std::string& dir,
                                                    std::uint64_t lowest_seen = UINT64_MAX);
// The same of a directory that was listed already.
std::vector<std::uint64_t> missing_among(const std::vector<FileEntry>& files,
                                         std::uint64_t lowest_seen);

}  // namespace stampede::storage
