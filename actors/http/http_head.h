#pragma once

// Checks of a request's head that a lenient parser would let pass, and that request smuggling lives
// from. Pure; the head is everything up to and including the empty line.

#include <string_view>

namespace stampede::actors {

enum class HeadFault { none, malformed, no_host };

// Refused: a bare CR or LF, NUL, a folded header line, blanks before a header's colon,
// Content-Length beside Transfer-Encoding, either of them or Host twice, a length that is not
// digits alone, a coding that is not `chunked` alone or of HTTP/1.0 (RFC 9112 6.1, 6.3: whoever
// reads them otherwise finds another end of the body), HTTP/1.1 without Host, a target that is no
// path.
HeadFault check_head(std::string_view head);

// Calls visit(name, value) for each header line (ended by CRLF) until it returns false.
template <class Visit>
void for_each_header(std::string_view lines, Visit&& visit) {
  while (!lines.empty()) {
    const auto end = lines.find("\r\n");
    const auto line = lines.substr(0, end);
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 2);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    auto value = line.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t'))
      value.remove_prefix(1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
    if (!visit(line.substr(0, colon), value)) return;
  }
}

bool same_name(std::string_view left, std::string_view right);  // ASCII, any case

}  // namespace stampede::actors
