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
  held.hold(ask("a"), 10, {1, 2});
  held.hold(ask("b"), 10, {2});
  held.hold(ask("c"), 10, {3});
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
  for (const char* id : {"a", "b", "c", "d"}) held.hold(ask(id), 10, {*id == 'a' ? 7U : 5U});
  CHECK(ids(held.release({5, 7})) == "abcd");
}

TEST_CASE("what may wait is bounded by number and bytes, and room comes back") {
  HeldMessages held;
  for (std::size_t n = 0; n < HeldMessages::kMessagesMax; ++n) {
    CHECK(held.has_room(10));
    held.hold(ask("a"), 10, {n});
  }
  CHECK_FALSE(held.has_room(10));
  CHECK(held.release({0}).size() == 1);
  CHECK(held.has_room(10));
  HeldMessages bytes;
  CHECK_FALSE(bytes.has_room(HeldMessages::kBytesMax + 1));
  bytes.hold(ask("a"), HeldMessages::kBytesMax, {1});
  CHECK_FALSE(bytes.has_room(1));
  CHECK(bytes.release({1}).size() == 1);
  CHECK(bytes.has_room(HeldMessages::kBytesMax));
}
