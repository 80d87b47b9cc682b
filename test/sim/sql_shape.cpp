#include "test/sim/sql_shape.h"

#include <array>
#include <charconv>

namespace stampede::sim {

void refuse_sql(const std::string& what) {
  throw SqlFault{1064, "the simulated database does not understand: " + what};
}

namespace {

constexpr std::string_view kIntroducer = "_utf8mb4 ";  // of a literal
constexpr std::string_view kNull = "NULL";
constexpr std::string_view kUnion = " UNION ALL SELECT ";  // one more row of a table of values

enum class Sort : std::uint8_t { other, word, digit, begin, end };

constexpr auto kSorts = [] {
  std::array<Sort, 256> table{};
  for (unsigned char c = 'a'; c <= 'z'; ++c) table[c] = Sort::word;
  for (unsigned char c = 'A'; c <= 'Z'; ++c) table[c] = Sort::word;
  for (unsigned char c = '0'; c <= '9'; ++c) table[c] = Sort::digit;
  table['_'] = Sort::word;
  table['-'] = table['\''] = Sort::begin;  // of a literal
  table[')'] = Sort::end;
  return table;
}();

class Splitter {
 public:
  Splitter(std::string_view sql, SqlText& text) : sql_(sql), text_(text) {}

  void run() {
    text_.shape.clear();
    text_.literals.clear();
    while (at_ < sql_.size()) step();
    copy();
  }

 private:
  static Sort sort(char c) { return kSorts[static_cast<unsigned char>(c)]; }
  [[nodiscard]] bool ahead(std::string_view wanted) const {
    return at_ < sql_.size() && sql_[at_] == wanted[0] && sql_.substr(at_).starts_with(wanted);
  }

  // Past the next literal, row of a list, or bracket that ends something else.
  void step() {
    while (at_ < sql_.size() && sort(sql_[at_]) <= Sort::word && !ahead(kUnion) && !null()) ++at_;
    if (at_ == sql_.size()) return;
    if (ahead(kUnion)) {
      copy();
      while (ahead(kUnion)) values(kUnion.size());
      copied_ = at_;
    } else if (ahead(")")) {
      bracket();
    } else if (in_name()) {
      ++at_;
    } else {
      if (at_ > copied_ && ahead("'") && sql_[at_ - 1] == 'x') --at_;
      if (sql_.substr(copied_, at_ - copied_).ends_with(kIntroducer)) at_ -= kIntroducer.size();
      copy();
      text_.shape += '?';
      literal();
      copied_ = at_;
    }
  }

  // At a digit that belongs to a name.
  [[nodiscard]] bool in_name() const {
    return at_ > copied_ && sort(sql_[at_]) == Sort::digit && is_word(sort(sql_[at_ - 1]));
  }
  static bool is_word(Sort sort) { return sort == Sort::word || sort == Sort::digit; }

  void bracket() {
    if (ahead("),(")) {
      copy();
      while (ahead("),(")) row();
      copied_ = at_;
    } else {
      at_ = ahead(") ON DUPLICATE") ? sql_.size() : at_ + 1;  // no literals behind that
    }
  }

  // A NULL among values, which is read as 0 and as an empty text.
  [[nodiscard]] bool null() const {
    return ahead(kNull) && at_ > 0 && (sql_[at_ - 1] == ',' || sql_[at_ - 1] == '(');
  }

  // One more row of a list, up to its closing bracket.
  void row() {
    values(3);
    if (!ahead(")")) refuse_sql(std::string(sql_));
  }
  void values(std::size_t behind) {
    at_ += behind;
    for (literal(); at_ < sql_.size() && sql_[at_] == ','; literal()) ++at_;
  }

  void copy() { text_.shape += sql_.substr(copied_, at_ - copied_); }

  void literal() {
    auto& cell = text_.literals.emplace_back();
    if (ahead(kIntroducer)) at_ += kIntroducer.size();
    const char first = at_ < sql_.size() ? sql_[at_] : ' ';
    if (ahead(kNull)) {
      at_ += kNull.size();
    } else if (first == '\'') {
      cell.text = quoted();
    } else if (first == 'x') {
      ++at_;
      hexadecimal(quoted(), cell.text);
    } else {
      const auto* begin = sql_.data() + at_;
      const auto [end, error] = std::from_chars(begin, sql_.data() + sql_.size(), cell.number);
      if (error != std::errc{}) refuse_sql(std::string(sql_));
      at_ += static_cast<std::size_t>(end - begin);
      if (at_ < sql_.size() && is_word(sort(sql_[at_]))) refuse_sql(std::string(sql_));
    }
  }

  std::string_view quoted() {
    const auto end = sql_.find('\'', at_ + 1);
    if (end == std::string_view::npos) refuse_sql(std::string(sql_));
    const auto inside = sql_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return inside;
  }

  static void hexadecimal(std::string_view digits, std::string& bytes) {
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
      unsigned byte = 0;
      std::from_chars(digits.data() + i, digits.data() + i + 2, byte, 16);
      bytes += static_cast<char>(byte);
    }
  }

  std::string_view sql_;
  SqlText& text_;
  std::size_t at_ = 0;
  std::size_t copied_ = 0;  // up to here it is in the shape
};

}  // namespace

void split_sql(std::string_view sql, SqlText& text) {
  Splitter(sql, text).run();
}

}  // namespace stampede::sim
