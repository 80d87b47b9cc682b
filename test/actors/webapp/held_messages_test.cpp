// What waits for verdicts on tokens comes out once, when the last of them is there, in its order.

#include "actors/webapp/held_messages.h"

#include <doctest/doctest.h>

#include <string>

using namespace stampede::actors;

namespace {

HeldMessage ask(const std::string& id) {
  HttpAsk made;
  made.id = id;
  return made;
}

std::string ids(const std::vector<HeldMessage>& messages) {
  std::string all;
  for (const auto& one : messages) all += std::get<HttpAsk>(one).id;
  return all;
}

}  // namespace

TEST_CASE("a message waits for all of its tokens") {
  HeldMessages held;
  held.hold(ask("a"), 0, 10, {1, 2});
  held.hold(ask("b"), 0, 10, {2});
  held.hold(ask("c"), 0, 10, {3});
  CHECK(held.release({9}).empty());
  CHECK(held.release({1}).empty());
  CHECK(ids(held.release({2})) == "ab");
  CHECK(held.release({1, 2}).empty());
  CHECK_FALSE(held.empty());
  CHECK(ids(held.release({3})) == "c");
  CHECK(held.empty());
}

TEST_CASE("messages come out in the order in which they came, whatever the order of verdicts") {
  HeldMessages held;
  for (const char* id : {"a", "b", "c", "d"}) held.hold(ask(id), 0, 10, {*id == 'a' ? 7U : 5U});
  CHECK(ids(held.release({5, 7})) == "abcd");
}

TEST_CASE("what may wait is bounded by number, one's share of it, and room comes back") {
  HeldMessages held;
  std::uint64_t number = 0;
  while (held.has_room(7, 10)) held.hold(ask("a"), 7, 10, {number++});
  CHECK(number >= plenty_of(HeldMessages::kMessagesMax));
  CHECK(number < HeldMessages::kMessagesMax * 7 / 8);
  // A hundred who take all they can get leave room for a newcomer.
  for (std::uint16_t slot = 100; slot < 200; ++slot)
    while (held.has_room(slot, 10)) held.hold(ask("a"), slot, 10, {number++});
  CHECK(held.has_room(8, 10));
  for (std::uint64_t n = 0; n < 1000; ++n) CHECK(held.release({n}).size() == 1);
  CHECK(held.has_room(7, 10));
}

TEST_CASE("... and by bytes") {
  HeldMessages held;
  constexpr std::size_t kLarge = 64U << 10U;
  std::uint64_t number = 0;
  while (held.has_room(7, kLarge)) held.hold(ask("a"), 7, kLarge, {number++});
  CHECK(number * kLarge >= plenty_of(HeldMessages::kBytesMax));
  CHECK(held.has_room(8, kLarge));
  CHECK_FALSE(held.has_room(8, HeldMessages::kBytesMax));
  for (std::uint64_t n = 0; n < number; ++n) (void)held.release({n});
  CHECK(held.has_room(7, HeldMessages::kBytesMax));
  CHECK_FALSE(held.has_room(7, HeldMessages::kBytesMax + 1));
}
