#include "config/settings/key_changes.h"

#include <doctest/doctest.h>

namespace stampede::config {
namespace {

Config with(const GivenValues& given) {
  Config config;
  config.given = given;
  return config;
}

GivenValue number(std::int64_t value) {
  return {Value{value}, Origin::file};
}

TEST_CASE("what differs is named with both values and what it needs") {
  const auto all = changes(with({{"limits.user_per_s", number(5)}}),
                           with({{"net.port_base", number(7200)}, {"tickets.ahead_s", number(9)}}));
  REQUIRE(all.size() == 3);
  CHECK(all[0].key == "net.port_base");
  CHECK(all[0].before == "7100");
  CHECK(all[0].after == "7200");
  CHECK(all[0].change.needs == ChangeClass::system);
  CHECK(all[1].key == "limits.user_per_s");
  CHECK(all[1].after == "0");
  CHECK(all[1].change.needs == ChangeClass::live);
  CHECK(all[2].key == "tickets.ahead_s");
  CHECK(restarted_roles(all) == role::kBackend);
}

TEST_CASE("a default that is given, or given by somebody else, is no difference") {
  CHECK(changes(with({}), with({{"net.port_base", number(7100)}})).empty());
  const GivenValue by_environment{Value{std::int64_t{5}}, Origin::environment};
  CHECK(changes(with({{"limits.user_per_s", number(5)}}),
                with({{"limits.user_per_s", by_environment}}))
            .empty());
}

TEST_CASE("every key has a class, and only one of nodes names roles") {
  for (const auto& key : keys()) {
    CAPTURE(key.name);
    CHECK((key.change.roles != 0) == (key.change.needs == ChangeClass::node));
    CHECK_FALSE(describe(key.change).empty());
  }
  CHECK(describe(find_key("broker.inflight_max")->change) == "node: webapp, broker, backend");
}

TEST_CASE("what the contract says of classes holds") {
  for (const auto& key : keys()) {
    CAPTURE(key.name);
    const auto section = key.section();
    const bool system = section == "net" || section == "curve" || section == "db" ||
                        key.name == "webapp.http" || key.name == "log.dir";
    CHECK((key.change.needs == ChangeClass::system) == system);
    if (section == "limits") CHECK(key.change.needs == ChangeClass::live);
  }
}

TEST_CASE("who gave a value") {
  const auto& key = *find_key("tickets.ahead_s");
  CHECK(std::string(origin_word(key, with({}))) == "default");
  CHECK(std::string(origin_word(key, with({{key.name, number(1)}}))) == "file");
  CHECK(std::string(origin_word(key, with({{key.name, {Value{true}, Origin::environment}}}))) ==
        "environment");
}

}  // namespace
}  // namespace stampede::config
