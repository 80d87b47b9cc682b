#include "config/settings/sources.h"

#include <toml++/toml.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "config/settings/key_table.h"

namespace stampede::config {

namespace {

namespace fs = std::filesystem;

std::string joined_keys(const std::string& section) {
  std::string result;
  for (const auto& key : keys()) {
    if (key.section() != section) continue;
    if (!result.empty()) result += ", ";
    result += section.empty() ? key.name : key.name.substr(section.size() + 1);
  }
  return result;
}

}  // namespace

std::string unknown_key_message(const std::string& section) {
  const auto known = joined_keys(section);
  if (!known.empty() && !section.empty()) return "unknown key; [" + section + "] knows: " + known;
  std::string sections;
  std::string last;
  for (const auto& key : keys()) {
    if (key.section().empty() || key.section() == last) continue;
    last = key.section();
    sections += "[" + last + "], ";
  }
  sections.replace(sections.size() - 2, 2, " and dev");
  return "unknown key; known are " + sections + " (see config/README.md)";
}

namespace {

// --- the file ------------------------------------------------------------------------------------

class FileReader {
 public:
  FileReader(const fs::path& file, Config& config, TextNotes* notes)
      : file_(file.string()), config_(config), notes_(notes) {}

  Failure read() {
    std::error_code error;
    if (!fs::is_regular_file(file_, error))
      return at({}, "",
                what_stands_there() + "; give another one with --config or STAMPEDE_CONFIG");
    std::ifstream stream(file_, std::ios::binary);
    if (!stream) return at({}, "", "cannot be read; check its permissions");
    std::ostringstream text;
    text << stream.rdbuf();
    return read_text(text.str());
  }

  Failure read_text(const std::string& text) {
    if (notes_ != nullptr) notes_->text = text;
    try {
      return read_table(toml::parse(text), "");
    } catch (const toml::parse_error& problem) {
      return at(problem.source().begin, "", "no valid TOML: " + std::string(problem.description()));
    }
  }

 private:
  [[nodiscard]] std::string what_stands_there() const {
    std::error_code error;
    const auto status = fs::status(file_, error);
    if (!fs::exists(status)) return "no such file";
    return fs::is_directory(status) ? "is a directory, no file" : "is no regular file";
  }

  Failure read_table(const toml::table& table, const std::string& section) {
    for (const auto& [key, node] : table) {
      const auto name = (section.empty() ? "" : section + ".") + std::string(key.str());
      auto failure = read_node(name, section, key, node);
      if (failure) return failure;
    }
    return std::nullopt;
  }

  Failure read_node(const std::string& name, const std::string& section, const toml::key& key,
                    const toml::node& node) {
    if (notes_ != nullptr && name == kNotesSection && node.is_table())
      return read_notes(*node.as_table());
    const auto* known = find_key(name);
    if (known) return read_value(*known, node);
    if (section.empty() && node.is_table() && !joined_keys(name).empty())
      return read_table(*node.as_table(), name);
    return at(key.source().begin, name, unknown_key_message(section));
  }

  Failure read_value(const Key& key, const toml::node& node) {
    const auto value = key.list && node.is_array() ? joined(*node.as_array()) : value_of(node);
    const auto where = node.source().begin;
    if (!value) return at(where, key.name, "has the wrong type; give " + allowed_phrase(key));
    auto wrong = apply_value(key, *value, config_);
    if (wrong) return at(where, key.name, *wrong);
    config_.given[key.name] = {*value, Origin::file};
    return std::nullopt;
  }

  Failure read_notes(const toml::table& table) {
    for (const auto& [key, node] : table) {
      const auto* text = node.as_string();
      if (text == nullptr) return at(node.source().begin, std::string(key.str()), "is no text");
      notes_->notes.emplace(key.str(), text->get());
    }
    return std::nullopt;
  }

  static std::optional<Value> value_of(const toml::node& node) {
    if (const auto* number = node.as_integer()) return Value{number->get()};
    if (const auto* flag = node.as_boolean()) return Value{flag->get()};
    if (const auto* text = node.as_string()) return Value{text->get()};
    return std::nullopt;
  }

  static std::optional<Value> joined(const toml::array& array) {
    std::string all;
    for (const auto& node : array) {
      const auto* text = node.as_string();
      if (text == nullptr || text->get().find(',') != std::string::npos) return std::nullopt;
      all += (all.empty() ? "" : ",") + text->get();
    }
    return Value{all};
  }

  ConfigError at(toml::source_position where, const std::string& key,
                 const std::string& message) const {
    return {file_, static_cast<int>(where.line), static_cast<int>(where.column), key, message};
  }

  std::string file_;
  Config& config_;
  TextNotes* notes_;
};

}  // namespace

Failure read_file(const fs::path& file, Config& config, TextNotes* notes) {
  return FileReader(file, config, notes).read();
}

Failure read_file_text(const fs::path& file, const std::string& text, Config& config) {
  return FileReader(file, config, nullptr).read_text(text);
}

// --- environment and flags -----------------------------------------------------------------------

namespace {

bool names_a_key(const std::string& variable) {
  return variable.find("__") != std::string::npos || variable == "STAMPEDE_DEV";
}

std::optional<std::string> take_text(const Key& key, const std::string& text, Origin origin,
                                     Config& config) {
  const auto value = value_of_text(key, text);
  if (const auto* wrong = std::get_if<WrongValue>(&value)) return wrong->why;
  auto wrong = apply_value(key, std::get<Value>(value), config);
  if (!wrong) config.given[key.name] = {std::get<Value>(value), origin};
  return wrong;
}

}  // namespace

Failure read_environment(const Environment& env, Config& config) {
  for (const auto& [variable, text] : env) {
    if (!variable.starts_with("STAMPEDE_") || !names_a_key(variable)) continue;
    const auto& name = variable;  // clang 14 cannot capture a structured binding
    const auto it = std::find_if(keys().begin(), keys().end(),
                                 [&name](const Key& key) { return key.env() == name; });
    if (it == keys().end())
      return ConfigError{"environment", 0, 0, variable,
                         "names no key; unset it, or take one of config/README.md "
                         "(STAMPEDE_<SECTION>__<KEY>)"};
    auto wrong = take_text(*it, text, Origin::environment, config);
    if (wrong) return ConfigError{"environment", 0, 0, variable, *wrong};
  }
  return std::nullopt;
}

Failure read_flags(const std::vector<std::pair<std::string, std::string>>& flags, Config& config) {
  for (const auto& [name, text] : flags) {
    const auto* key = find_key(name);
    const auto section = name.substr(0, std::min(name.find('.'), name.size()));
    if (!key) return ConfigError{"command line", 0, 0, name, unknown_key_message(section)};
    auto wrong = take_text(*key, text, Origin::flag, config);
    if (wrong) return ConfigError{"command line", 0, 0, name, *wrong};
  }
  return std::nullopt;
}

}  // namespace stampede::config
