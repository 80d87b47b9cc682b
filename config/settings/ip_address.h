#pragma once

// IP addresses and networks of them as people write them. Pure functions of their texts; values;
// any thread.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stampede::config {

struct IpAddress {  // of IPv4: ::ffff:a.b.c.d
  std::array<unsigned char, 16> bytes{};
  bool operator==(const IpAddress&) const = default;
};

// "10.1.2.3", "2001:db8::1"; nothing else, no port and no zone.
std::optional<IpAddress> parse_address(std::string_view text);

struct IpNetwork {
  IpAddress address;
  int bits = 128;  // of the address that count
  [[nodiscard]] bool holds(const IpAddress& other) const;
};

// "10.1.2.3", "10.0.0.0/8", "2001:db8::/32".
std::optional<IpNetwork> parse_network(std::string_view text);

std::vector<IpNetwork> networks_of(const std::string& list);  // a checked list

// Whose address it is, as a number: a host of IPv4, a network of 64 bits of IPv6, of which one
// subscriber has all addresses. Never 0.
std::uint64_t address_key(const IpAddress& address);

}  // namespace stampede::config
