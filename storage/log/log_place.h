#pragma once

// Where a log lies, remembered beside it: the empty file `place-<made>-<number>`, of the directory
// that whoever owned the log last wrote in. A copy carries that name along, into a directory of
// another place. One writer, who holds the log's lock.

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/disk/disk.h"
#include "storage/result.h"

namespace stampede::storage {

bool looks_like_place(std::string_view name);  // begins with "place-"

enum class KnownPlace : std::uint8_t {
  none,     // of a program that did not remember it, or a file system that tells nothing
  here,     // the directory is the one that was remembered
  another,  // it is a copy, or was moved to another file system; also when both are remembered
};

Result<KnownPlace> known_place(Disk& disk, const std::string& dir);
// The directory becomes the log's place, and no other one is remembered. Durable on return; called
// again it changes nothing.
Status remember_place(Disk& disk, const std::string& dir);

}  // namespace stampede::storage
