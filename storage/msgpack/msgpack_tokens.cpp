#include "storage/msgpack/msgpack_tokens.h"

#include <algorithm>
#include <array>
#include <msgpack.hpp>  // parse.hpp alone does not compile

namespace stampede::storage {

namespace {

constexpr std::size_t kDepthCeiling = 16;  // no format of ours nests deeper
constexpr std::size_t kFirstReserve = 64;

// Collects tokens; a false return ends the parse with outcome() saying why.
class TokenVisitor : public msgpack::null_visitor {
 public:
  TokenVisitor(const TokenLimits& limits, std::vector<Token>& tokens)
      : tokens_(tokens),
        tokens_max_(limits.tokens_max),
        depth_max_(std::min(limits.depth_max, kDepthCeiling)) {}

  [[nodiscard]] ParseOutcome outcome() const { return outcome_; }

  bool visit_nil() { return scalar(Token::Type::nil, 0); }
  bool visit_boolean(bool value) { return scalar(Token::Type::boolean, value ? 1 : 0); }
  bool visit_positive_integer(std::uint64_t value) {
    return scalar(Token::Type::unsigned_int, value);
  }
  // The library calls this for every int8 … int64, whatever the sign of the value.
  bool visit_negative_integer(std::int64_t value) {
    return scalar(value < 0 ? Token::Type::negative_int : Token::Type::unsigned_int,
                  static_cast<std::uint64_t>(value));
  }
  bool visit_float32(float) { return refuse(ParseOutcome::unsupported_type); }
  bool visit_float64(double) { return refuse(ParseOutcome::unsupported_type); }
  bool visit_ext(const char*, std::uint32_t) { return refuse(ParseOutcome::unsupported_type); }
  bool visit_str(const char* text, std::uint32_t size) {
    return bytes(Token::Type::str, text, size);
  }
  bool visit_bin(const char* text, std::uint32_t size) {
    return bytes(Token::Type::bin, text, size);
  }
  bool start_array(std::uint32_t elements) { return open(Token::Type::array, elements, elements); }
  bool start_map(std::uint32_t pairs) {
    return open(Token::Type::map, pairs, std::uint64_t{2} * pairs);
  }
  bool end_array() { return close(); }
  bool end_map() { return close(); }

  void parse_error(std::size_t, std::size_t) { outcome_ = ParseOutcome::malformed; }
  void insufficient_bytes(std::size_t, std::size_t) { outcome_ = ParseOutcome::truncated; }

 private:
  bool refuse(ParseOutcome why) {
    outcome_ = why;
    return false;
  }

  bool add(const Token& token) {
    if (tokens_.size() >= tokens_max_) return refuse(ParseOutcome::too_many);
    tokens_.push_back(token);
    return true;
  }

  [[nodiscard]] std::uint32_t next_end() const {
    return static_cast<std::uint32_t>(tokens_.size() + 1);
  }

  bool scalar(Token::Type type, std::uint64_t number) {
    return add(Token{type, 0, next_end(), number, {}});
  }

  bool bytes(Token::Type type, const char* text, std::uint32_t size) {
    const std::string_view view = size == 0 ? std::string_view{} : std::string_view{text, size};
    return add(Token{type, size, next_end(), 0, view});
  }

  // Refuses at once what cannot fit: a declared count alone never makes us wait or allocate.
  bool open(Token::Type type, std::uint32_t size, std::uint64_t values) {
    if (depth_ == depth_max_) return refuse(ParseOutcome::too_deep);
    if (tokens_.size() >= tokens_max_ || values > tokens_max_ - tokens_.size() - 1) {
      return refuse(ParseOutcome::too_many);
    }
    open_[depth_++] = static_cast<std::uint32_t>(tokens_.size());
    tokens_.push_back(Token{type, size, next_end(), 0, {}});
    return true;
  }

  bool close() {
    tokens_[open_[--depth_]].end = static_cast<std::uint32_t>(tokens_.size());
    return true;
  }

  std::vector<Token>& tokens_;
  std::size_t tokens_max_;
  std::size_t depth_max_;
  std::size_t depth_ = 0;
  std::array<std::uint32_t, kDepthCeiling> open_;  // indices of the containers being filled
  ParseOutcome outcome_ = ParseOutcome::ok;
};

}  // namespace

ParseOutcome TokenReader::parse(std::string_view bytes, std::size_t& offset) {
  tokens_.clear();
  if (tokens_.capacity() == 0) tokens_.reserve(std::min(limits_.tokens_max, kFirstReserve));
  if (offset >= bytes.size()) return ParseOutcome::truncated;
  TokenVisitor visitor(limits_, tokens_);
  std::size_t end = offset;
  const bool complete = msgpack::parse(bytes.data(), bytes.size(), end, visitor);
  if (complete) {
    offset = end;
    return ParseOutcome::ok;
  }
  tokens_.clear();
  return visitor.outcome();
}

}  // namespace stampede::storage
