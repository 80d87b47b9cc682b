#pragma once

// Places that are named relative to a working directory which was removed: nobody knows where they
// are. run_directory() and asked_file() leave them as they are, all others absolute.
//
// Thread-safe; reads the file system only, changes nothing.

#include <filesystem>
#include <optional>

#include "config/settings/config.h"

namespace stampede::config {

inline constexpr const char* kWhyLost =
    "the working directory is gone: cd to another one, or give a --run-dir (and a --config) that "
    "begins with /";

// The path made absolute; as it is, and so not absolute, when it is lost.
[[nodiscard]] std::filesystem::path absolute_or_lost(const std::filesystem::path& path);

// The run directory or the configuration file, if it is lost; else nothing.
[[nodiscard]] std::optional<ConfigError> lost_place(const LoadOptions& options);

}  // namespace stampede::config
