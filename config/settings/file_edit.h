#pragma once

// Sets one key in the text of a configuration file, and leaves comments, order and everything else
// as they are. Pure; thread-safe.

#include <string>

#include "config/settings/key_table.h"

namespace stampede::config {

struct EditedText {
  std::string text;
  std::string fault;  // why it cannot be done; empty: `text` is the new one
};

// The value as TOML: 7100, true, "ipc".
std::string in_toml(const Value& value);

// `text` is read first: who gives what is no configuration gets a fault. So does who writes a
// section in a way that cannot be added to (a dotted key, an inline table).
EditedText with_value(const std::string& text, const Key& key, const Value& value);

}  // namespace stampede::config
