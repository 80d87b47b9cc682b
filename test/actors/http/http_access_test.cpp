// Which names, pages and sites are let in.

#include "actors/http/http_access.h"

#include <doctest/doctest.h>

#include "actors/http/http_head.h"

using namespace stampede::actors;

namespace {

const HttpSite kSite{{"shop.example", "[2001:db8::1]"}, {"https://shop.example"}};

HttpRequest request(const std::string& method, const std::string& authority,
                    const std::string& head = "") {
  HttpRequest made;
  made.method = method;
  made.target = "/v1/orders";
  made.authority = authority;
  made.names_host = true;
  made.head = head;
  return made;
}

// The header at fault; "" when the request is let in.
std::string fault(const std::string& method, const std::string& authority,
                  const std::string& head = "") {
  const auto found = check_access(kSite, request(method, authority, head));
  return found ? std::string(found->field) : "";
}

std::string from(const std::string& origin, const std::string& method = "POST") {
  return fault(method, "127.0.0.1:8080", "Origin: " + origin + "\r\n");
}

}  // namespace

TEST_CASE("only loopback and configured names are answered to, with any port") {
  for (const char* host : {"127.0.0.1", "127.0.0.1:8080", "127.9.9.9", "localhost", "LocalHost:1",
                           "[::1]", "[::1]:8080", "[0:0:0:0:0:0:0:1]", "shop.example",
                           "Shop.Example:443", "[2001:db8::1]:80"}) {
    INFO(std::string(host));
    CHECK(fault("GET", host).empty());
    CHECK(fault("POST", host).empty());
  }
  for (const char* host : {"", ":8080", "evil.example", "evil.example:8080", "x.shop.example",
                           "shop.example.", "localhost.evil.example", "127.0.0.1.evil.example",
                           "0.0.0.0", "10.0.0.1", "[::]", "[::ffff:127.0.0.1]", "2130706433",
                           "0177.0.0.1", "127.1", "localhos%74", "foo.localhost"}) {
    INFO(std::string(host));
    CHECK(fault("GET", host) == "Host");
    CHECK(fault("POST", host) == "Host");
  }
  auto old = request("GET", "");
  old.names_host = false;  // HTTP/1.0: no browser
  CHECK_FALSE(check_access(kSite, old));
}

TEST_CASE("pages of this server and of configured origins may ask, others may not") {
  for (const char* own :
       {"http://127.0.0.1:8080", "https://127.0.0.1:8080", "https://shop.example"})
    CHECK(from(own).empty());
  for (const char* foreign :
       {"http://evil.example", "null", "", "http://127.0.0.1", "http://127.0.0.1:80",
        "http://127.0.0.1:3000", "http://localhost:8080", "http://127.0.0.1:8080.evil.example",
        "http://shop.example", "https://shop.example.evil", "https://xshop.example", "file://",
        "http://127.0.0.1:8080, http://evil.example", "chrome-extension://abc", "127.0.0.1:8080"}) {
    INFO(std::string(foreign));
    CHECK(from(foreign) == "Origin");
    CHECK(from(foreign, "GET") == "Origin");
    CHECK(from(foreign, "OPTIONS") == "Origin");
  }
  CHECK(fault("POST", "127.0.0.1", "Origin: http://127.0.0.1:80\r\n").empty());
  CHECK(fault("POST", "127.0.0.1:80", "Origin: http://127.0.0.1\r\n").empty());
  CHECK(fault("POST", "127.0.0.1:443", "Origin: https://127.0.0.1\r\n").empty());
  CHECK(fault("POST", "127.0.0.1", "Origin: http://127.0.0.1\r\norigin: http://x\r\n") == "Origin");
  CHECK(allowed_origin(kSite, request("GET", "x", "Origin: https://shop.example\r\n")) ==
        "https://shop.example");
  CHECK(allowed_origin(kSite, request("GET", "x", "Origin: http://127.0.0.1\r\n")).empty());
}

TEST_CASE("a request that another site made is refused, a link that was followed is not") {
  const auto of = [](const std::string& site, const std::string& method,
                     const std::string& more = "") {
    return fault(method, "127.0.0.1:8080", "Sec-Fetch-Site: " + site + "\r\n" + more);
  };
  const std::string link = "Sec-Fetch-Mode: navigate\r\n";
  for (const char* method : {"GET", "POST"}) {
    CHECK(of("same-origin", method).empty());
    CHECK(of("none", method, link).empty());
    for (const char* site : {"cross-site", "same-site", "Cross-Site", "", "what"})
      CHECK(of(site, method) == "Sec-Fetch-Site");
  }
  CHECK(of("cross-site", "GET", link).empty());
  CHECK(of("cross-site", "GET", link + "Sec-Fetch-Dest: document\r\n").empty());
  CHECK(of("cross-site", "GET", link + "Sec-Fetch-Dest: embed\r\n") == "Sec-Fetch-Site");
  CHECK(of("cross-site", "GET", "Sec-Fetch-Mode: no-cors\r\n") == "Sec-Fetch-Site");
  CHECK(of("cross-site", "POST", link) == "Sec-Fetch-Site");
  CHECK(of("same-origin\r\nSec-Fetch-Site: cross-site", "POST") == "Sec-Fetch-Site");
  CHECK(of("cross-site", "POST", "Origin: http://127.0.0.1:8080\r\n") == "Sec-Fetch-Site");
  CHECK(of("cross-site", "POST", "Origin: https://shop.example\r\n").empty());
}
