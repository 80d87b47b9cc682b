#include "actors/node/core/command_inbox.h"

#include <doctest/doctest.h>

using namespace stampede::actors;
using nlohmann::json;

TEST_CASE("a command is carried out once, and its answer told until it was heard") {
  CommandInbox inbox;
  REQUIRE(inbox.on_supervisor(9, 100));
  const auto ticket = inbox.on_command(1);
  REQUIRE(ticket);
  CHECK_FALSE(inbox.on_command(1));  // repeated while it is being carried out
  CHECK(inbox.replies().empty());
  CHECK(inbox.on_answer(*ticket, {{"ok", true}}));
  const json told = {{{"supervisor", 9}, {"number", 1}, {"reply", {{"ok", true}}}}};
  CHECK(inbox.replies() == told);
  inbox.on_replies_sent();
  CHECK(inbox.replies().empty());
  CHECK_FALSE(inbox.on_command(1));  // the answer was lost: it is told again
  CHECK(inbox.replies() == told);
}

TEST_CASE("what an ended supervisor asked is answered to nobody, whatever its successor counts") {
  CommandInbox inbox;
  REQUIRE(inbox.on_supervisor(9, 100));
  const auto old_ticket = inbox.on_command(1);
  REQUIRE(old_ticket);
  REQUIRE(inbox.on_supervisor(10, 200));
  CHECK(inbox.replies().empty());
  SUBCASE("the old answer comes first") {
    CHECK_FALSE(inbox.on_answer(*old_ticket, {{"total", 1005}}));
    CHECK(inbox.replies().empty());
    CHECK(inbox.on_command(1));
  }
  SUBCASE("the new command comes first") {
    const auto ticket = inbox.on_command(1);
    REQUIRE(ticket);
    CHECK(*ticket != *old_ticket);
    CHECK_FALSE(inbox.on_answer(*old_ticket, {{"total", 1005}}));
    CHECK(inbox.replies().empty());
    CHECK(inbox.on_answer(*ticket, {{"total", 2005}}));
    CHECK(inbox.replies().at(0).at("reply") == json{{"total", 2005}});
    CHECK(inbox.replies().at(0).at("supervisor") == 10);
  }
  SUBCASE("an answer that was there is gone") {
    CHECK_FALSE(inbox.on_answer(*old_ticket, {{"total", 1005}}));
    CHECK_FALSE(inbox.on_supervisor(9, 100));  // its last words came late
    CHECK(inbox.on_supervisor(10, 200));
    CHECK(inbox.replies().empty());
  }
}

TEST_CASE("a node that began under the successor takes no late word of its predecessor for one") {
  CommandInbox inbox;
  REQUIRE(inbox.on_supervisor(10, 200));
  const auto ticket = inbox.on_command(1);
  REQUIRE(ticket);
  CHECK_FALSE(inbox.on_supervisor(9, 100));
  CHECK(inbox.on_supervisor(10, 200));
  CHECK(inbox.on_answer(*ticket, "done"));
  CHECK(inbox.replies().at(0).at("supervisor") == 10);
}

TEST_CASE("a supervisor that does not say when it began is the present one") {
  CommandInbox inbox;
  REQUIRE(inbox.on_supervisor(10, 200));
  CHECK(inbox.on_supervisor(11, 0));
  CHECK(inbox.on_supervisor(12, 150));
  CHECK_FALSE(inbox.on_supervisor(10, 100));
}

TEST_CASE("a message that comes late or twice begins nothing anew") {
  CommandInbox inbox;
  REQUIRE(inbox.on_supervisor(9, 100));
  inbox.on_answer(*inbox.on_command(1), "one");
  inbox.on_answer(*inbox.on_command(2), "two");
  inbox.keep_only({});
  CHECK_FALSE(inbox.on_command(1));
  CHECK_FALSE(inbox.on_command(2));
  CHECK(inbox.replies().empty());
  CHECK(inbox.on_command(3));
}

TEST_CASE("an answer goes to its own command only once") {
  CommandInbox inbox;
  REQUIRE(inbox.on_supervisor(9, 100));
  const auto ticket = inbox.on_command(7);
  REQUIRE(ticket);
  CHECK(inbox.on_answer(*ticket, 1));
  CHECK_FALSE(inbox.on_answer(*ticket, 2));
  CHECK(inbox.replies().at(0).at("reply") == 1);
}

TEST_CASE("heard answers are forgotten, commands that are carried out never") {
  CommandInbox inbox;
  REQUIRE(inbox.on_supervisor(9, 100));
  const auto slow = inbox.on_command(1);
  REQUIRE(slow);
  for (std::uint64_t number = 2; number <= CommandInbox::kKept; ++number) {
    inbox.on_answer(*inbox.on_command(number), "done");
  }
  CHECK_FALSE(inbox.on_command(CommandInbox::kKept + 1));  // no room: it comes again
  inbox.keep_only({1, 5});
  CHECK(inbox.replies().size() == 1);
  CHECK(inbox.on_command(CommandInbox::kKept + 1));
  CHECK_FALSE(inbox.on_command(1));
  inbox.keep_only({});
  CHECK(inbox.on_answer(*slow, "late"));
  CHECK(inbox.replies().at(0).at("number") == 1);
}
