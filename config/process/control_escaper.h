#pragma once

// Texts of others (names, users, what a database server says) reach screens and files of lines.
// Their control characters could write there, or begin a line of their own. Pure; one thread.

#include <cstdint>
#include <string>
#include <string_view>

namespace stampede::config {

// A stream of UTF-8 with its control characters (C0, DEL, C1) written as \u001b, which means the
// same inside a text of JSON. Pieces may be cut anywhere.
class ControlEscaper {
 public:
  enum class Layout : std::uint8_t { kept, escaped };  // line feeds and tabs

  explicit ControlEscaper(Layout layout = Layout::kept) : layout_(layout) {}

  // The piece as it may be shown; its last byte may be held back until the next one.
  std::string escape(std::string_view piece);
  std::string rest();  // what was held back

 private:
  [[nodiscard]] bool needs_a_look(char c) const;

  Layout layout_;
  bool c2_ = false;  // the first byte of a C1, or of what follows U+00A0, was held back
};

}  // namespace stampede::config
