#include "config/settings/accepted_text.h"

#include <sys/stat.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <sstream>

#include "config/process/whole_file.h"
#include "config/settings/file_edit.h"
#include "config/settings/key_table.h"
#include "config/settings/running_nodes.h"
#include "config/settings/sources.h"

namespace stampede::config {

namespace {

namespace fs = std::filesystem;

constexpr const char* kHead =
    "# What this system runs with, written by its supervisor. Changes belong into the "
    "configuration\n"
    "# file, and `stampede config reload` accepts them; what is written here by hand is lost.\n";

// Keys whose files are read again at a reload, though their names stay.
const fs::path& named_file(const Config& config, std::string_view key) {
  return key == "curve.allow_file" ? config.curve.allow_file : config.auth.keys_file;
}
constexpr const char* kReadAgain[] = {"curve.allow_file", "auth.keys_file"};

// --- the text ------------------------------------------------------------------------------------

void insert(toml::table& table, const std::string& name, const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) table.insert(name, *number);
  if (const auto* flag = std::get_if<bool>(&value)) table.insert(name, *flag);
  if (const auto* text = std::get_if<std::string>(&value)) table.insert(name, *text);
}

std::string keys_from(const Config& config, Origin origin) {
  std::string names;
  for (const auto& [name, given] : config.given) {
    if (given.origin == origin) names += (names.empty() ? "" : ",") + name;
  }
  return names;
}

toml::table notes_of(const Config& config) {
  toml::table notes;
  notes.insert("file", config.origin.string());
  notes.insert("environment", keys_from(config, Origin::environment));
  notes.insert("flags", keys_from(config, Origin::flag));
  for (const auto& [key, digest] : config.contents) notes.insert(key, digest);
  return notes;
}

void apply_notes(const TextNotes& read, Config& config) {
  for (const auto& [name, text] : read.notes) {
    if (name == "file") config.origin = text;
    if (find_key(name) != nullptr) config.contents[name] = text;
    const auto origin = name == "environment" ? Origin::environment
                        : name == "flags"     ? Origin::flag
                                              : Origin::preset;
    if (origin == Origin::preset) continue;
    for (const auto& key : list_of(text)) {
      if (const auto given = config.given.find(key); given != config.given.end())
        given->second.origin = origin;
    }
  }
}

// Without the judgement of the whole.
Failure read_text(const fs::path& file, Config& config) {
  TextNotes notes;
  auto failure = read_trusted_file(file, config, &notes);
  if (failure) {
    failure->message += " (it is written by the supervisor: `stampede config reload` mends it)";
    return failure;
  }
  apply_notes(notes, config);
  config.accepted = text_id(notes.text);
  return std::nullopt;
}

// --- what a reload reads again -------------------------------------------------------------------

// The environment and the flags of its start belong to the system.
Failure keep_from_start(const Config& now, Config& anew) {
  for (const auto& [name, given] : now.given) {
    if (given.origin == Origin::file) continue;
    auto wrong = apply_value(*find_key(name), given.value, anew);
    if (wrong) return ConfigError{"environment", 0, 0, name, *wrong};
    anew.given[name] = given;
  }
  return std::nullopt;
}

// "mysql://USER@PLACE" without the user.
std::string_view place_of_database(std::string_view url) {
  return url.substr(std::min(url.find('@'), url.size()));
}

bool is_another_user(const Config& now, const Config& called) {
  return called.db.url != now.db.url &&
         place_of_database(called.db.url) == place_of_database(now.db.url);
}

// Keys that say who calls, not what the system is: a client's keys, another user of its database.
bool says_who_calls(const Key& key, const Config& now, const Config& called) {
  if (key.section() == "curve") return true;
  const bool of_user = key.name == "db.url" || key.name == "db.password_file";
  return of_user && is_another_user(now, called);
}

// All of the caller's variables are judged, those that say who calls count.
Failure take_variables(const Environment& env, Config& config) {
  Config now = config;
  Config called = config;
  auto wrong = read_environment(env, called);
  if (wrong) return wrong;
  make_absolute(now);
  make_absolute(called);
  for (const auto& [name, given] : called.given) {
    const auto& key = *find_key(name);
    if (key.get(called) == key.get(now)) continue;
    if (!says_who_calls(key, now, called)) {
      config.passed_over.push_back(key.env() + " is passed over: the system runs with " + name +
                                   " = " + in_toml(key.get(now)));
      continue;
    }
    auto refused = apply_value(key, given.value, config);
    if (refused) return ConfigError{"environment", 0, 0, key.env(), *refused};
    config.given[name] = given;
  }
  return std::nullopt;
}

bool asks_for_another(const LoadOptions& options, const Config& accepted) {
  const auto asked = asked_file(options);
  return !asked.empty() && asked != accepted.origin;
}

}  // namespace

