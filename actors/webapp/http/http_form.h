#pragma once

// Names and values of a query string or a form. Pure functions. Values are bytes of a stranger:
// whoever uses them checks them.

#include <optional>
#include <string>
#include <string_view>

namespace stampede::actors {

// "a=1&b=x%20y": the value of `name`, decoded. Empty when it is not there, there twice, or badly
// encoded.
std::optional<std::string> query_value(std::string_view query, std::string_view name);

// The same from a body of that Content-Type: application/x-www-form-urlencoded, or
// multipart/form-data, which some load generators send.
std::optional<std::string> form_value(std::string_view content_type, std::string_view body,
                                      std::string_view name);

// A decimal number without sign, below 2^63.
std::optional<std::uint64_t> parse_number(std::string_view text);

}  // namespace stampede::actors
