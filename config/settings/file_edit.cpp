#include "config/settings/file_edit.h"

#include <toml++/toml.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "config/settings/sources.h"

namespace stampede::config {

namespace {

// Where lines begin, and the end of the text.
class Lines {
 public:
  explicit Lines(const std::string& text) : text_(text) {
    for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
      begins_.push_back(at);
      if (text.find('\n', at) == std::string::npos) break;
    }
    begins_.push_back(text.size());
  }

  [[nodiscard]] std::size_t count() const { return begins_.size() - 1; }
  [[nodiscard]] std::size_t begin_of(std::size_t line) const { return begins_.at(line); }
  // Without blanks before and behind.
  [[nodiscard]] std::string_view line(std::size_t number) const {
    auto found = std::string_view(text_).substr(begins_.at(number),
                                                begins_.at(number + 1) - begins_.at(number));
    const auto first = found.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return {};
    return found.substr(first, found.find_last_not_of(" \t\r\n") + 1 - first);
  }
  // Of a place that the parser names: lines and columns from 1, columns in characters.
  [[nodiscard]] std::size_t offset(toml::source_position place) const {
    std::size_t at = begins_.at(place.line - 1);
    for (auto left = place.column - 1; left > 0 && at < text_.size(); --left) {
      do ++at;
      while (at < text_.size() && (static_cast<unsigned char>(text_[at]) & 0xC0U) == 0x80U);
    }
    return at;
  }

 private:
  const std::string& text_;
  std::vector<std::size_t> begins_;
};

// "[ net ]  # ports" of section net.
bool is_header_of(std::string_view line, const std::string& section) {
  if (!line.starts_with('[') || line.starts_with("[[")) return false;
  const auto end = line.find(']');
  if (end == std::string_view::npos) return false;
  auto name = std::string(line.substr(1, end - 1));
  std::erase_if(name, [](char c) { return c == ' ' || c == '\t'; });
  return name == section;
}

const toml::node* find(const toml::table& root, const Key& key) {
  const auto section = key.section();
  if (section.empty()) return root.get(key.name);
  const auto* table = root.get_as<toml::table>(section);
  return table == nullptr ? nullptr : table->get(key.name.substr(section.size() + 1));
}

// The line behind the last key of the section, which begins at `header`.
std::size_t line_behind(const toml::table& section, std::size_t header) {
  std::size_t last = header + 1;
  for (const auto& [name, node] : section)
    last = std::max<std::size_t>(last, node.source().end.line);
  return last;
}

std::string put_in(const std::string& text, std::size_t at, std::string line) {
  if (at > 0 && text[at - 1] != '\n') line.insert(0, "\n");
  return text.substr(0, at) + line + text.substr(at);
}

std::string added_to_section(const std::string& text, const toml::table& root, const Key& key,
                             const std::string& value) {
  const auto section = key.section();
  const auto line = key.name.substr(section.size() + 1) + " = " + value + "\n";
  const Lines lines(text);
  for (std::size_t i = 0; i < lines.count(); ++i) {
    if (!is_header_of(lines.line(i), section)) continue;
    const auto behind = line_behind(*root.get_as<toml::table>(section), i);
    return put_in(text, lines.begin_of(std::min(behind, lines.count())), line);
  }
  const std::string gap = text.empty() ? "" : text.back() == '\n' ? "\n" : "\n\n";
  return text + gap + "[" + section + "]\n" + line;
}

// Before the first section, and before the comment that belongs to it.
std::string added_on_top(const std::string& text, const Key& key, const std::string& value) {
  const Lines lines(text);
  std::size_t at = 0;
  while (at < lines.count() && !lines.line(at).starts_with('[')) ++at;
  if (at < lines.count()) {
    while (at > 0 && lines.line(at - 1).starts_with('#')) --at;
  }
  return put_in(text, lines.begin_of(at), key.name + " = " + value + "\n");
}

std::string edited(const std::string& text, const toml::table& root, const Key& key,
                   const std::string& value) {
  const auto* node = find(root, key);
  if (node == nullptr)
    return key.section().empty() ? added_on_top(text, key, value)
                                 : added_to_section(text, root, key, value);
  const Lines lines(text);
  const auto begin = lines.offset(node->source().begin);
  const auto end = lines.offset(node->source().end);
  return text.substr(0, begin) + value + text.substr(end);
}

}  // namespace

std::string in_toml(const Value& value) {
  std::ostringstream text;
  if (const auto* flag = std::get_if<bool>(&value)) text << toml::value<bool>(*flag);
  if (const auto* number = std::get_if<std::int64_t>(&value))
    text << toml::value<std::int64_t>(*number);
  if (const auto* words = std::get_if<std::string>(&value)) {
    using Flags = toml::format_flags;
    const auto plain = toml::toml_formatter::default_flags &
                       ~(Flags::allow_literal_strings | Flags::allow_multi_line_strings);
    const toml::value<std::string> node(*words);
    text << toml::toml_formatter(node, plain);
  }
  return text.str();
}

EditedText with_value(const std::string& text, const Key& key, const Value& value) {
  Config before;
  if (const auto failure = read_file_text("the file", text, before))
    return {{}, describe(*failure)};
  EditedText made{edited(text, toml::parse(text), key, in_toml(value)), {}};
  Config after;
  const bool reads = !read_file_text("the file", made.text, after);
  before.given[key.name] = {value, Origin::file};
  if (reads && before.given == after.given) return made;
  return {{},
          "the file is written in a way that only you can change: put " + key.name + " = " +
              in_toml(value) + " there yourself"};
}

}  // namespace stampede::config
