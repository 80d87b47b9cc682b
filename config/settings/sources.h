#pragma once

// Reads what was said about keys, place by place: a file, the environment, flags. For config.cpp
// and accepted_text.cpp. Each value is judged alone and stored in `config`, and noted in
// `config.given`; what they are worth together is the caller's to judge. Reads files; thread-safe.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/settings/config.h"

namespace stampede::config {

using Failure = std::optional<ConfigError>;

// An accepted text, and what its section [accepted] says about it.
struct TextNotes {
  std::string text;
  std::map<std::string, std::string> notes;
};
inline constexpr const char* kNotesSection = "accepted";

// Without `notes` such a section is an unknown key.
Failure read_file(const std::filesystem::path& file, Config& config, TextNotes* notes = nullptr);
// The same of what a file holds, or would hold.
Failure read_file_text(const std::filesystem::path& file, const std::string& text, Config& config);
// "unknown key; [net] knows: mode, bind, port_base"
std::string unknown_key_message(const std::string& section);
Failure read_environment(const Environment& env, Config& config);
Failure read_flags(const std::vector<std::pair<std::string, std::string>>& flags, Config& config);

// The steps around them. First: notes the run directory, and whether it is to be believed.
Failure start_reading(const std::filesystem::path& run_dir, Config& config);
// read_file(), of a file that is to be believed; an empty path is none.
Failure read_trusted_file(const std::filesystem::path& file, Config& config,
                          TextNotes* notes = nullptr);
// <run>/stampede.toml, empty when it is not there.
std::filesystem::path usual_file(const std::filesystem::path& run_dir);
// Paths become absolute, and those that are empty the usual ones; so does the database's address.
void make_absolute(Config& config);
// Last: what the values are worth together; make_absolute(); looks at what paths lead to.
Failure judge_whole(Config& config);
// What a caller brings lies above what was read before: its environment, its flags; then the whole.
Failure finish_reading(const LoadOptions& options, Config& config);

}  // namespace stampede::config
