#include "storage/msgpack_tokens.h"

#include <algorithm>
#include <array>

namespace stampede::storage {

namespace {

constexpr std::size_t kDepthCeiling = 16;  // no format of ours nests deeper
constexpr std::size_t kFirstReserve = 64;

// One pass over the bytes, without recursion. Every order is parsed several times on its way, and
// this costs a third of what msgpack-c's visitor does; a test compares the two on random bytes.
class Scanner {
 public:
  Scanner(const TokenLimits& limits, std::string_view bytes, std::size_t from,
          std::vector<Token>& tokens)
      : tokens_(tokens),
        tokens_max_(limits.tokens_max),
        depth_max_(std::min(limits.depth_max, kDepthCeiling)),
        at_(bytes.data() + from),
        end_(bytes.data() + bytes.size()) {}

  ParseOutcome run() {
    do {
      const auto depth = depth_;
      if (!value()) return outcome_;
      if (depth_ == depth && depth_ > 0) --open_[depth_ - 1].left;
      while (depth_ > 0 && open_[depth_ - 1].left == 0) close();
    } while (depth_ > 0);
    return ParseOutcome::ok;
  }
  [[nodiscard]] const char* position() const { return at_; }

 private:
  struct Open {
    std::uint32_t token;  // of the container
    std::uint64_t left;   // values it still needs
  };

  bool refuse(ParseOutcome why) {
    outcome_ = why;
    return false;
  }

  [[nodiscard]] bool has(std::uint64_t bytes) const {
    return static_cast<std::uint64_t>(end_ - at_) >= bytes;
  }

  template <std::size_t kBytes>
  std::uint64_t big_endian() {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < kBytes; ++i)
      number = number << 8 | static_cast<unsigned char>(at_[i]);
    at_ += kBytes;
    return number;
  }

  bool add(Token::Type type, std::uint32_t size, std::uint64_t number, std::string_view text) {
    if (tokens_.size() >= tokens_max_) return refuse(ParseOutcome::too_many);
    const auto next = static_cast<std::uint32_t>(tokens_.size() + 1);
    tokens_.push_back(Token{type, size, next, number, text});
    return true;
  }

  template <std::size_t kBytes>
  bool unsigned_int() {
    if (!has(kBytes)) return refuse(ParseOutcome::truncated);
    return add(Token::Type::unsigned_int, 0, big_endian<kBytes>(), {});
  }

  // int8 … int64 may hold a value that is not negative.
  template <std::size_t kBytes>
  bool signed_int() {
    if (!has(kBytes)) return refuse(ParseOutcome::truncated);
    constexpr unsigned kUnused = 64 - 8 * kBytes;
    return integer(static_cast<std::int64_t>(big_endian<kBytes>() << kUnused) >> kUnused);
  }
  bool integer(std::int64_t number) {
    const auto type = number < 0 ? Token::Type::negative_int : Token::Type::unsigned_int;
    return add(type, 0, static_cast<std::uint64_t>(number), {});
  }

  bool text(Token::Type type, std::uint64_t size) {
    if (!has(size)) return refuse(ParseOutcome::truncated);
    const std::string_view view = size == 0 ? std::string_view{} : std::string_view{at_, size};
    at_ += size;
    return add(type, static_cast<std::uint32_t>(size), 0, view);
  }
  template <std::size_t kBytes>
  bool sized_text(Token::Type type) {
    if (!has(kBytes)) return refuse(ParseOutcome::truncated);
    return text(type, big_endian<kBytes>());
  }

  // Refuses at once what cannot fit: a declared count alone never makes us wait or allocate.
  bool open(Token::Type type, std::uint64_t size) {
    const std::uint64_t values = type == Token::Type::map ? 2 * size : size;
    if (depth_ == depth_max_) return refuse(ParseOutcome::too_deep);
    if (tokens_.size() >= tokens_max_ || values > tokens_max_ - tokens_.size() - 1)
      return refuse(ParseOutcome::too_many);
    open_[depth_++] = {static_cast<std::uint32_t>(tokens_.size()), values};
    return add(type, static_cast<std::uint32_t>(size), 0, {});
  }
  template <std::size_t kBytes>
  bool sized_open(Token::Type type) {
    if (!has(kBytes)) return refuse(ParseOutcome::truncated);
    return open(type, big_endian<kBytes>());
  }

