#pragma once

// The one table of configuration keys. It drives the file parser, the environment names, the flags,
// the error texts and the test that config/README.md and config/stampede.toml are complete.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/settings/config.h"

namespace stampede::config {

using Value = std::variant<bool, std::int64_t, std::string>;

enum class ValueType { boolean, integer, text };

struct Key {
  std::string name;  // "section.key"; "dev" has no section
  ValueType type;
  std::string unit;
  std::int64_t min = 0;  // integer only, both inclusive
  std::int64_t max = 0;
  bool (*accepts)(const std::string&) = nullptr;  // text only
  bool list = false;                              // text only: several, divided by commas
  std::string allowed = {};                       // what a user may write, as a phrase
  std::string default_value = {};                 // shown; may name <run>
  std::string effect = {};
  void (*set)(Config&, const Value&) = nullptr;

  std::string section() const;
  std::string env() const;
};

bool is_loopback(const std::string& text);  // 127.x.y.z

const std::vector<Key>& keys();
const Key* find_key(std::string_view name);

// Stores the value, or says what is wrong with it and what is allowed.
std::optional<std::string> apply_value(const Key& key, const Value& value, Config& config);

// The same from the text of an environment variable or a flag.
std::optional<std::string> apply_text(const Key& key, const std::string& text, Config& config);

// "a port from 1024 to 65000 (default 7100)"
std::string allowed_phrase(const Key& key);

}  // namespace stampede::config
