#include "actors/http/http_head.h"

#include <algorithm>

namespace stampede::actors {

namespace {

constexpr std::string_view kDigits = "0123456789";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool is_alnum(char c) {
  return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z');
}

bool is_unreserved(char c) {
  return is_alnum(c) || std::string_view("-._~").find(c) != std::string_view::npos;
}

bool all_digits(std::string_view text) {
  return text.find_first_not_of(kDigits) == std::string_view::npos;
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
  bool odd_host = false;      // no host
};

Seen look_at(std::string_view lines) {
  Seen seen;
  for_each_header(lines, [&](std::string_view name, std::string_view value) {
    if (same_name(name, "content-length")) {
      ++seen.length;
      seen.odd_length |= value.empty() || !all_digits(value);
    }
    if (same_name(name, "transfer-encoding")) {
      ++seen.transfer;
      seen.odd_transfer |= !same_name(value, "chunked");
    }
    if (same_name(name, "host")) {
      ++seen.host;
      seen.odd_host |= !is_authority(value);
    }
    seen.blank_before_colon |= !name.empty() && (name.back() == ' ' || name.back() == '\t');
    return true;
  });
  return seen;
}

// Visible ASCII; a fragment is never sent.
bool is_target(std::string_view target) {
  return !target.empty() && std::all_of(target.begin(), target.end(),
                                        [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
}

bool is_bracketed_address(std::string_view host) {
  return host.size() > 2 && host.back() == ']' &&
         std::all_of(host.begin() + 1, host.end() - 1,
                     [](char c) { return hex_value(c) >= 0 || c == ':' || c == '.'; });
}

bool is_registered_name(std::string_view host) {
  for (std::size_t i = 0; i < host.size(); ++i) {
    if (is_unreserved(host[i]) ||
        std::string_view("!$&'()*+;=").find(host[i]) != std::string_view::npos)
      continue;
    if (percent_byte(host, i) < 0) return false;
    i += 2;
  }
  return true;
}

// Behind "http://": authority, path and query.
std::optional<Target> cut_absolute(std::string_view rest) {
  Target target;
  target.authority = rest.substr(0, rest.find_first_of("/?"));
  rest.remove_prefix(target.authority.size());
  const auto mark = rest.find('?');
  target.path = rest.substr(0, mark);
  if (target.path.empty()) target.path = "/";
  if (mark != std::string_view::npos) target.query = rest.substr(mark + 1);
  if (target.authority.empty() || target.authority.front() == ':' ||
      !is_authority(target.authority))
    return std::nullopt;
  return target;
}

}  // namespace

bool same_name(std::string_view left, std::string_view right) {
  return left.size() == right.size() &&
         std::equal(left.begin(), left.end(), right.begin(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

int percent_byte(std::string_view text, std::size_t at) {
  if (at + 2 >= text.size() || text[at] != '%') return -1;
  const int high = hex_value(text[at + 1]);
  const int low = hex_value(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool is_authority(std::string_view text) {
  const bool brackets = text.starts_with('[');
  const auto colon = text.find(':', brackets ? std::min(text.find(']'), text.size()) : 0);
  const auto host = text.substr(0, colon);
  if (colon != std::string_view::npos && !all_digits(text.substr(colon + 1))) return false;
  return brackets ? is_bracketed_address(host) : is_registered_name(host);
}

std::optional<RequestLine> cut_request_line(std::string_view line) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == 0 || first == std::string_view::npos || first == last) return std::nullopt;
  const auto version = line.substr(last + 1);
  if (version.size() != 8 || !version.starts_with("HTTP/") || version[6] != '.' ||
      !all_digits(version.substr(5, 1)) || !all_digits(version.substr(7)))
    return std::nullopt;
  RequestLine cut{line.substr(0, first), line.substr(first + 1, last - first - 1), -1};
  if (!is_target(cut.target)) return std::nullopt;
  if (version[5] == '1') cut.minor = version[7] - '0';
  return cut;
}

std::optional<Target> cut_target(std::string_view method, std::string_view target) {
  Target cut;
  if (method == "CONNECT") {
    cut.authority = target;
    const auto colon = target.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || !is_authority(target)) return std::nullopt;
    return cut;
  }
  if (target == "*" && method == "OPTIONS") {
    cut.path = target;
    return cut;
  }
  if (target.starts_with('/')) {
    const auto mark = target.find('?');
    cut.path = target.substr(0, mark);
    if (mark != std::string_view::npos) cut.query = target.substr(mark + 1);
    return cut;
  }
  for (const std::string_view scheme : {"http://", "https://"})
    if (same_name(target.substr(0, scheme.size()), scheme))
      return cut_absolute(target.substr(scheme.size()));
  return std::nullopt;
}

std::optional<std::string> normal_path(std::string_view path) {
  if (path.find('%') == std::string_view::npos) return std::string(path);
  std::string normal;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '%') {
      normal.push_back(path[i]);
      continue;
    }
    const int byte = percent_byte(path, i);
    if (byte < 0) return std::nullopt;
    const auto meant = static_cast<char>(byte);
    if (is_unreserved(meant))
      normal.push_back(meant);
    else
      normal.append(path.substr(i, 3));
    i += 2;
  }
  return normal;
}

HeadFault check_head(std::string_view head) {
  if (!clean_lines(head)) return HeadFault::malformed;
  const auto line_end = head.find("\r\n");
  const auto line = cut_request_line(head.substr(0, line_end));
  if (!line) return HeadFault::malformed;
  if (line->minor < 0) return HeadFault::version;
  if (!cut_target(line->method, line->target)) return HeadFault::malformed;
  const auto seen = look_at(head.substr(line_end + 2));
  if (seen.blank_before_colon || seen.odd_length || seen.odd_transfer || seen.odd_host ||
      seen.length + seen.transfer > 1 || seen.host > 1)
    return HeadFault::malformed;
  // RFC 9112 6.1: an older client, or a proxy that passed it on, cannot have meant it.
  if (seen.transfer > 0 && line->minor == 0) return HeadFault::malformed;
  return seen.host == 0 && line->minor > 0 ? HeadFault::no_host : HeadFault::none;
}

}  // namespace stampede::actors
