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

// What it takes to change a key of a running system.
enum class ChangeClass {
  live,    // nothing: it counts from `config reload` on
  node,    // the nodes that read it start again
  system,  // a stop and a start: refused while the system runs
};

namespace role {  // of Change::roles
inline constexpr unsigned kWebapp = 1;
inline constexpr unsigned kBroker = 2;
inline constexpr unsigned kBackend = 4;
}  // namespace role

struct Change {
  ChangeClass needs = ChangeClass::system;
  unsigned roles = 0;  // of ChangeClass::node: who reads it
};

std::string describe(const Change& change);  // "live", "system", "node: webapp, backend"
unsigned role_bit(std::string_view role);    // 0: no node's role

enum class ValueType { boolean, integer, text };

struct Key {
  std::string name;  // "section.key"; "dev" has no section
  ValueType type;
  std::string unit;
  Change change = {};
  std::int64_t min = 0;  // integer only, both inclusive
  std::int64_t max = 0;
  bool (*accepts)(const std::string&) = nullptr;  // text only
  bool list = false;                              // text only: several, divided by commas
  std::string allowed = {};                       // what a user may write, as a phrase
  std::string default_value = {};                 // shown; may name <run>
  std::string effect = {};
  void (*set)(Config&, const Value&) = nullptr;
  Value (*get)(const Config&) = nullptr;  // as it counts; paths after load() are absolute

  std::string section() const;
  std::string env() const;
};

bool is_loopback(const std::string& text);  // 127.x.y.z

const std::vector<Key>& keys();
const Key* find_key(std::string_view name);

std::string to_text(const Value& value);  // as a variable of the environment would say it

struct WrongValue {
  std::string why;
};
// What the text of a variable or a flag stands for; its bounds are not looked at.
std::variant<Value, WrongValue> value_of_text(const Key& key, const std::string& text);

// Stores the value, or says what is wrong with it and what is allowed.
std::optional<std::string> apply_value(const Key& key, const Value& value, Config& config);

// The same from the text of an environment variable or a flag.
std::optional<std::string> apply_text(const Key& key, const std::string& text, Config& config);

// "a port from 1024 to 65000 (default 7100)"
std::string allowed_phrase(const Key& key);

}  // namespace stampede::config
