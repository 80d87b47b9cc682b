#pragma once

// What a running system runs with: one text, made of the file, the environment and the flags that
// its supervisor accepted, as a whole. It lies in <run>/config.accepted.toml (0600); supervisor,
// nodes, tools and scripts of a system that runs read only that, so an edit of the configuration
// file changes nothing until a stopped system is started or `config reload` accepts it.
//
// While a reload is not over, the text before it lies in <run>/config.earlier.toml: whoever finds
// it there and is the supervisor goes back to it.
//
// Thread-safe: no state is kept. Everything here reads or writes small files and may block.

#include <filesystem>
#include <string>
#include <string_view>
#include <variant>

#include "config/settings/config.h"

namespace stampede::config {

std::filesystem::path accepted_file(const std::filesystem::path& run_dir);
std::filesystem::path earlier_file(const std::filesystem::path& run_dir);

// The text, TOML: every key that was given, and a section [accepted] that says where from and what
// the files that keys name hold.
std::string accepted_text(const Config& config);
// 16 hex digits that stand for a text.
std::string text_id(std::string_view text);

// What a file holds; empty where it cannot be read.
std::string text_of(const std::filesystem::path& file);

// Before a text is made: notes what the files hold that are read again at a reload.
void note_contents(Config& config);

// What the running system runs with; `accepted` is set.
[[nodiscard]] std::variant<Config, ConfigError> load_accepted(const std::filesystem::path& run_dir);
// The same of another file, of the same form.
[[nodiscard]] std::variant<Config, ConfigError> load_text(const std::filesystem::path& file,
                                                          const std::filesystem::path& run_dir);

// What a reload would accept instead of `now`: its file read anew (the usual one where there was
// none), the environment and the flags as they were. Contents are noted, `accepted` is set.
[[nodiscard]] std::variant<Config, ConfigError> load_anew(const Config& now);

// For a tool, or a node started by hand: while the system runs its accepted text. Of the caller's
// environment only that counts which says who calls: curve.*, and another user of the same database
// (db.url, db.password_file). Each other variable that differs is judged, and has a sentence in
// `passed_over`. Without a running system, or where another file is asked for than the system's
// own, as load().
[[nodiscard]] std::variant<Config, ConfigError> load_beside(const LoadOptions& options);

// For who only looks, where load_beside() fails: what the last system had accepted, if that lies
// there, else the defaults of the run directory below the caller's environment and flags, as far as
// those are right. `origin` is empty in the second case.
[[nodiscard]] Config load_without_file(const LoadOptions& options);

// In the place of what was there, as a whole or not at all, 0600; durable on return. Empty, or what
// went wrong.
[[nodiscard]] std::string write_durably(const std::filesystem::path& file, std::string_view text);
// The same of a file that is somebody's: its mode stays.
[[nodiscard]] std::string write_over(const std::filesystem::path& file, std::string_view text);
// Moves a file over another one (or away, where `to` is empty). Durable on return; empty, or what
// went wrong.
[[nodiscard]] std::string move_durably(const std::filesystem::path& from,
                                       const std::filesystem::path& to);

}  // namespace stampede::config
