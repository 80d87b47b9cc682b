#include "actors/webapp/http/http_form.h"

#include <charconv>
#include <cstdint>

#include "actors/http/http_head.h"

namespace stampede::actors {

namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i] == '+' ? ' ' : text[i]);
      continue;
    }
    const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

std::string_view parameter(std::string_view header, std::string_view name) {
  const std::string key = std::string(name) + "=";
  const auto at = header.find(key);
  if (at == std::string_view::npos) return {};
  auto value = header.substr(at + key.size());
  if (value.starts_with('"')) {
    const auto end = value.find('"', 1);
    return end == std::string_view::npos ? std::string_view{} : value.substr(1, end - 1);
  }
  return value.substr(0, value.find(';'));
}

bool part_is(std::string_view lines, std::string_view name) {
  bool found = false;
  for_each_header(lines, [&](std::string_view key, std::string_view value) {
    found |= same_name(key, "content-disposition") && parameter(value, "; name") == name;
    return true;
  });
  return found;
}

std::optional<std::string> part_value(std::string_view body, std::string_view boundary,
                                      std::string_view name) {
  const std::string mark = "--" + std::string(boundary);
  for (auto at = body.find(mark); at != std::string_view::npos;) {
    const auto begin = at + mark.size();
    const auto next = body.find("\r\n" + mark, begin);
    const auto part = body.substr(begin, next == std::string_view::npos ? next : next - begin);
    const auto blank = part.find("\r\n\r\n");
    if (next != std::string_view::npos && blank != std::string_view::npos && blank >= 2 &&
        part_is(part.substr(2, blank), name))
      return std::string(part.substr(blank + 4));
    at = next == std::string_view::npos ? next : next + 2;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
  std::optional<std::string> found;
  while (!query.empty()) {
    const auto end = query.find('&');
    const auto pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    const auto equals = pair.find('=');
    if (pair.substr(0, equals) != name) continue;
    if (found || equals == std::string_view::npos) return std::nullopt;
    found = decoded(pair.substr(equals + 1));
    if (!found) return std::nullopt;
  }
  return found;
}

std::optional<std::string> form_value(std::string_view content_type, std::string_view body,
                                      std::string_view name) {
  if (!content_type.starts_with("multipart/form-data")) return query_value(body, name);
  const auto boundary = parameter(content_type, "boundary");
  if (boundary.empty() || boundary.size() > 70) return std::nullopt;
  return part_value(body, boundary, name);
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value >> 63 != 0)
    return std::nullopt;
  return value;
}

}  // namespace stampede::actors
