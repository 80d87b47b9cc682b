#pragma once

// Whether a request's method is performed: the path must take it, and what the client asked to hold
// before must hold (RFC 9110 13). Pure functions. If-Unmodified-Since is not looked at: nothing
// here has a time of its last change.

#include <optional>
#include <string_view>

#include "actors/http/http_server.h"

namespace stampede::actors {

inline constexpr std::string_view kReads = "GET, HEAD, OPTIONS";  // what a path that shows takes
inline constexpr std::string_view kTakes = "POST, OPTIONS";  // what a path that takes bodies takes

// The answer to OPTIONS, and to a method that the path does not take.
HttpReply other_method(const HttpRequest& request, std::string_view allowed);

// If-Match, by strong comparison. `etag`: of what would be sent; empty: it has none, and `*` alone
// holds.
bool match_holds(std::string_view head, std::string_view etag);
// If-None-Match, by weak comparison.
bool client_has(std::string_view head, std::string_view etag);
HttpReply match_failed();

// What stands in the way of this method at a path that has no ETag; nothing: it is performed.
std::optional<HttpReply> refuse_method(const HttpRequest& request, std::string_view method,
                                       std::string_view allowed);
// The same, and answered where something does: then false.
bool performs(const HttpRequest& request, std::string_view method, std::string_view allowed,
              HttpRespond& respond);

}  // namespace stampede::actors
