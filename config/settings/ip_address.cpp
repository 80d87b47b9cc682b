#include "config/settings/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "config/settings/config.h"

namespace stampede::config {

namespace {

constexpr std::array<unsigned char, 12> kOfIpv4{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
constexpr int kIpv4Before = 96;  // bits that stand before an address of IPv4

bool is_ipv4(const IpAddress& address) {
  return std::equal(kOfIpv4.begin(), kOfIpv4.end(), address.bytes.begin());
}

std::optional<int> parse_bits(std::string_view text) {
  int bits = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits);
  if (error != std::errc{} || end != text.data() + text.size() || bits < 0) return std::nullopt;
  return bits;
}

}  // namespace

std::optional<IpAddress> parse_address(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> copy{};
  if (text.empty() || text.size() >= copy.size() || text.find('\0') != std::string_view::npos)
    return std::nullopt;
  std::copy(text.begin(), text.end(), copy.begin());
  IpAddress address;
  if (::inet_pton(AF_INET6, copy.data(), address.bytes.data()) == 1) return address;
  std::copy(kOfIpv4.begin(), kOfIpv4.end(), address.bytes.begin());
  if (::inet_pton(AF_INET, copy.data(), address.bytes.data() + kOfIpv4.size()) == 1) return address;
  return std::nullopt;
}

bool IpNetwork::holds(const IpAddress& other) const {
  const auto whole = static_cast<std::size_t>(bits / 8);
  if (std::memcmp(address.bytes.data(), other.bytes.data(), whole) != 0) return false;
  if (bits % 8 == 0) return true;
  const auto differ = static_cast<unsigned>(address.bytes[whole] ^ other.bytes[whole]);
  return (differ >> (8 - bits % 8)) == 0;
}

std::optional<IpNetwork> parse_network(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  IpNetwork network{*address, 128};
  if (slash == std::string_view::npos) return network;
  const auto bits = parse_bits(text.substr(slash + 1));
  const int before =
      is_ipv4(*address) && text.find(':') == std::string_view::npos ? kIpv4Before : 0;
  if (!bits || *bits > 128 - before) return std::nullopt;
  network.bits = before + *bits;
  return network;
}

std::vector<IpNetwork> networks_of(const std::string& list) {
  std::vector<IpNetwork> all;
  for (const auto& text : list_of(list))
    if (const auto network = parse_network(text)) all.push_back(*network);
  return all;
}

std::uint64_t address_key(const IpAddress& address) {
  std::uint64_t key = 0;
  const auto first = is_ipv4(address) ? address.bytes.begin() + 8 : address.bytes.begin();
  for (auto byte = first; byte != first + 8; ++byte) key = key << 8U | *byte;
  return key == 0 ? 1 : key;
}

}  // namespace stampede::config
