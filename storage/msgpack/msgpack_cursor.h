#pragma once

// Walks msgpack from a stranger in place, value by value: nothing is allocated, no declared length
// is believed; nil, bool, int, str, bin, array, map and float64 are known, float32 and ext are
// passed over as `foreign`. For the few formats that are read for every order; msgpack_tokens reads
// the others. Thread-compatible.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "storage/msgpack/msgpack_tokens.h"

namespace stampede::storage {

class MsgpackCursor {
  static_assert(std::endian::native == std::endian::little);

 public:
  using Type = Token::Type;

  struct Value {
    Type type = Type::nil;
    std::uint32_t size = 0;    // array: elements; map: pairs
    std::uint64_t number = 0;  // as in Token
    std::string_view text;     // str, bin: points into the bytes
    [[nodiscard]] bool is_text() const { return type == Type::str || type == Type::bin; }
    [[nodiscard]] bool is_container() const { return type == Type::array || type == Type::map; }
    // Values directly inside a container.
    [[nodiscard]] std::uint64_t inside() const {
      return type == Type::map ? std::uint64_t{2} * size : size;
    }
  };

  MsgpackCursor() = default;
  explicit MsgpackCursor(std::string_view bytes)
      : begin_(bytes.data()), at_(begin_), end_(begin_ + bytes.size()) {}

  [[nodiscard]] std::size_t offset() const { return static_cast<std::size_t>(at_ - begin_); }
  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

  // Reads a value, of a container its head alone. False: the bytes end too early, or hold the byte
  // that begins no value; the cursor is then of no more use.
  [[nodiscard]] bool next(Value& value);

  // Skips what is inside a container whose head was read. False as above, or when containers are
  // nested deeper than `depth` (the one at hand not counted; at most kDepthCeiling).
  [[nodiscard]] bool skip_inside(const Value& container, unsigned depth);

  // A str of at most 7 bytes as it stands among the others, its head included. A longer one can be
  // made, but is never recognised.
  struct ShortText {
    std::uint64_t bytes = 1, mask = 0;
    unsigned size = 0;
    constexpr ShortText() = default;
    constexpr explicit ShortText(std::string_view text);
  };
  // Skips this text. False, and nothing was read: something else comes next, or it is among the
  // last 8 bytes.
  [[nodiscard]] bool skip(const ShortText& text);

  // What is common, for callers that expect it: a str of at most 255 bytes, which has one of the
  // two shortest heads; an unsigned number.
  // False, and nothing was read, for everything else.
  [[nodiscard]] bool next_short_text(std::string_view& text);
  [[nodiscard]] bool next_unsigned(std::uint64_t& number);

  static constexpr unsigned kDepthCeiling = 8;

 private:
  template <unsigned Bytes>
  bool big_endian(std::uint64_t& number);
  template <unsigned Bytes>
  bool signed_number(Value& value);
  bool text(Value& value, Type type, std::uint64_t size);
  static bool scalar(Value& value, Type type, std::uint64_t number);
  static bool container(Value& value, Type type, std::uint64_t size);
  bool foreign(Value& value, std::uint64_t size);
  bool next_long_unsigned(std::uint64_t& number, unsigned size);
  bool next_unsigned_as_signed(std::uint64_t& number);
  bool next_rare(Value& value, unsigned lead);
  bool read_rare(Value& value, unsigned lead);
  bool skip_values(std::uint64_t count, unsigned depth);

  const char* begin_ = nullptr;
  const char* at_ = nullptr;
  const char* end_ = nullptr;
};

// --- inside: in the header, because the callers' loops are the hot path -------------------------

template <unsigned Bytes>
inline bool MsgpackCursor::big_endian(std::uint64_t& number) {
  if (left() < Bytes) return false;
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, at_, Bytes);
  number = __builtin_bswap64(bytes) >> (64 - 8 * Bytes);
  at_ += Bytes;
  return true;
}

