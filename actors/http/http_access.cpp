#include "actors/http/http_access.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "actors/http/http_head.h"

namespace stampede::actors {

namespace {

std::string_view without_port(std::string_view authority) {
  const bool brackets = authority.starts_with('[');
  return authority.substr(0, authority.find(':', brackets ? authority.find(']') : 0));
}

bool is_loopback(std::string_view host) {
  if (same_name(host, "localhost")) return true;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(std::string(host), error);
  return !error && address.is_loopback();
}

bool known_host(const HttpSite& site, std::string_view authority) {
  const auto host = without_port(authority);
  return is_loopback(host) || std::any_of(site.hosts.begin(), site.hosts.end(),
                                          [&](const auto& one) { return same_name(one, host); });
}

// "http://host:80" and "http://host" are the same.
std::string_view without_default_port(std::string_view authority, std::string_view port) {
  return authority.ends_with(port) ? authority.substr(0, authority.size() - port.size())
                                   : authority;
}

bool is_own(std::string_view origin, std::string_view authority) {
  for (const auto& [scheme, port] :
       {std::pair<std::string_view, std::string_view>{"http://", ":80"}, {"https://", ":443"}}) {
    if (!origin.starts_with(scheme)) continue;
    const auto from = without_default_port(origin.substr(scheme.size()), port);
    return !from.empty() && same_name(from, without_default_port(authority, port));
  }
  return false;
}

bool is_listed(const HttpSite& site, std::string_view origin) {
  return std::any_of(site.origins.begin(), site.origins.end(),
                     [&](const auto& one) { return same_name(one, origin); });
}

// A link of another site that somebody followed: what it shows, that site cannot read.
bool is_navigation(const HttpRequest& request) {
  const auto into = request.header("sec-fetch-dest");
  return request.method == "GET" && same_name(request.header("sec-fetch-mode"), "navigate") &&
         !same_name(into, "object") && !same_name(into, "embed");
}

bool of_another_site(const HttpRequest& request) {
  const auto lines = request.header_count("sec-fetch-site");
  const auto site = request.header("sec-fetch-site");
  return lines > 1 || (lines == 1 && !same_name(site, "same-origin") && !same_name(site, "none"));
}

}  // namespace

std::optional<AccessFault> check_access(const HttpSite& site, const HttpRequest& request) {
  // HTTP/1.0 need not name a host; a browser always does.
  if (request.names_host && !known_host(site, request.authority))
    return AccessFault{"Host", "this server is not known by that name (webapp.hosts)"};
  const auto origins = request.header_count("origin");
  const auto origin = request.header("origin");
  const bool listed = origins == 1 && is_listed(site, origin);
  if (origins > 0 && !listed && (origins > 1 || !is_own(origin, request.authority)))
    return AccessFault{"Origin", "pages of that origin may not send requests (webapp.origins)"};
  if (!listed && of_another_site(request) && !is_navigation(request))
    return AccessFault{"Sec-Fetch-Site",
                       "pages of other sites may not send requests (webapp.origins)"};
  return std::nullopt;
}

std::string_view allowed_origin(const HttpSite& site, const HttpRequest& request) {
  const auto origin = request.header("origin");
  return is_listed(site, origin) ? origin : std::string_view{};
}

}  // namespace stampede::actors
