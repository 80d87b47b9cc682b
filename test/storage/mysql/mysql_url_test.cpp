#include <doctest/doctest.h>

#include "storage/mysql/db_options.h"

using stampede::storage::Errc;
using stampede::storage::parse_db_url;

TEST_CASE("a url with a host and a port is read") {
  const auto address = parse_db_url("mysql://node@db.local:3310/sale");
  REQUIRE(bool(address));
  CHECK(address->user == "node");
  CHECK(address->host == "db.local");
  CHECK(address->port == 3310);
  CHECK(address->database == "sale");
  CHECK(address->socket.empty());
  CHECK(address->to_text() == "host db.local port 3310");
}

TEST_CASE("a url with a socket is read, with escapes decoded") {
  const auto address = parse_db_url("mysql://a%40b@localhost/sale?socket=/run/my%20sql/s.sock");
  REQUIRE(bool(address));
  CHECK(address->user == "a@b");
  CHECK(address->socket == "/run/my sql/s.sock");
  CHECK(address->to_text() == "socket /run/my sql/s.sock");
}

TEST_CASE("a url without a port means 3306, and IPv6 hosts stand in brackets") {
  const auto address = parse_db_url("mysql://node@[::1]/sale");
  REQUIRE(bool(address));
  CHECK(address->host == "::1");
  CHECK(address->port == 3306);
  const auto with_port = parse_db_url("mysql://node@[::1]:3307/sale");
  REQUIRE(bool(with_port));
  CHECK(with_port->port == 3307);
}

TEST_CASE("an unreadable url is invalid, and the message names the part and an example") {
  struct {
    const char* url;
    const char* names;
  } cases[] = {
      {"", "mysql://"},
      {"postgres://a@b/c", "begin with mysql://"},
      {"mysql://node@host", "database name is missing"},
      {"mysql://node@host/", "database name is missing"},
      {"mysql://host/db", "user is missing"},
      {"mysql://@host/db", "user is missing"},
      {"mysql://node@/db", "host is missing"},
      {"mysql://node@host:/db", "port"},
      {"mysql://node@host:0/db", "port '0'"},
      {"mysql://node@host:65536/db", "port '65536'"},
      {"mysql://node@host:33x/db", "port '33x'"},
      {"mysql://node@[::1/db", "never closed"},
      {"mysql://node@host/db/x", "'/'"},
      {"mysql://node@host/db?ssl=1", "'ssl=1'"},
      {"mysql://node@host/db?socket=", "not absolute"},
      {"mysql://node@host/db?socket=s.sock", "not absolute"},
      {"mysql://node@host/db?socket=/a%2", "malformed"},
      {"mysql://node@host/db?socket=/a%zz", "malformed"},
      {"mysql://node@host/db?socket=/a%00b", "malformed"},
      {"mysql://%4@host/db", "malformed"},
  };
  for (const auto& one : cases) {
    CAPTURE(one.url);
    const auto address = parse_db_url(one.url);
    REQUIRE(!address);
    CHECK(address.error().code == Errc::invalid);
    CHECK(address.error().message.find(one.names) != std::string::npos);
    CHECK(address.error().message.find("mysql://stampede@") != std::string::npos);
  }
  CHECK(!parse_db_url("mysql://node@host/db?socket=/" + std::string(120, 's')));
}

TEST_CASE("a password in the url is refused and never repeated") {
  const auto address = parse_db_url("mysql://node:geheim@host/db");
  REQUIRE(!address);
  CHECK(address.error().message.find("db.password_file") != std::string::npos);
  CHECK(address.error().message.find("geheim") == std::string::npos);
}
