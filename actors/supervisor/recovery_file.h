#pragma once

// <run>/recoveries.json: the newest recoveries, for the supervisors to come. A file that is not
// what was written there counts as far as it can be read. Block on the disk.

#include <deque>
#include <filesystem>
#include <string>
#include <string_view>

#include "actors/supervisor/core/recovery_list.h"

namespace stampede::actors {

std::string recoveries_text(const std::deque<Recovery>& recoveries);
// At most RecoveryList::kKept, the newest; entries that say something else are left out.
std::deque<Recovery> parse_recoveries(std::string_view text);

std::deque<Recovery> read_recoveries(const std::filesystem::path& run_dir);
// As a whole or not at all, 0600. False: it could not be written.
bool write_recoveries(const std::filesystem::path& run_dir, const std::deque<Recovery>& recoveries);

}  // namespace stampede::actors
