#pragma once

// `stampede config …`: what the system runs with, what its file would change, and the way from one
// to the other. They judge the configuration themselves, so that a wrong file is what they report
// and not what ends them. Results on stdout, everything else on stderr; the exit code is returned:
// 0 done, 2 the file, key or value is wrong, 3 a node was not ready (all have gone back), 6
// refused, 7 nobody answers.

#include <string>

#include "config/settings/config.h"

namespace stampede::tools {

// What an operator should know of the file of a system that runs with `now`: that it is wrong, or
// says something else. Empty: it says the same.
std::string file_note(const config::Config& now);

// Whether the file, with the environment and flags of the system, could be accepted.
int run_config_check(const config::LoadOptions& load, bool json);
// What differs from what the running system has accepted, and what each of it needs.
int run_config_diff(const config::LoadOptions& load, bool json);
// Lets the running system accept the file; waits until every node runs with it, or has gone back.
int run_config_reload(const config::LoadOptions& load, bool json);
// Writes one key into the file, comments and all else left as they are, and reloads. Where the
// reload is refused or goes back, so does the file.
int run_config_set(const config::LoadOptions& load, bool json, const std::string& key,
                   const std::string& value);
int run_config_get(const config::LoadOptions& load, bool json, const std::string& key);
int run_config_show(const config::LoadOptions& load, bool json, bool origin);

}  // namespace stampede::tools
