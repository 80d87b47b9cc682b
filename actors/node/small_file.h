#pragma once

// A file of a few lines in the run directory that is read whole or not at all, whenever its writer
// ends. Not synced: it need not outlive the machine.

#include <filesystem>
#include <string_view>

namespace stampede::actors {

// In the place of what was there; 0600. False: it could not be written, and what was there stays.
bool replace_file(const std::filesystem::path& file, std::string_view text);

}  // namespace stampede::actors
