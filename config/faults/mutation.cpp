#include "config/faults/mutation.h"

#ifdef STAMPEDE_MUTATIONS

#include <cstdlib>
#include <string>

namespace stampede::config {

bool mutation(std::string_view name) {
  static const std::string active = [] {
    const char* text = std::getenv("STAMPEDE_MUTATION");
    return std::string(text == nullptr ? "" : text);
  }();
  return name == active;
}

}  // namespace stampede::config

#endif
