#pragma once

// A request's head: what a lenient parser would let pass, and request smuggling lives from, is
// refused; its first line is cut into the parts that are used. Pure; the head is everything up to
// and including the empty line, without empty lines before it.

#include <optional>
#include <string>
#include <string_view>

namespace stampede::actors {

enum class HeadFault { none, malformed, no_host, version };

// Refused as malformed: a bare CR or LF, NUL, a folded header line, blanks before a header's colon,
// Content-Length beside Transfer-Encoding, either of them or Host twice, a length that is not
// digits alone, a coding that is not `chunked` alone or of HTTP/1.0 (RFC 9112 6.1, 6.3: whoever
// reads them otherwise finds another end of the body), a first line that is not method, target and
// version, a target of no form that its method may have, a Host that is no host.
// no_host: of HTTP/1.1 and none. version: of another major version than 1.
HeadFault check_head(std::string_view head);

struct RequestLine {
  std::string_view method, target;
  int minor = 0;  // of version 1
};
std::optional<RequestLine> cut_request_line(std::string_view line);  // as check_head takes it

// The four forms of RFC 9112 3.2. An absolute-form's authority stands for the header Host.
struct Target {
  std::string_view authority;  // empty: the target has none
  std::string_view path;       // "/…", or "*" (OPTIONS); empty: CONNECT
  std::string_view query;      // behind '?'
};
std::optional<Target> cut_target(std::string_view method, std::string_view target);

// `path` with percent-encodings of letters, digits and -._~ replaced: both mean the same (RFC 3986
// 6.2.2.2). Nothing when an encoding is broken.
std::optional<std::string> normal_path(std::string_view path);

bool is_authority(std::string_view text);  // host [":" port]; the host may be empty

bool same_name(std::string_view left, std::string_view right);  // ASCII, any case
int hex_value(char c);                                          // -1: no hexadecimal digit
int percent_byte(std::string_view text, std::size_t at);        // of "%41" there; -1: none

inline std::string_view without_blanks(std::string_view text) {  // around it
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Calls visit(name, value) for each header line (ended by CRLF) until it returns false.
template <class Visit>
void for_each_header(std::string_view lines, Visit&& visit) {
  while (!lines.empty()) {
    const auto end = lines.find("\r\n");
    const auto line = lines.substr(0, end);
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 2);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    if (!visit(line.substr(0, colon), without_blanks(line.substr(colon + 1)))) return;
  }
}

}  // namespace stampede::actors
