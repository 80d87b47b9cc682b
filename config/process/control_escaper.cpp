#include "config/process/control_escaper.h"

#include <algorithm>
#include <utility>

namespace stampede::config {

namespace {

constexpr unsigned char kC2 = 0xC2;  // begins U+0080 to U+00BF

void append_escape(std::string& out, unsigned code) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out += "\\u00";
  out += kDigits[code >> 4];
  out += kDigits[code & 15];
}

}  // namespace

bool ControlEscaper::needs_a_look(char c) const {
  const auto byte = static_cast<unsigned char>(c);
  if (c == '\n' || c == '\t') return layout_ == Layout::escaped;
  return byte < 0x20 || byte == 0x7F || byte == kC2;
}

std::string ControlEscaper::escape(std::string_view piece) {
  std::string out;
  out.reserve(piece.size() + 8);
  while (!piece.empty()) {
    const auto first = static_cast<unsigned char>(piece[0]);
    if (std::exchange(c2_, false)) {
      const bool control = first >= 0x80 && first < 0xA0;
      if (control) {
        append_escape(out, first);
        piece.remove_prefix(1);
        continue;
      }
      out += static_cast<char>(kC2);
    }
    const auto plain =
        std::find_if(piece.begin(), piece.end(), [this](char c) { return needs_a_look(c); });
    out.append(piece.begin(), plain);
    piece.remove_prefix(static_cast<std::size_t>(plain - piece.begin()));
    if (piece.empty()) break;
    const auto found = static_cast<unsigned char>(piece[0]);
    piece.remove_prefix(1);
    c2_ = found == kC2;
    if (!c2_) append_escape(out, found);
  }
  return out;
}

std::string ControlEscaper::rest() {
  return std::exchange(c2_, false) ? std::string(1, static_cast<char>(kC2)) : std::string();
}

}  // namespace stampede::config
