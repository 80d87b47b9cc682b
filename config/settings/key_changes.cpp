#include "config/settings/key_changes.h"

namespace stampede::config {

namespace {

Value given_or_default(const Key& key, const Config& config) {
  const auto given = config.given.find(key.name);
  return given == config.given.end() ? key.get(Config{}) : given->second.value;
}

std::string content_of(const Key& key, const Config& config) {
  const auto found = config.contents.find(key.name);
  return found == config.contents.end() ? std::string{} : found->second;
}

}  // namespace

std::string shown(const Key& key, const Config& config) {
  const auto given = config.given.find(key.name);
  return given == config.given.end() ? key.default_value : to_text(given->second.value);
}

const char* origin_word(const Key& key, const Config& config) {
  const auto given = config.given.find(key.name);
  if (given == config.given.end()) return "default";
  switch (given->second.origin) {
    case Origin::file:
      return "file";
    case Origin::environment:
      return "environment";
    case Origin::flag:
      return "flag";
    case Origin::preset:
      break;
  }
  return "default";
}

std::vector<KeyChange> changes(const Config& before, const Config& after) {
  std::vector<KeyChange> all;
  for (const auto& key : keys()) {
    if (given_or_default(key, before) != given_or_default(key, after)) {
      all.push_back({key.name, shown(key, before), shown(key, after), key.change});
    } else if (content_of(key, before) != content_of(key, after)) {
      all.push_back({key.name, "old contents", "new contents", {ChangeClass::live, 0}});
    }
  }
  return all;
}

unsigned restarted_roles(const std::vector<KeyChange>& all) {
  unsigned roles = 0;
  for (const auto& one : all) {
    if (one.change.needs == ChangeClass::node) roles |= one.change.roles;
  }
  return roles;
}

}  // namespace stampede::config
