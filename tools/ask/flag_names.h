#pragma once

// What the terms of items and promos are called on the command line. Pure; any thread.

#include <string>
#include <string_view>

#include "storage/commands/item_terms.h"

namespace stampede::tools {

std::string flag_of(const storage::Term& term);

// A refusal of a change, which names members of requests, with the flags that they come from: those
// whose names have an underscore, for the others are words of their own.
std::string in_flags(std::string_view refusal);

}  // namespace stampede::tools