template <unsigned Bytes>
inline bool MsgpackCursor::signed_number(Value& value) {
  if (!big_endian<Bytes>(value.number)) return false;
  constexpr unsigned kUnused = 64 - 8 * Bytes;
  const auto number = static_cast<std::int64_t>(value.number << kUnused) >> kUnused;
  return scalar(value, number < 0 ? Type::negative_int : Type::unsigned_int,
                static_cast<std::uint64_t>(number));
}

inline bool MsgpackCursor::scalar(Value& value, Type type, std::uint64_t number) {
  value.type = type;
  value.number = number;
  value.text = {};
  return true;
}

inline bool MsgpackCursor::container(Value& value, Type type, std::uint64_t size) {
  value.size = static_cast<std::uint32_t>(size);
  return scalar(value, type, 0);
}

inline bool MsgpackCursor::text(Value& value, Type type, std::uint64_t size) {
  if (left() < size) return false;
  value.type = type;
  value.number = 0;
  value.text = {at_, static_cast<std::size_t>(size)};
  at_ += size;
  return true;
}

// `size` counts what follows the head: a number's bytes; an ext's type and bytes.
inline bool MsgpackCursor::foreign(Value& value, std::uint64_t size) {
  if (left() < size) return false;
  at_ += size;
  return scalar(value, Type::foreign, 0);
}

constexpr MsgpackCursor::ShortText::ShortText(std::string_view text) {
  if (text.size() > 7) return;
  size = static_cast<unsigned>(text.size()) + 1;
  bytes = 0xA0U | text.size();
  for (unsigned i = 1; i < size; ++i)
    bytes |= std::uint64_t{static_cast<unsigned char>(text[i - 1])} << (8 * i);
  mask = ~std::uint64_t{0} >> (64 - 8 * size);
}

inline bool MsgpackCursor::skip(const ShortText& text) {
  std::uint64_t bytes = 0;
  if (left() < sizeof bytes) return false;
  std::memcpy(&bytes, at_, sizeof bytes);
  if ((bytes & text.mask) != text.bytes) return false;
  at_ += text.size;
  return true;
}

[[gnu::always_inline]] inline bool MsgpackCursor::next_short_text(std::string_view& text) {
  if (at_ == end_) return false;
  unsigned head = 1, size = static_cast<unsigned char>(*at_) ^ 0xA0U;
  if (size >= 0x20) {
    if (size != (0xD9 ^ 0xA0U) || left() < 2) return false;
    head = 2, size = static_cast<unsigned char>(at_[1]);
  }
  if (left() - head < size) return false;
  text = {at_ + head, size};
  at_ += head + size;
  return true;
}

[[gnu::always_inline]] inline bool MsgpackCursor::next_unsigned(std::uint64_t& number) {
  if (at_ == end_) return false;
  const unsigned lead = static_cast<unsigned char>(*at_);
  if (lead < 0x80) {
    number = lead;
    ++at_;
    return true;
  }
  if ((lead & 0xFCU) == 0xCC) return next_long_unsigned(number, 1U << (lead & 3U));
  return (lead & 0xFCU) == 0xD0 && next_unsigned_as_signed(number);
}

[[gnu::always_inline]] inline bool MsgpackCursor::next_long_unsigned(std::uint64_t& number,
                                                                     unsigned size) {
  if (left() <= size) return false;
  number = 0;
  if (left() > sizeof number)
    std::memcpy(&number, at_ + 1, sizeof number);
  else
    std::memcpy(&number, at_ + 1, size);
  number = __builtin_bswap64(number) >> (64 - 8 * size);
  at_ += 1 + size;
  return true;
}

// A number that is not negative, though its form is that of those which may be.
[[gnu::always_inline]] inline bool MsgpackCursor::next_unsigned_as_signed(std::uint64_t& number) {
  auto rest = *this;
  Value value;
  if (!rest.next(value) || value.type != Type::unsigned_int) return false;
  *this = rest;
  number = value.number;
  return true;
}

// Into its callers, which then keep the cursor and the value in registers; what is rare stays
// outside.
[[gnu::always_inline]] inline bool MsgpackCursor::next(Value& value) {
  if (at_ == end_) return false;
  const unsigned lead = static_cast<unsigned char>(*at_++);
  if (lead < 0x80) return scalar(value, Type::unsigned_int, lead);
  if (lead >= 0xA0 && lead < 0xC0) return text(value, Type::str, lead & 0x1FU);
  if (lead < 0x90) return container(value, Type::map, lead & 0x0FU);
  if (lead < 0xA0) return container(value, Type::array, lead & 0x0FU);
  return next_rare(value, lead);
}

