#pragma once

// Whom a path is to be believed: nothing that lies where another user owns or may write is ours,
// whatever it is called. Looks at every directory on the way, links as they stand; the ones above
// this program are trusted as it is (who may change them could change the program).
//
// Thread-safe; reads the file system only, changes nothing. A path that is not there yet is trusted
// when the way to it is.

#include <filesystem>
#include <string>

namespace stampede::config {

enum class PlaceKind {
  directory,  // this user's own, nobody else may write in it
  file,       // this user's or root's, nobody else may write to it
};

// Empty, or why `path` (absolute) is not to be believed and what to do.
[[nodiscard]] std::string distrust(const std::filesystem::path& path, PlaceKind kind);

}  // namespace stampede::config
