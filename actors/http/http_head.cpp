#include "actors/http/http_head.h"

#include <algorithm>

namespace stampede::actors {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

// CR only before LF, LF only after CR, no NUL, and no line that begins with a blank.
bool clean_lines(std::string_view head) {
  for (std::size_t i = 0; i < head.size(); ++i) {
    const char c = head[i];
    if (c == '\0') return false;
    if (c == '\n' && (i == 0 || head[i - 1] != '\r')) return false;
    if (c == '\r' && (i + 1 == head.size() || head[i + 1] != '\n')) return false;
    if (c == '\n' && i + 1 < head.size() && (head[i + 1] == ' ' || head[i + 1] == '\t'))
      return false;
  }
  return true;
}

struct Seen {
  int length = 0, transfer = 0, host = 0;
  bool blank_before_colon = false;
  bool odd_length = false;    // not digits alone
  bool odd_transfer = false;  // not chunked alone
};

Seen look_at(std::string_view lines) {
  Seen seen;
  for_each_header(lines, [&](std::string_view name, std::string_view value) {
    if (same_name(name, "content-length")) {
      ++seen.length;
      seen.odd_length |=
          value.empty() || value.find_first_not_of("0123456789") != std::string_view::npos;
    }
    if (same_name(name, "transfer-encoding")) {
      ++seen.transfer;
      seen.odd_transfer |= !same_name(value, "chunked");
    }
    if (same_name(name, "host")) ++seen.host;
    seen.blank_before_colon |= !name.empty() && (name.back() == ' ' || name.back() == '\t');
    return true;
  });
  return seen;
}

}  // namespace

bool same_name(std::string_view left, std::string_view right) {
  return left.size() == right.size() &&
         std::equal(left.begin(), left.end(), right.begin(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

HeadFault check_head(std::string_view head) {
  if (!clean_lines(head)) return HeadFault::malformed;
  const auto line_end = head.find("\r\n");
  const auto line = head.substr(0, line_end);
  const auto target = line.find(' ');
  if (target == std::string_view::npos || target + 1 >= line.size() || line[target + 1] != '/')
    return HeadFault::malformed;
  const auto seen = look_at(head.substr(line_end + 2));
  if (seen.blank_before_colon || seen.odd_length || seen.odd_transfer ||
      seen.length + seen.transfer > 1 || seen.host > 1)
    return HeadFault::malformed;
  // RFC 9112 6.1: an older client, or a proxy that passed it on, cannot have meant it.
  if (seen.transfer > 0 && !line.ends_with("HTTP/1.1")) return HeadFault::malformed;
  return seen.host == 0 && line.ends_with("HTTP/1.1") ? HeadFault::no_host : HeadFault::none;
}

}  // namespace stampede::actors
