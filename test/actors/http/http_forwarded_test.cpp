// Whose request it is behind proxies.

#include "actors/http/http_forwarded.h"

#include <doctest/doctest.h>

using namespace stampede;
using namespace stampede::actors;

namespace {

const auto kProxies = config::networks_of("127.0.0.1, 10.0.0.0/8, 2001:db8:1::/48");

bool is_from(const char* client, const char* peer, const std::string& head,
             const std::vector<config::IpNetwork>& proxies = kProxies) {
  HttpRequest request;
  request.peer = config::parse_address(peer).value();
  request.head = head;
  return client_address(request, proxies) == config::parse_address(client).value();
}

std::string for_(const std::string& hops) {
  return "X-Forwarded-For: " + hops + "\r\n";
}

}  // namespace

TEST_CASE("hops are believed from the nearest one on, as far as proxies of ours reach") {
  CHECK(is_from("127.0.0.1", "127.0.0.1", ""));
  CHECK(is_from("203.0.113.7", "127.0.0.1", for_("203.0.113.7")));
  CHECK(is_from("203.0.113.7", "127.0.0.1", for_("198.51.100.1, 203.0.113.7")));
  CHECK(is_from("203.0.113.7", "127.0.0.1", for_("1.1.1.1, 203.0.113.7, 10.1.1.1")));
  CHECK(is_from("203.0.113.7", "127.0.0.1", for_("1.1.1.1") + "A: b\r\n" + for_("203.0.113.7")));
  CHECK(is_from("203.0.113.7", "127.0.0.1", for_("203.0.113.7") + "x-forwarded-for: 10.9.9.9\r\n"));
  CHECK(is_from("10.1.1.1", "127.0.0.1", for_("10.1.1.1, 10.2.2.2")));  // of our own
}

TEST_CASE("who is no proxy of ours is believed nothing") {
  CHECK(is_from("192.0.2.1", "192.0.2.1", for_("203.0.113.7")));
  CHECK(is_from("127.0.0.1", "127.0.0.1", for_("203.0.113.7"), {}));
  CHECK(is_from("127.0.0.2", "127.0.0.2", for_("203.0.113.7")));
}

TEST_CASE("hops have ports and brackets; one that is none ends the way at the proxy") {
  CHECK(is_from("203.0.113.7", "127.0.0.1", for_("203.0.113.7:4711")));
  CHECK(is_from("2001:db8::7", "127.0.0.1", for_("2001:db8::7")));
  CHECK(is_from("2001:db8::7", "127.0.0.1", for_("[2001:db8::7]")));
  CHECK(is_from("2001:db8::7", "127.0.0.1", for_("[2001:db8::7]:4711, 2001:db8:1::1")));
  for (const char* hop : {"unknown", "_hidden", "203.0.113", "[2001:db8::7", ":80",
                          "203.0.113.7:", "\"203.0.113.7\"", "203.0.113.7 1.1.1.1"}) {
    INFO(std::string(hop));
    const bool none = is_from("10.3.3.3", "127.0.0.1", for_(std::string(hop) + ", 10.3.3.3"));
    const bool bare = is_from("203.0.113.7", "127.0.0.1", for_(std::string(hop) + ", 10.3.3.3"));
    CHECK((none || (bare && std::string(hop) == "203.0.113.7:")));
  }
}
