#include "tools/bench/http_answer.h"

#include <charconv>

namespace stampede::tools {
namespace {

constexpr std::size_t kHeadMax = 16 * 1024;
constexpr std::size_t kBodyMax = 1 << 20;

bool same_letters(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if ((text[i] | 0x20) != lower[i]) return false;
  return true;
}

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Calls take(name, value) for every header line; the value without blanks around it.
template <class F>
void each_header(std::string_view head, F&& take) {
  for (auto line = head.find("\r\n"); line != std::string_view::npos;) {
    const auto begin = line + 2;
    line = head.find("\r\n", begin);
    const auto text = head.substr(begin, line == std::string_view::npos ? line : line - begin);
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) continue;
    auto value = text.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    take(text.substr(0, colon), value);
  }
}

// Calls take(key, value) for the members of a flat object; a string without its quotes.
template <class F>
void each_member(std::string_view body, F&& take) {
  std::size_t at = 0;
  const auto string = [&] {
    const auto begin = ++at;
    while (at < body.size() && body[at] != '"') at += body[at] == '\\' ? 2 : 1;
    const auto end = std::min(at++, body.size());
    return body.substr(begin, end - begin);
  };
  const auto next = [&](char wanted) {
    at = body.find(wanted, at);
    return at != std::string_view::npos;
  };
  while (next('"')) {
    const auto key = string();
    if (!next(':')) return;
    ++at;
    while (at < body.size() && body[at] == ' ') ++at;
    if (at >= body.size()) return;
    if (body[at] == '"') {
      take(key, string());
      continue;
    }
    const auto begin = at;
    at = std::min(body.find_first_of(",}", at), body.size());
    take(key, body.substr(begin, at - begin));
  }
}

using Kind = ScannedAnswer::Kind;

}  // namespace

HttpAnswerText read_http_answer(std::string_view bytes) {
  HttpAnswerText answer;
  const auto end = bytes.substr(0, kHeadMax).find("\r\n\r\n");
  if (end == std::string_view::npos) {
    answer.broken = bytes.size() >= kHeadMax;
    return answer;
  }
  const auto head = bytes.substr(0, end);
  std::size_t length = kBodyMax + 1;
  each_header(head, [&](std::string_view name, std::string_view value) {
    if (same_letters(name, "content-length")) length = number(value);
    if (same_letters(name, "connection") && same_letters(value, "close")) answer.keep = false;
  });
  if (!head.starts_with("HTTP/1.1 ") || head.size() < 12 || length > kBodyMax) {
    answer.broken = true;
    return answer;
  }
  if (bytes.size() < end + 4 + length) return answer;
  answer.status = static_cast<int>(number(head.substr(9, 3)));
  answer.body = bytes.substr(end + 4, length);
  answer.size = end + 4 + length;
  return answer;
}

ScannedAnswer scan_http_answer(const HttpAnswerText& answer) {
  ScannedAnswer out;
  if (answer.body.empty() && answer.status == 200) out.kind = Kind::queued;
  bool error = false;
  bool again = false;
  each_member(answer.body, [&](std::string_view key, std::string_view value) {
    if (key == "id" || key == "requestId") out.id = value;
    if (key == "state" && value == "confirmed") out.kind = Kind::confirmed;
    if (key == "state" && value == "rejected") out.kind = Kind::rejected;
    if (key == "state" && value == "queued") out.kind = Kind::queued;
    if (key == "itemId") out.kind = Kind::accepted;
    if (key == "success") out.kind = value == "true" ? Kind::confirmed : Kind::rejected;
    if (key == "reason" || key == "errorMessage") out.reason = value;
    if (key == "order_id") out.order_id = number(value);
    if (key == "code") error = true, out.code = value;
    if (key == "retry") again = value == "true";
    if (key == "edge") out.edge = value == "true";
    if (key == "retry_after_ms") out.retry_after_ms = static_cast<std::uint32_t>(number(value));
  });
  if (error && out.kind != Kind::rejected) out.kind = Kind::error;
  out.retry = answer.status >= 500;
  const bool undecided = out.kind == Kind::error && again && out.code == "sold_out";
  if (undecided) out.kind = Kind::rejected, out.reason = out.edge ? kEdgeReason : kForNowReason;
  return out;
}

}  // namespace stampede::tools