fs::path accepted_file(const fs::path& run_dir) {
  return run_dir / "config.accepted.toml";
}

fs::path earlier_file(const fs::path& run_dir) {
  return run_dir / "config.earlier.toml";
}

std::string accepted_text(const Config& config) {
  toml::table all;
  for (const auto& [name, given] : config.given) {
    const auto dot = name.find('.');
    if (dot == std::string::npos) {
      insert(all, name, given.value);
      continue;
    }
    const auto section = name.substr(0, dot);
    if (!all.contains(section)) all.insert(section, toml::table{});
    insert(*all[section].as_table(), name.substr(dot + 1), given.value);
  }
  all.insert(kNotesSection, notes_of(config));
  std::ostringstream text;
  text << kHead << all << '\n';
  return text.str();
}

std::string text_of(const fs::path& file) {
  constexpr std::size_t kBytesMax = 4 << 20;  // of any file that a key names no more is good
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return {};  // to open a pipe is to wait for its writer
  std::ifstream stream(file, std::ios::binary);
  std::string text(std::min<std::size_t>(fs::file_size(file, error), kBytesMax), '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return text;
}

// FNV-1a: tells texts apart that nobody chose to be alike.
std::string text_id(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : text) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string id;
  for (int shift = 60; shift >= 0; shift -= 4) id += kDigits[(hash >> shift) & 15];
  return id;
}

void note_contents(Config& config) {
  config.contents.clear();
  for (const char* key : kReadAgain) {
    const auto& file = named_file(config, key);
    if (!file.empty()) config.contents[key] = text_id(text_of(file));
  }
}

std::variant<Config, ConfigError> load_text(const fs::path& file, const fs::path& run_dir) {
  Config config;
  auto failure = start_reading(run_dir, config);
  if (!failure) failure = read_text(file, config);
  if (!failure) failure = judge_whole(config);
  if (failure) return *failure;
  return config;
}

std::variant<Config, ConfigError> load_accepted(const fs::path& run_dir) {
  return load_text(accepted_file(run_dir), run_dir);
}

std::variant<Config, ConfigError> load_anew(const Config& now) {
  Config anew;
  auto failure = start_reading(now.run_dir, anew);
  if (failure) return *failure;
  anew.origin = now.origin.empty() ? usual_file(now.run_dir) : now.origin;
  failure = read_trusted_file(anew.origin, anew);
  if (!failure) failure = keep_from_start(now, anew);
  if (!failure) failure = judge_whole(anew);
  if (failure) return *failure;
  note_contents(anew);
  anew.accepted = text_id(accepted_text(anew));
  return anew;
}

std::variant<Config, ConfigError> load_beside(const LoadOptions& options) {
  Config config;
  auto failure = start_reading(run_directory(options), config);
  if (failure) return *failure;
  const auto file = accepted_file(config.run_dir);
  std::error_code error;
  if (!fs::exists(file, error) || !a_node_runs(config.run_dir)) return load(options);
  failure = read_text(file, config);
  if (!failure && asks_for_another(options, config)) return load(options);
  if (!failure) failure = take_variables(options.env, config);
  if (!failure) failure = read_flags(options.flags, config);
  if (!failure) failure = judge_whole(config);
  if (failure) return *failure;
  return config;
}

Config load_without_file(const LoadOptions& options) {
  const auto run_dir = run_directory(options);
  std::error_code error;
  if (fs::exists(accepted_file(run_dir), error)) {
    auto accepted = load_accepted(run_dir);
    if (auto* config = std::get_if<Config>(&accepted)) return std::move(*config);
  }
  Config config;
  config.run_dir = run_dir;
  if (!finish_reading(options, config)) return config;
  Config alone;
  alone.run_dir = run_dir;
  (void)judge_whole(alone);  // of defaults alone; makes the paths absolute
  return alone;
}

// --- on the disk ---------------------------------------------------------------------------------

std::string write_durably(const fs::path& file, std::string_view text) {
  return write_whole(file, text, Outlives::machine);
}

std::string write_over(const fs::path& file, std::string_view text) {
  struct stat there {};
  const bool known = ::stat(file.c_str(), &there) == 0;
  return write_whole(file, text, Outlives::machine, known ? there.st_mode & 0777U : 0600U);
}

std::string move_durably(const fs::path& from, const fs::path& to) {
  const int done = to.empty() ? ::unlink(from.c_str()) : ::rename(from.c_str(), to.c_str());
  if (done != 0) return "cannot move " + from.string() + ": " + std::strerror(errno);
  return sync_names(from.parent_path());
}

}  // namespace stampede::config
