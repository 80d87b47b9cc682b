#include "actors/webapp/core/session_table.h"

#include <doctest/doctest.h>

using namespace stampede::actors;

namespace {

constexpr TokenHashKey kHashKey{1, 2};

TokenKey key(std::string_view token) {
  return token_key(kHashKey, token);
}

Verdict verdict(const std::string& user) {
  Verdict made{Code::none, {}, {}};
  made.session.user = user;
  return made;
}

}  // namespace

TEST_CASE("a token is known until its time is over, and then not any more") {
  SessionTable table(10);
  table.keep(key("a"), verdict("ann"), 1000);
  const auto* known = table.find(key("a"), 999);
  REQUIRE(known != nullptr);
  CHECK(known->verdict.session.user == "ann");
  CHECK(table.find(key("b"), 0) == nullptr);
  CHECK(table.find(key("a"), 1000) == nullptr);
  CHECK(table.find(key("a"), 0) == nullptr);  // dropped, not hidden
  CHECK(table.size() == 0);
}

TEST_CASE("of more tokens than may be kept the oldest goes") {
  SessionTable table(3);
  for (const char* token : {"a", "b", "c", "d"}) table.keep(key(token), verdict(token), 1000);
  CHECK(table.find(key("a"), 0) == nullptr);
  for (const char* token : {"b", "c", "d"}) CHECK(table.find(key(token), 0) != nullptr);
  CHECK(table.size() == 3);
}

TEST_CASE("one that is kept again and again leaves room for the others") {
  SessionTable table(2);
  for (int n = 0; n < 100; ++n) {
    table.keep(key("a"), verdict("ann"), n);
    CHECK(table.find(key("a"), n - 1) != nullptr);
    CHECK(table.find(key("a"), n) == nullptr);
  }
  table.keep(key("b"), verdict("bob"), 1000);
  table.keep(key("a"), verdict("ann"), 1000);
  CHECK(table.find(key("b"), 0) != nullptr);
  CHECK(table.find(key("a"), 0) != nullptr);
}

TEST_CASE("a table of one holds the one that came last") {
  SessionTable table(1);
  table.keep(key("a"), verdict("ann"), 1000);
  table.keep(key("a"), verdict("eve"), 1000);
  REQUIRE(table.find(key("a"), 0) != nullptr);
  CHECK(table.find(key("a"), 0)->verdict.session.user == "eve");
  table.keep(key("b"), verdict("bob"), 1000);
  CHECK(table.find(key("a"), 0) == nullptr);
  CHECK(table.find(key("b"), 0) != nullptr);
}

TEST_CASE("what a token is known by depends on all of it and on the key") {
  const std::string token(300, 't');
  for (std::size_t at = 0; at < token.size(); at += 37) {
    auto other = token;
    other[at] = 'u';
    CHECK(key(other) != key(token));
  }
  CHECK(key(token.substr(1)) != key(token));
  CHECK(token_key({1, 3}, token) != key(token));
}
