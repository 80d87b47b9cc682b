#pragma once

// RFC 4648 section 5. Pure.

#include <string_view>

namespace stampede::actors {

// The letter of six bits is at their number.
inline constexpr std::string_view kBase64UrlLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

}  // namespace stampede::actors
