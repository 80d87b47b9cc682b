#include "actors/http/http_forwarded.h"

#include <algorithm>

#include "actors/http/http_fields.h"

namespace stampede::actors {

namespace {

// "10.1.2.3", "10.1.2.3:5000", "2001:db8::1", "[2001:db8::1]:5000".
std::optional<config::IpAddress> address_of_hop(std::string_view hop) {
  if (hop.starts_with('[')) {
    const auto end = hop.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    return config::parse_address(hop.substr(1, end - 1));
  }
  const auto colon = hop.find(':');
  const bool port = colon != std::string_view::npos && hop.find('.') < colon;
  return config::parse_address(port ? hop.substr(0, colon) : hop);
}

}  // namespace

config::IpAddress client_address(const HttpRequest& request,
                                 const std::vector<config::IpNetwork>& proxies) {
  const auto is_proxy = [&](const config::IpAddress& address) {
    return std::any_of(proxies.begin(), proxies.end(),
                       [&](const auto& network) { return network.holds(address); });
  };
  auto address = request.peer;
  if (!is_proxy(address)) return address;
  const auto hops = list_members(request.head, "x-forwarded-for");
  for (auto hop = hops.rbegin(); hop != hops.rend() && is_proxy(address); ++hop) {
    const auto before = address_of_hop(*hop);
    if (!before) break;
    address = *before;
  }
  return address;
}

}  // namespace stampede::actors
