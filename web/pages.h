#pragma once

// The pages that the program holds: the files of this folder, their names hashed, compressed. Made
// by embed.py when the program is built. Pure; immutable, any thread.

#include <span>

#include "actors/http/static_file.h"

namespace stampede::web {

std::span<const actors::StaticFile> shop_pages();  // of a webapp
std::span<const actors::StaticFile> ops_pages();   // of the supervisor

}  // namespace stampede::web
