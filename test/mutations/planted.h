#pragma once

// The switches of the planted faults (README.md). Only the copy of the sources that
// scripts/checks/mutation_gate.py builds has this: an include of it is put at the top of every file
// that a patch changes. STAMPEDE_PLANTED in the environment names the one fault that is on in this
// process; it is read at the first question. May be asked by any thread.

#include <cstdlib>
#include <string>
#include <string_view>

namespace stampede {

inline bool planted(std::string_view name) {
  static const std::string active = [] {
    const char* text = std::getenv("STAMPEDE_PLANTED");
    return std::string(text == nullptr ? "" : text);
  }();
  return name == active;
}

}  // namespace stampede
