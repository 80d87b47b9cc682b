#pragma once

// What /version and `stampede --version` say.

#include <string_view>

namespace stampede {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace stampede
