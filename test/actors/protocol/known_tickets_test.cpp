// What a webapp knows of the tickets that it gave.

#include "actors/protocol/known_tickets.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace stampede::actors;

namespace {

// Of a MAC that begins with this number, and a payload.
std::string bytes_of(std::uint64_t mac, const std::string& payload = "payload") {
  std::string bytes(16, 'm');
  bytes.replace(0, sizeof mac, reinterpret_cast<const char*>(&mac), sizeof mac);
  return bytes + payload;
}

struct Known {
  KnownTickets tickets{{1, 2}};

  void add(const std::string& bytes) { tickets.add(tickets.hashed(bytes)); }
  bool has(const std::string& bytes) { return tickets.has(tickets.hashed(bytes)); }
};

}  // namespace

TEST_CASE_FIXTURE(Known, "what was added is known, and nothing that is like it") {
  const auto bytes = bytes_of(5);
  tickets.prefetch(bytes);
  CHECK_FALSE(has(bytes));
  add(bytes);
  tickets.prefetch(bytes);
  CHECK(has(bytes));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto touched = bytes;
    touched[i] ^= 1;
    CHECK_FALSE(has(touched));
    CHECK_FALSE(has(bytes.substr(0, std::max<std::size_t>(i, 8))));
  }
  CHECK_FALSE(has(bytes + "x"));
}

TEST_CASE_FIXTURE(Known, "who has another key knows other hashes") {
  const auto bytes = bytes_of(5);
  CHECK(KnownTickets({1, 3}).hashed(bytes).hash != tickets.hashed(bytes).hash);
}

TEST_CASE_FIXTURE(Known, "the oldest of a set makes room, once for each that is new") {
  for (int i = 0; i < 8; ++i) add(bytes_of(5, std::to_string(i)));
  for (int again = 0; again < 20; ++again) add(bytes_of(5, "7"));
  for (int i = 0; i < 8; ++i) CHECK(has(bytes_of(5, std::to_string(i))));
  add(bytes_of(5, "8"));
  CHECK_FALSE(has(bytes_of(5, "0")));
  for (int i = 1; i < 9; ++i) CHECK(has(bytes_of(5, std::to_string(i))));
}

TEST_CASE_FIXTURE(Known, "a quarter of a million are all known, but for one or two") {
  constexpr std::uint64_t kTickets = 250'000;
  const auto mac = [](std::uint64_t n) { return n * 0x9e37'79b9'7f4a'7c15 >> 13U; };
  for (std::uint64_t n = 0; n < kTickets; ++n) add(bytes_of(mac(n)));
  std::uint64_t known = 0;
  for (std::uint64_t n = 0; n < kTickets; ++n) known += has(bytes_of(mac(n)));
  CHECK(known > kTickets - kTickets / 50);
}
