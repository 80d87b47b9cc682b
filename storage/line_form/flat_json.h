#pragma once

// JSON as far as the log's line form needs it: one object whose members are texts, integers, true,
// false or null. Pure functions; any thread.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/result.h"

namespace stampede::storage {

struct JsonValue {
  enum class Type : std::uint8_t { null = 1, boolean, unsigned_int, negative_int, text };
  Type type = Type::null;
  std::uint64_t number = 0;  // boolean 0/1; negative_int as two's complement
  std::string text;
};

struct JsonMember {
  std::string name;
  JsonValue value;
  std::size_t at = 0;  // offset of the name in the parsed text
};

struct FlatObject {
  std::vector<JsonMember> members;  // in the order of the text
  [[nodiscard]] const JsonMember* find(std::string_view name) const;
};

// Parses one object that starts at text[offset]; offset is then behind it. Errc::invalid with a
// message that starts with "column N: " (from 1, in bytes); a name that comes twice is an error.
Result<FlatObject> parse_flat_object(std::string_view text, std::size_t& offset);

Error at_column(std::size_t offset, std::string_view message);

// Appends "text" with quotes. Bytes that are no UTF-8 become U+FFFD. The line form's separators
// (/DELIMITER/, /EOL/) inside a text get their last slash escaped, so that a reader may split a
// line at them without knowing JSON.
void append_json_text(std::string& out, std::string_view text);

// Writes one object, member by member.
class JsonObjectWriter {
 public:
  explicit JsonObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
  void text(std::string_view name, std::string_view value);
  void number(std::string_view name, std::uint64_t value);
  void signed_number(std::string_view name, std::int64_t value);
  void null(std::string_view name);
  void name(std::string_view name);  // the caller appends the value
  void end() { out_ += '}'; }

 private:
  std::string& out_;
  bool first_ = true;
};

// 16 lower case hex digits.
void append_hex(std::string& out, std::uint64_t value);
std::optional<std::uint64_t> parse_hex(std::string_view text);  // exactly 16 digits

}  // namespace stampede::storage
