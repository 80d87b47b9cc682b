#pragma once

// JSON as the log's line form has it, read and written by nlohmann::json: one object whose members
// are texts, integers, true, false or null. Pure functions; any thread.

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/result.h"

namespace stampede::storage {

inline constexpr std::string_view kDelimiter = "/DELIMITER/";  // between the commands of a line
inline constexpr std::string_view kEndOfLine = "/EOL/";

using Json = nlohmann::ordered_json;  // members stay in the order in which they were put

struct JsonMember {
  std::string name;
  nlohmann::json value;  // a text, an integer of at most 64 bits (unsigned from 0 on), …
  std::size_t at = 0;    // offset of the name in the parsed text
};

struct FlatObject {
  std::vector<JsonMember> members;  // in the order of the text
  [[nodiscard]] const JsonMember* find(std::string_view name) const;
};

// Parses one object that starts at text[offset]; offset is then behind it. Errc::invalid with a
// message that starts with "column N: " (from 1, in bytes); a name that comes twice is an error.
Result<FlatObject> parse_flat_object(std::string_view text, std::size_t& offset);

Error at_column(std::size_t offset, std::string_view message);

// Appends `value` without line feeds. Bytes that are no UTF-8 become U+FFFD. The line form's
// separators inside a text get their last slash escaped, so that a reader may split a line at them
// without knowing JSON.
void append_json(std::string& out, const Json& value);

std::string hex_text(std::uint64_t value);                      // 16 digits, the letters small
std::optional<std::uint64_t> parse_hex(std::string_view text);  // exactly 16 digits

}  // namespace stampede::storage
