#pragma once

// Whose request it is when it came through proxies. Pure.

#include <vector>

#include "actors/http/http_server.h"
#include "config/settings/ip_address.h"

namespace stampede::actors {

// The peer's address or, as long as that is one of `proxies`, the one that X-Forwarded-For names
// before it: the last hop that is no proxy of ours. What stands before that hop anybody can have
// written, and it is not looked at. Where a proxy of ours names no address it is the proxy's own.
config::IpAddress client_address(const HttpRequest& request,
                                 const std::vector<config::IpNetwork>& proxies);

}  // namespace stampede::actors