  void close() {
    tokens_[open_[--depth_].token].end = static_cast<std::uint32_t>(tokens_.size());
    if (depth_ > 0) --open_[depth_ - 1].left;
  }

  // A value that is read whole, but that no format of ours has.
  bool unsupported(std::uint64_t bytes) {
    return refuse(has(bytes) ? ParseOutcome::unsupported_type : ParseOutcome::truncated);
  }
  template <std::size_t kBytes>
  bool unsupported_sized() {
    if (!has(kBytes)) return refuse(ParseOutcome::truncated);
    return unsupported(big_endian<kBytes>() + 1);
  }

  bool value() {
    if (!has(1)) return refuse(ParseOutcome::truncated);
    const auto lead = static_cast<unsigned char>(*at_++);
    if (lead <= 0x7F) return add(Token::Type::unsigned_int, 0, lead, {});
    if (lead >= 0xE0) return integer(static_cast<signed char>(lead));
    if (lead >= 0xA0 && lead <= 0xBF) return text(Token::Type::str, lead & 0x1FU);
    if (lead <= 0x8F) return open(Token::Type::map, lead & 0x0FU);
    if (lead <= 0x9F) return open(Token::Type::array, lead & 0x0FU);
    return headed(lead);
  }

  bool headed(unsigned char lead) {
    switch (lead) {
      case 0xC0:
        return add(Token::Type::nil, 0, 0, {});
      case 0xC2:
      case 0xC3:
        return add(Token::Type::boolean, 0, lead & 1U, {});
      case 0xC4:
        return sized_text<1>(Token::Type::bin);
      case 0xC5:
        return sized_text<2>(Token::Type::bin);
      case 0xC6:
        return sized_text<4>(Token::Type::bin);
      case 0xD9:
        return sized_text<1>(Token::Type::str);
      case 0xDA:
        return sized_text<2>(Token::Type::str);
      case 0xDB:
        return sized_text<4>(Token::Type::str);
      case 0xDC:
        return sized_open<2>(Token::Type::array);
      case 0xDD:
        return sized_open<4>(Token::Type::array);
      case 0xDE:
        return sized_open<2>(Token::Type::map);
      case 0xDF:
        return sized_open<4>(Token::Type::map);
      default:
        return number(lead);
    }
  }

  bool number(unsigned char lead) {
    switch (lead) {
      case 0xCC:
        return unsigned_int<1>();
      case 0xCD:
        return unsigned_int<2>();
      case 0xCE:
        return unsigned_int<4>();
      case 0xCF:
        return unsigned_int<8>();
      case 0xD0:
        return signed_int<1>();
      case 0xD1:
        return signed_int<2>();
      case 0xD2:
        return signed_int<4>();
      case 0xD3:
        return signed_int<8>();
      default:
        return stranger(lead);
    }
  }

  // Floats and extensions; 0xC1 is never used.
  bool stranger(unsigned char lead) {
    if (lead == 0xC1) return refuse(ParseOutcome::malformed);
    if (lead == 0xC7) return unsupported_sized<1>();
    if (lead == 0xC8) return unsupported_sized<2>();
    if (lead == 0xC9) return unsupported_sized<4>();
    if (lead == 0xCA) return unsupported(4);
    if (lead == 0xCB) return unsupported(8);
    return unsupported((std::uint64_t{1} << (lead - 0xD4)) + 1);  // fixext 1 … 16 and their type
  }

  std::vector<Token>& tokens_;
  std::size_t tokens_max_;
  std::size_t depth_max_;
  const char* at_;
  const char* end_;
  std::size_t depth_ = 0;
  std::array<Open, kDepthCeiling> open_;
  ParseOutcome outcome_ = ParseOutcome::ok;
};

}  // namespace

ParseOutcome TokenReader::parse(std::string_view bytes, std::size_t& offset) {
  tokens_.clear();
  if (tokens_.capacity() == 0) tokens_.reserve(std::min(limits_.tokens_max, kFirstReserve));
  if (offset >= bytes.size()) return ParseOutcome::truncated;
  Scanner scanner(limits_, bytes, offset, tokens_);
  const auto outcome = scanner.run();
  if (outcome == ParseOutcome::ok)
    offset = static_cast<std::size_t>(scanner.position() - bytes.data());
  else
    tokens_.clear();
  return outcome;
}

}  // namespace stampede::storage
