// config/README.md and config/stampede.toml must show exactly the keys there are.

#include "config/settings/key_table.h"

#include <doctest/doctest.h>

#include <fstream>
#include <set>
#include <sstream>

namespace stampede::config {
namespace {

std::string text_of(const std::string& name) {
  std::ifstream stream(std::string(CONFIG_FOLDER) + "/" + name);
  REQUIRE(stream.good());
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::string readme_row(const KeyDescription& key) {
  return "| `" + key.name + "` | " + key.unit + " | `" + key.default_value + "` | " + key.bounds +
         " | " + key.change + " | " + key.effect + " |\n";
}

TEST_CASE("the README has one exact row for every key and no other") {
  const auto readme = text_of("README.md");
  for (const auto& key : describe_keys()) {
    const auto row = readme_row(key);
    INFO("config/README.md must contain this row: " << row);
    CHECK(readme.find(row) != std::string::npos);
  }
  std::size_t rows = 0;
  for (auto at = readme.find("\n| `", readme.find("## Every key")); at != std::string::npos;
       at = readme.find("\n| `", at + 1))
    ++rows;
  CHECK(rows == keys().size());
}

TEST_CASE("the sample file names every key once and holds the defaults") {
  std::istringstream sample(text_of("stampede.toml"));
  std::set<std::string> seen;
  std::string section;
  for (std::string line; std::getline(sample, line);) {
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '[') {
      section = line.substr(1, line.find(']') - 1) + ".";
      continue;
    }
    const auto name = section + line.substr(0, line.find(' '));
    CAPTURE(name);
    CHECK(find_key(name) != nullptr);
    CHECK(seen.insert(name).second);
  }
  CHECK(seen.size() == keys().size());
}

TEST_CASE("the sample file loads to what the defaults are") {
  const std::filesystem::path sample = std::string(CONFIG_FOLDER) + "/stampede.toml";
  const auto from_sample =
      std::get<Config>(load({.file = sample, .run_dir = "/nowhere", .env = {}, .flags = {}}));
  const auto plain =
      std::get<Config>(load({.file = {}, .run_dir = "/nowhere", .env = {}, .flags = {}}));
  CHECK(from_sample.net.port_base == plain.net.port_base);
  CHECK(from_sample.webapp.http == plain.webapp.http);
  CHECK(from_sample.webapp.waiting_max == plain.webapp.waiting_max);
  CHECK(from_sample.broker.inflight_max == plain.broker.inflight_max);
  CHECK(from_sample.log.dir == plain.log.dir);
  CHECK(from_sample.log.segment_bytes == plain.log.segment_bytes);
  CHECK(from_sample.log.backlog_commands_max == plain.log.backlog_commands_max);
  CHECK(from_sample.backend.orders_max == plain.backend.orders_max);
  CHECK(from_sample.db.url == plain.db.url);
  CHECK(from_sample.db.password_file == plain.db.password_file);
  CHECK(from_sample.supervisor.restart_backoff_max_ms == plain.supervisor.restart_backoff_max_ms);
  CHECK(from_sample.dev == plain.dev);
}

TEST_CASE("every number's default lies in its bounds and every bound is kept") {
  for (const auto& key : keys()) {
    if (key.type != ValueType::integer) continue;
    CAPTURE(key.name);
    Config config;
    CHECK_FALSE(apply_text(key, key.default_value, config));
    CHECK_FALSE(apply_value(key, key.min, config));
    CHECK_FALSE(apply_value(key, key.max, config));
    CHECK(apply_value(key, key.min - 1, config));
    CHECK(apply_value(key, key.max + 1, config));
  }
}

TEST_CASE("numeric keys end in their unit or are ports and counts by name") {
  const std::set<std::string> exceptions{"net.port_base", "db.lanes", "limits.user_burst"};
  for (const auto& key : keys()) {
    if (key.type != ValueType::integer || exceptions.contains(key.name)) continue;
    CAPTURE(key.name);
    const bool named = key.name.ends_with("_ms") || key.name.ends_with("_s") ||
                       key.name.ends_with("_bytes") || key.name.ends_with("_max") ||
                       key.name.ends_with("_per_min");
    CHECK(named);
  }
}

TEST_CASE("names map to environment variables and back") {
  CHECK(find_key("log.segment_bytes")->env() == "STAMPEDE_LOG__SEGMENT_BYTES");
  CHECK(find_key("dev")->env() == "STAMPEDE_DEV");
  CHECK(find_key("nothing") == nullptr);
}

}  // namespace
}  // namespace stampede::config
