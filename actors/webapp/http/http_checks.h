#pragma once

// What all routes look at in a request before its body is read, and how they refuse it. Pure
// functions.

#include <optional>
#include <string_view>

#include "actors/http/http_server.h"

namespace stampede::actors {

HttpReply bad_field(std::string_view field, std::string_view detail = {});
HttpReply unsupported(std::string_view title, std::string_view field);

// What a body's headers say of it, the same for all that has one; nothing: they may.
std::optional<HttpReply> wrong_coding(const HttpRequest& request);

// JSON goes by any name that is not a known other one; but a page could send most of them without
// asking, so beside an Origin it must be called what it is.
bool is_json(const HttpRequest& request);

}  // namespace stampede::actors
