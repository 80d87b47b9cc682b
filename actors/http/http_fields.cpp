#include "actors/http/http_fields.h"

#include <algorithm>
#include <charconv>

#include "actors/http/http_head.h"

namespace stampede::actors {

namespace {

bool is_token_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string made(text);
  for (auto& c : made)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return made;
}

// Reads from the front of a text.
class FieldReader {
 public:
  explicit FieldReader(std::string_view text) : text_(text) {}

  void skip_blanks() {
    while (!text_.empty() && (text_.front() == ' ' || text_.front() == '\t'))
      text_.remove_prefix(1);
  }
  [[nodiscard]] bool at_end() const { return text_.empty(); }
  [[nodiscard]] bool is_next(char c) const { return !text_.empty() && text_.front() == c; }
  bool skip(char c) {
    if (!is_next(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  std::string_view token(
      std::string_view more = {}) {  // `more`: other characters that belong to it
    std::size_t size = 0;
    while (size < text_.size() &&
           (is_token_char(text_[size]) || more.find(text_[size]) != std::string_view::npos))
      ++size;
    const auto found = text_.substr(0, size);
    text_.remove_prefix(size);
    return found;
  }
  // A token or a quoted string.
  std::optional<std::string> word() {
    if (!skip('"')) {
      const auto found = token();
      return found.empty() ? std::nullopt : std::optional(std::string(found));
    }
    std::string found;
    while (!text_.empty()) {
      if (skip('"')) return found;
      if (skip('\\') && text_.empty()) break;
      found.push_back(text_.front());
      text_.remove_prefix(1);
    }
    return std::nullopt;
  }

 private:
  std::string_view text_;
};

std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i] == '+' ? ' ' : text[i]);
      continue;
    }
    const int byte = percent_byte(text, i);
    if (byte < 0) return std::nullopt;
    out.push_back(static_cast<char>(byte));
    i += 2;
  }
  return out;
}

// Where the first member of a list ends: at a comma outside quoted strings.
std::size_t member_end(std::string_view list) {
  bool quoted = false;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i] == '"') quoted = !quoted;
    if (quoted && list[i] == '\\')
      ++i;
    else if (!quoted && list[i] == ',')
      return i;
  }
  return list.size();
}

bool read_parameter(FieldReader& reader, FieldParameter& parameter) {
  parameter.name = lower(reader.token("/"));
  if (parameter.name.empty()) return false;
  reader.skip_blanks();
  if (!reader.skip('=')) return true;
  reader.skip_blanks();
  auto value = reader.word();
  if (!value) return false;
  parameter.value = std::move(*value);
  reader.skip_blanks();
  return true;
}

}  // namespace

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

std::vector<std::string_view> list_members(std::string_view head, std::string_view name) {
  std::vector<std::string_view> members;
  for_each_header(head, [&](std::string_view key, std::string_view value) {
    while (same_name(key, name) && !value.empty()) {
      const auto end = member_end(value);
      if (const auto member = without_blanks(value.substr(0, end)); !member.empty())
        members.push_back(member);
      value.remove_prefix(std::min(end + 1, value.size()));
    }
    return true;
  });
  return members;
}

bool list_has(std::string_view head, std::string_view name, std::string_view token) {
  const auto members = list_members(head, name);
  return std::any_of(members.begin(), members.end(),
                     [&](std::string_view member) { return same_name(member, token); });
}

std::optional<std::vector<FieldParameter>> parse_parameters(std::string_view text) {
  FieldReader reader(text);
  std::vector<FieldParameter> all(1);
  reader.skip_blanks();
  if (!read_parameter(reader, all.back())) return std::nullopt;
  while (!reader.at_end()) {
    if (!reader.skip(';')) return std::nullopt;
    reader.skip_blanks();
    if (reader.at_end() || reader.is_next(';')) continue;  // an empty one
    if (!read_parameter(reader, all.emplace_back())) return std::nullopt;
  }
  return all;
}

const std::string* MediaType::parameter(std::string_view wanted) const {
  for (const auto& one : parameters)
    if (one.name == wanted) return &one.value;
  return nullptr;
}

std::optional<MediaType> parse_media_type(std::string_view text) {
  auto all = parse_parameters(text);
  if (!all) return std::nullopt;
  MediaType type;
  type.name = std::move(all->front().name);
  const auto slash = type.name.find('/');
  if (slash == std::string::npos || !all->front().value.empty() ||
      !is_token(std::string_view(type.name).substr(0, slash)) ||
      !is_token(std::string_view(type.name).substr(slash + 1)))
    return std::nullopt;
  all->erase(all->begin());
  type.parameters = std::move(*all);
  return type;
}

std::optional<std::vector<QueryPair>> parse_query(std::string_view text) {
  std::vector<QueryPair> pairs;
  while (!text.empty()) {
    const auto end = std::min(text.find('&'), text.size());
    const auto pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    const auto equals = std::min(pair.find('='), pair.size());
    auto name = decoded(pair.substr(0, equals));
    auto value = decoded(pair.substr(std::min(equals + 1, pair.size())));
    if (!name || !value) return std::nullopt;
    pairs.push_back({std::move(*name), std::move(*value)});
  }
  return pairs;
}

SoleValue sole_value(const std::vector<QueryPair>& pairs, std::string_view name) {
  SoleValue found;
  for (const auto& pair : pairs) {
    if (pair.name != name) continue;
    ++found.times;
    found.value = found.times == 1 ? std::optional(pair.value) : std::nullopt;
  }
  return found;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value >> 63 != 0)
    return std::nullopt;
  return value;
}

}  // namespace stampede::actors
