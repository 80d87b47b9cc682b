#pragma once

// What /version and `stampede --version` say.

#include <string_view>

namespace stampede {

extern const std::string_view kVersion;

}  // namespace stampede