// On copies: what a function outside may write to cannot be kept in registers.
[[gnu::always_inline]] inline bool MsgpackCursor::next_rare(Value& value, unsigned lead) {
  auto rest = *this;
  Value found;
  const bool read = rest.read_rare(found, lead);
  *this = rest;
  value = found;
  return read;
}

[[gnu::noinline]] inline bool MsgpackCursor::read_rare(Value& value, unsigned lead) {
  if (lead >= 0xE0)
    return scalar(value, Type::negative_int, static_cast<std::uint64_t>(std::int64_t{lead} - 256));
  std::uint64_t n = 0;
  switch (lead) {
    case 0xC0:
      return scalar(value, Type::nil, 0);
    case 0xC2:
    case 0xC3:
      return scalar(value, Type::boolean, lead & 1U);
    case 0xC4:
      return big_endian<1>(n) && text(value, Type::bin, n);
    case 0xC5:
      return big_endian<2>(n) && text(value, Type::bin, n);
    case 0xC6:
      return big_endian<4>(n) && text(value, Type::bin, n);
    case 0xC7:
      return big_endian<1>(n) && foreign(value, n + 1);
    case 0xC8:
      return big_endian<2>(n) && foreign(value, n + 1);
    case 0xC9:
      return big_endian<4>(n) && foreign(value, n + 1);
    case 0xCA:
      return foreign(value, 4);
    case 0xCB:
      return big_endian<8>(n) && scalar(value, Type::float64, n);
    case 0xCC:
      return big_endian<1>(n) && scalar(value, Type::unsigned_int, n);
    case 0xCD:
      return big_endian<2>(n) && scalar(value, Type::unsigned_int, n);
    case 0xCE:
      return big_endian<4>(n) && scalar(value, Type::unsigned_int, n);
    case 0xCF:
      return big_endian<8>(n) && scalar(value, Type::unsigned_int, n);
    case 0xD0:
      return signed_number<1>(value);
    case 0xD1:
      return signed_number<2>(value);
    case 0xD2:
      return signed_number<4>(value);
    case 0xD3:
      return signed_number<8>(value);
    case 0xD4:
    case 0xD5:
    case 0xD6:
    case 0xD7:
    case 0xD8:
      return foreign(value, (std::uint64_t{1} << (lead - 0xD4)) + 1);
    case 0xD9:
      return big_endian<1>(n) && text(value, Type::str, n);
    case 0xDA:
      return big_endian<2>(n) && text(value, Type::str, n);
    case 0xDB:
      return big_endian<4>(n) && text(value, Type::str, n);
    case 0xDC:
      return big_endian<2>(n) && container(value, Type::array, n);
    case 0xDD:
      return big_endian<4>(n) && container(value, Type::array, n);
    case 0xDE:
      return big_endian<2>(n) && container(value, Type::map, n);
    case 0xDF:
      return big_endian<4>(n) && container(value, Type::map, n);
    default:
      return false;  // the byte that is never used
  }
}

[[gnu::always_inline]] inline bool MsgpackCursor::skip_inside(const Value& head, unsigned depth) {
  auto rest = *this;  // as above
  const bool skipped = rest.skip_values(head.inside(), depth);
  *this = rest;
  return skipped;
}

[[gnu::noinline]] inline bool MsgpackCursor::skip_values(std::uint64_t count, unsigned depth) {
  std::array<std::uint64_t, kDepthCeiling + 1> open{count};
  unsigned level = 0;
  Value value;
  while (true) {
    if (open[level] == 0) {
      if (level == 0) return true;
      --level;
      continue;
    }
    --open[level];
    if (!next(value)) return false;
    if (!value.is_container()) continue;
    if (level == depth || level == kDepthCeiling) return false;
    open[++level] = value.inside();
  }
}

}  // namespace stampede::storage
