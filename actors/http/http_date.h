#pragma once

// The value of the header Date (RFC 9110 5.6.7).

#include <cstdint>
#include <string>
#include <string_view>

namespace stampede::actors {

std::string http_date(std::int64_t seconds);  // since 1970; "Sun, 06 Nov 1994 08:49:37 GMT"
std::string_view http_date_now();             // until the next call in this thread

}  // namespace stampede::actors
