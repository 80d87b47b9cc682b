// Addresses and networks as people write them.

#include "config/settings/ip_address.h"

#include <doctest/doctest.h>

namespace stampede::config {
namespace {

bool holds(const char* network, const char* address) {
  return parse_network(network).value().holds(parse_address(address).value());
}

std::uint64_t key_of(const char* address) {
  return address_key(parse_address(address).value());
}

}  // namespace

TEST_CASE("an address is one of IPv4 or IPv6 and nothing else") {
  CHECK(parse_address("10.1.2.3") == parse_address("::ffff:10.1.2.3"));
  CHECK(parse_address("2001:db8::1") == parse_address("2001:0DB8:0:0:0:0:0:1"));
  for (const char* text :
       {"", " ", "10.1.2", "10.1.2.3.4", "10.1.2.256", "010.1.2.3x", "10.1.2.3 ", "10.1.2.3:80",
        "[::1]", "::1%lo", "shop.example", "unknown", "_hidden", "10.1.2.3/8", ":0:0:4711",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999", "::ffff:255.255.255.255.255.255.255.255"}) {
    INFO(std::string(text));
    CHECK_FALSE(parse_address(text));
  }
  CHECK_FALSE(parse_address(std::string_view("10.1.2.3\0x", 10)));
}

TEST_CASE("a network holds the addresses whose first bits are its own") {
  CHECK(holds("10.0.0.0/8", "10.255.1.2"));
  CHECK_FALSE(holds("10.0.0.0/8", "11.0.0.0"));
  CHECK(holds("10.1.2.3", "10.1.2.3"));
  CHECK_FALSE(holds("10.1.2.3", "10.1.2.4"));
  CHECK(holds("192.168.4.0/22", "192.168.7.255"));
  CHECK_FALSE(holds("192.168.4.0/22", "192.168.8.0"));
  CHECK(holds("0.0.0.0/0", "8.8.8.8"));
  CHECK_FALSE(holds("0.0.0.0/0", "2001:db8::1"));
  CHECK(holds("::/0", "8.8.8.8"));
  CHECK(holds("2001:db8::/33", "2001:db8:7fff::1"));
  CHECK_FALSE(holds("2001:db8::/33", "2001:db8:8000::1"));
  for (const char* text : {"", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8", "/8",
                           "::/129", "10.0.0.0/8x", "shop.example"}) {
    INFO(std::string(text));
    CHECK_FALSE(parse_network(text));
  }
}

TEST_CASE("a host of IPv4 and a subscriber's network of IPv6 count as one each") {
  CHECK(key_of("10.1.2.3") == key_of("::ffff:10.1.2.3"));
  CHECK(key_of("10.1.2.3") != key_of("10.1.2.4"));
  CHECK(key_of("2001:db8::1") == key_of("2001:db8::ffff:1"));
  CHECK(key_of("2001:db8::1") != key_of("2001:db8:0:1::1"));
  CHECK(key_of("::1") != 0);
  CHECK(key_of("0.0.0.0") != 0);
}

}  // namespace stampede::config
