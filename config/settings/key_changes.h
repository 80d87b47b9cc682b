#pragma once

// What two configurations differ in, key by key, and what it takes to get from one to the other.
// Pure; thread-safe.

#include <string>
#include <vector>

#include "config/settings/config.h"
#include "config/settings/key_table.h"

namespace stampede::config {

struct KeyChange {
  std::string key;
  std::string before;  // as shown(); of a file that is named alike and holds something else: a word
  std::string after;
  Change change;
};

// In the order of the table. A key that is given its default does not differ from one that is not.
std::vector<KeyChange> changes(const Config& before, const Config& after);

// The roles whose nodes start again for these (key_table.h, role_bit()).
unsigned restarted_roles(const std::vector<KeyChange>& changes);

// As it is said, not as it counts: "db.password" and not "/srv/run/db.password".
std::string shown(const Key& key, const Config& config);
// Who said so: "default", "file", "environment", "flag".
const char* origin_word(const Key& key, const Config& config);

}  // namespace stampede::config
