#pragma once

// Small files that are read whole or not at all, whenever their writer ends. Stateless; blocks on
// the disk.

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace stampede::config {

enum class Outlives {
  process,  // whoever reads it later finds the old text or the new one
  machine,  // after a power failure, too: durable on return
};

// In the place of what was there, which stays where this fails. Two at once do not mix. Empty, or
// what went wrong.
[[nodiscard]] std::string write_whole(const std::filesystem::path& file, std::string_view text,
                                      Outlives outlives, mode_t mode = 0600);

// Durable on return: names made, moved and removed in the directory. Empty, or what went wrong.
[[nodiscard]] std::string sync_names(const std::filesystem::path& directory);

}  // namespace stampede::config
