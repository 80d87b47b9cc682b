#include "storage/line_form/flat_json.h"

#include <charconv>
#include <utility>

namespace stampede::storage {

namespace {

constexpr std::size_t kHexDigits = 16;
constexpr std::string_view kHex = "0123456789abcdef";

bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}

// Length of the UTF-8 sequence at the start of `text`, 0 when it is none.
std::size_t utf8_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xc2 ? 0
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                             : lead < 0xf5 ? 4
                                           : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(text[i])) return 0;
  }
  const auto second = length > 1 ? static_cast<unsigned char>(text[1]) : 0;
  const bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
  const bool outside = (lead == 0xed && second > 0x9f) || (lead == 0xf4 && second > 0x8f);
  return overlong || outside ? 0 : length;
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | (code >> 6));
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3f));
    put(0x80 | ((code >> 6) & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

// One more slash would make a separator of it.
bool ends_before_slash(std::string_view text) {
  return text.ends_with("/DELIMITER") || text.ends_with("/EOL");
}

void append_escape(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  const auto byte = static_cast<unsigned char>(c);
  out += "\\u00";
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

// One pass over the text; the first error is kept and ends everything.
class Parser {
 public:
  Parser(std::string_view text, std::size_t offset) : text_(text), at_(offset) {}

  Result<FlatObject> object() {
    FlatObject object;
    if (!expect('{', "expected { to begin the command's arguments")) return *error_;
    if (peek() == '}') {
      ++at_;
      return object;
    }
    while (!error_) {
      member(object);
      if (error_) break;
      if (peek() == ',') {
        ++at_;
        continue;
      }
      if (expect('}', "expected , or } behind a member")) return object;
    }
    return *error_;
  }
  [[nodiscard]] std::size_t offset() const { return at_; }

 private:
  void member(FlatObject& object) {
    JsonMember member;
    skip_space();
    member.at = at_;
    member.name = quoted();
    if (error_ || !expect(':', "expected : behind a member's name")) return;
    if (object.find(member.name) != nullptr) {
      fail(member.at, "the member \"" + member.name + "\" comes twice");
      return;
    }
    member.value = value();
    if (!error_) object.members.push_back(std::move(member));
  }

  JsonValue value() {
    const char c = peek();
    if (c == '"') return {JsonValue::Type::text, 0, quoted()};
    if (c == '-' || (c >= '0' && c <= '9')) return number();
    if (word("null")) return {};
    if (word("true")) return {JsonValue::Type::boolean, 1, {}};
    if (word("false")) return {JsonValue::Type::boolean, 0, {}};
    fail(at_, "expected a text in quotes, an integer, true, false or null");
    return {};
  }

  JsonValue number() {
    const std::size_t start = at_;
    const bool negative = text_[at_] == '-';
    const std::size_t digits = at_ + (negative ? 1 : 0);
    std::uint64_t magnitude = 0;
    const char* last = text_.data() + text_.size();
    const auto [end, error] = std::from_chars(text_.data() + digits, last, magnitude);
    const bool fraction = end != last && (*end == '.' || *end == 'e' || *end == 'E');
    constexpr std::uint64_t lowest = std::uint64_t{1} << 63;
    if (error != std::errc{} || fraction || (negative && magnitude > lowest)) {
      fail(start, "expected an integer of at most 64 bits");
      return {};
    }
    at_ = static_cast<std::size_t>(end - text_.data());
    if (!negative || magnitude == 0) return {JsonValue::Type::unsigned_int, magnitude, {}};
    return {JsonValue::Type::negative_int, ~magnitude + 1, {}};
  }

  std::string quoted() {
    std::string out;
    if (!expect('"', "expected a name or text in quotes")) return out;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return out;
      if (static_cast<unsigned char>(c) < 0x20) {
        fail(at_ - 1, "a control character stands in a text; write it as \\u00XX");
        return out;
      }
      if (c != '\\') {
        out += c;
      } else if (!escape(out)) {
        return out;
      }
    }
    fail(at_, "the text has no closing quote");
    return out;
  }

  bool escape(std::string& out) {
    constexpr std::string_view from = "\"\\/bfnrt";
    constexpr std::string_view to = "\"\\/\b\f\n\r\t";
    const std::size_t start = at_ - 1;
    const char c = at_ < text_.size() ? text_[at_++] : '\0';
    if (const auto i = from.find(c); c != '\0' && i != std::string_view::npos) {
      out += to[i];
      return true;
    }
    std::optional<std::uint32_t> code;
    if (c == 'u') code = four_digits();
    if (code && *code >= 0xd800 && *code < 0xdc00) code = low_surrogate(*code);
    if (!code || (*code >= 0xd800 && *code < 0xe000)) {
      fail(start, "an escape that JSON does not know");
      return false;
    }
    append_utf8(out, *code);
    return true;
  }

  std::optional<std::uint32_t> four_digits() {
    std::uint32_t code = 0;
    const std::string_view digits = text_.substr(at_, 4);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (error != std::errc{} || digits.size() != 4 || end != digits.data() + 4) {
      return std::nullopt;
    }
    at_ += 4;
    return code;
  }

  std::optional<std::uint32_t> low_surrogate(std::uint32_t high) {
    if (text_.substr(at_, 2) != "\\u") return std::nullopt;
    at_ += 2;
    const auto low = four_digits();
    if (!low || *low < 0xdc00 || *low >= 0xe000) return std::nullopt;
    return 0x10000 + ((high - 0xd800) << 10) + (*low - 0xdc00);
  }

  bool word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return false;
    at_ += expected.size();
    return true;
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  char peek() {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool expect(char c, std::string_view message) {
    if (peek() != c) {
      fail(at_, message);
      return false;
    }
    ++at_;
    return true;
  }
  void fail(std::size_t at, std::string_view message) {
    if (!error_) error_ = at_column(at, message);
  }

  std::string_view text_;
  std::size_t at_;
  std::optional<Error> error_;
};

}  // namespace

const JsonMember* FlatObject::find(std::string_view name) const {
  for (const JsonMember& member : members) {
    if (member.name == name) return &member;
  }
  return nullptr;
}

Result<FlatObject> parse_flat_object(std::string_view text, std::size_t& offset) {
  Parser parser(text, offset);
  Result<FlatObject> object = parser.object();
  if (object) offset = parser.offset();
  return object;
}

Error at_column(std::size_t offset, std::string_view message) {
  return {Errc::invalid, "column " + std::to_string(offset + 1) + ": " + std::string(message)};
}

void append_json_text(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const char c = text[0];
    std::size_t length = utf8_length(text);
    if (length == 0) {
      out += "\\ufffd";
      length = 1;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\' || c == 0x7f) {
      append_escape(out, c);
    } else {
      if (c == '/' && ends_before_slash(out)) out += '\\';
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  out += '"';
}

void JsonObjectWriter::name(std::string_view name) {
  if (!std::exchange(first_, false)) out_ += ',';
  append_json_text(out_, name);
  out_ += ':';
}

void JsonObjectWriter::text(std::string_view key, std::string_view value) {
  name(key);
  append_json_text(out_, value);
}

void JsonObjectWriter::number(std::string_view key, std::uint64_t value) {
  name(key);
  out_ += std::to_string(value);
}

void JsonObjectWriter::signed_number(std::string_view key, std::int64_t value) {
  name(key);
  out_ += std::to_string(value);
}

void JsonObjectWriter::null(std::string_view key) {
  name(key);
  out_ += "null";
}

void append_hex(std::string& out, std::uint64_t value) {
  for (int shift = 60; shift >= 0; shift -= 4) out += kHex[(value >> shift) & 15];
}

std::optional<std::uint64_t> parse_hex(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || text.size() != kHexDigits || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace stampede::storage
