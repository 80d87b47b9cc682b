#include "storage/line_form/flat_json.h"

#include <charconv>
#include <iterator>
#include <utility>

namespace stampede::storage {

namespace {

constexpr std::size_t kHexDigits = 16;

// Reads a text; all copies stand at one place, which tells how far the library has read.
class SharedPlace {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  explicit SharedPlace(const char*& at) : at_(&at) {}
  reference operator*() const { return **at_; }
  SharedPlace& operator++() {
    ++*at_;
    return *this;
  }
  bool operator==(const SharedPlace& other) const { return *at_ == *other.at_; }
  bool operator!=(const SharedPlace& other) const { return *at_ != *other.at_; }

 private:
  const char** at_;
};

// What the library says, without what it adds for documents of many lines: "[json.exception…] parse
// error at line 1, column 9: syntax error while … - …; last read: '…'".
std::string_view reason_of(std::string_view what) {
  if (const auto tag = what.find("] "); tag != std::string_view::npos) what.remove_prefix(tag + 2);
  if (const auto at = what.find("syntax error"); at != std::string_view::npos)
    what.remove_prefix(at);
  return what.substr(0, what.find("; last read: "));
}

// Takes one flat object; the first fault is kept and ends the parse.
class FlatReader : public nlohmann::json::json_sax_t {
 public:
  FlatReader(std::string_view text, std::size_t offset)
      : text_(text), start_(offset), behind_(offset), at_(text.data() + offset) {}

  Result<FlatObject> object() {
    if (!text_.substr(start_).starts_with('{')) {
      return at_column(start_, "expected { to begin the command's arguments");
    }
    const char* end = text_.data() + text_.size();
    nlohmann::json::sax_parse(SharedPlace(at_), SharedPlace(end), this,
                              nlohmann::json::input_format_t::json, false);
    if (fault_) return *fault_;
    return std::move(object_);
  }
  // How far the library has read: behind the object when there was one, never further.
  [[nodiscard]] std::size_t place() const { return static_cast<std::size_t>(at_ - text_.data()); }

  bool null() override { return take(nullptr); }
  bool boolean(bool value) override { return take(value); }
  bool number_integer(number_integer_t value) override {
    if (value >= 0) return take(static_cast<number_unsigned_t>(value));  // -0
    return take(value);
  }
  bool number_unsigned(number_unsigned_t value) override { return take(value); }
  bool number_float(number_float_t, const string_t&) override {
    return fault(value_at(), "expected an integer of at most 64 bits");
  }
  bool string(string_t& value) override { return take(std::move(value)); }
  bool binary(binary_t&) override { return nested(); }
  bool start_array(std::size_t) override { return nested(); }
  bool end_array() override { return nested(); }
  bool start_object(std::size_t) override {
    if (std::exchange(inside_, true)) return nested();
    behind_ = place();
    return true;
  }
  bool end_object() override { return true; }
  bool key(string_t& name) override;
  bool parse_error(std::size_t read, const std::string&,
                   const nlohmann::json::exception& error) override {
    return fault(start_ + read - 1, reason_of(error.what()));
  }

 private:
  // Of the value that the library has read. Between it and its name there is a colon.
  [[nodiscard]] std::size_t value_at() const {
    return text_.find_first_not_of(" \t\r\n:", behind_);
  }
  bool nested() {
    return fault(value_at(), "expected a text in quotes, an integer, true, false or null");
  }
  template <class Value>
  bool take(Value&& value) {
    object_.members.back().value = std::forward<Value>(value);
    behind_ = place();
    return true;
  }
  bool fault(std::size_t at, std::string_view message) {
    if (!fault_) fault_ = at_column(at, message);
    return false;
  }

  std::string_view text_;
  std::size_t start_;
  std::size_t behind_;  // the last bracket, name or value; behind a number perhaps by one byte more
  const char* at_;
  bool inside_ = false;
  FlatObject object_;
  std::optional<Error> fault_;
};

bool FlatReader::key(string_t& name) {
  const std::size_t at = text_.find('"', behind_);  // before it only blanks and a comma
  if (object_.find(name) != nullptr) {
    return fault(at, "the member \"" + name + "\" comes twice");
  }
  object_.members.push_back({std::move(name), nullptr, at});
  behind_ = place();
  return true;
}

// Outside of texts JSON has no slash, and inside one an escaped slash means a slash.
void escape_separator(std::string& out, std::size_t from, std::string_view separator) {
  const std::size_t slash = separator.size() - 1;
  for (auto at = out.find(separator, from); at != std::string::npos;
       at = out.find(separator, at + slash)) {
    out.insert(at + slash, 1, '\\');
  }
}

}  // namespace

const JsonMember* FlatObject::find(std::string_view name) const {
  for (const JsonMember& member : members) {
    if (member.name == name) return &member;
  }
  return nullptr;
}

Result<FlatObject> parse_flat_object(std::string_view text, std::size_t& offset) {
  FlatReader reader(text, offset);
  Result<FlatObject> object = reader.object();
  if (object) offset = reader.place();
  return object;
}

Error at_column(std::size_t offset, std::string_view message) {
  return {Errc::invalid, "column " + std::to_string(offset + 1) + ": " + std::string(message)};
}

void append_json(std::string& out, const Json& value) {
  const std::size_t from = out.size();
  out += value.dump(-1, ' ', false, Json::error_handler_t::replace);
  for (const auto separator : {kDelimiter, kEndOfLine}) escape_separator(out, from, separator);
}

std::string hex_text(std::uint64_t value) {
  std::string digits(kHexDigits, '0');
  for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit, value >>= 4) {
    *digit = "0123456789abcdef"[value & 15];
  }
  return digits;
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
