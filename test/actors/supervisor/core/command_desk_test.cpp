#include "actors/supervisor/core/command_desk.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace stampede::actors;
using nlohmann::json;

namespace {

struct Answers {
  std::vector<json> list;
  CommandDesk::Respond take() {
    return [this](const json& answer) { list.push_back(answer); };
  }
};

}  // namespace

TEST_CASE("a command goes out until it is answered, and is answered once") {
  CommandDesk desk;
  Answers answers;
  desk.open("backend-1", 0, {{"do", "books"}}, 1'000, answers.take());
  CHECK(desk.commands_for("broker-1", 5).empty());
  const json open = desk.commands_for("backend-1", 5);
  REQUIRE(open.size() == 1);
  CHECK(open[0]["command"] == json{{"do", "books"}});
  CHECK(desk.commands_for("backend-1", 6) == open);  // a new process of the node gets it too
  const auto number = open[0]["number"].get<std::uint64_t>();
  desk.answered("broker-1", number, {{"ok", false}});
  CHECK(answers.list.empty());
  desk.answered("backend-1", number, {{"ok", true}});
  desk.answered("backend-1", number, {{"ok", true}});
  CHECK(answers.list == std::vector<json>{{{"ok", true}}});
  CHECK(desk.commands_for("backend-1", 6).empty());
}

TEST_CASE("a command bound to a process never reaches the next one") {
  CommandDesk desk;
  Answers answers;
  desk.open("backend-1", 5, {{"do", "kill_actor"}}, 1'000, answers.take());
  CHECK(desk.commands_for("backend-1", 6).empty());
  CHECK(desk.commands_for("backend-1", 5).size() == 1);
  desk.process_ended("backend-1", 4);
  CHECK(answers.list.empty());
  desk.process_ended("backend-1", 5);
  CHECK(answers.list == std::vector<json>{{{"ok", true}}});
}

TEST_CASE("an unanswered command times out with exit code 5") {
  CommandDesk desk;
  Answers answers;
  desk.open("backend-1", 0, {{"do", "books"}}, 1'000, answers.take());
  desk.expire(999);
  CHECK(answers.list.empty());
  desk.expire(1'000);
  REQUIRE(answers.list.size() == 1);
  CHECK(answers.list[0]["exit"] == 5);
}

TEST_CASE("too many open commands are refused at once") {
  CommandDesk desk;
  Answers answers;
  for (std::size_t i = 0; i <= CommandDesk::kOpenMax; ++i) {
    desk.open("backend-1", 0, {{"do", "books"}}, 1'000, answers.take());
  }
  REQUIRE(answers.list.size() == 1);
  CHECK(answers.list[0]["error"] == "overloaded");
}

TEST_CASE("a node is told of the oldest commands, and of the next when those are answered") {
  CommandDesk desk;
  Answers answers;
  for (std::size_t i = 0; i < CommandDesk::kToldMax + 2; ++i)
    desk.open("backend-1", 0, {{"do", "books"}}, 1'000, answers.take());
  CHECK(desk.commands_for("backend-1", 5).size() == CommandDesk::kToldMax);
  desk.answered("backend-1", 1, {{"ok", true}});
  const json open = desk.commands_for("backend-1", 5);
  REQUIRE(open.size() == CommandDesk::kToldMax);
  CHECK(open.front()["number"] == 2);
  CHECK(open.back()["number"] == CommandDesk::kToldMax + 1);
}
