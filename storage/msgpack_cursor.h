#pragma once

// Walks msgpack from a stranger in place, value by value: nothing is allocated, no declared length
// is believed, only nil, bool, int, str, bin, array and map are known. For the few formats that are
// read for every order; msgpack_tokens reads the others. Thread-compatible.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "storage/msgpack_tokens.h"

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

  // Reads a value, of a container its head alone. False: the bytes end too early, or hold a type
  // that is not known; the cursor is then of no more use.
  [[nodiscard]] bool next(Value& value);

  // Skips what is inside a container whose head was read. False as above, or when containers are
  // nested deeper than `depth` (the one at hand not counted; at most kDepthCeiling).
  [[nodiscard]] bool skip_inside(const Value& container, unsigned depth);

  static constexpr unsigned kDepthCeiling = 8;

 private:
  template <unsigned Bytes>
  bool big_endian(std::uint64_t& number);
  template <unsigned Bytes>
  bool signed_number(Value& value);
  bool text(Value& value, Type type, std::uint64_t size);
  static bool scalar(Value& value, Type type, std::uint64_t number);
  static bool container(Value& value, Type type, std::uint64_t size);
  bool next_long(Value& value, unsigned lead);

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

// Into its callers, which then keep the value in registers; what is rare stays outside.
[[gnu::always_inline]] inline bool MsgpackCursor::next(Value& value) {
  if (at_ == end_) return false;
  const unsigned lead = static_cast<unsigned char>(*at_++);
  if (lead < 0x80) return scalar(value, Type::unsigned_int, lead);
  if (lead >= 0xA0 && lead < 0xC0) return text(value, Type::str, lead & 0x1FU);
  if (lead < 0x90) return container(value, Type::map, lead & 0x0FU);
  if (lead < 0xA0) return container(value, Type::array, lead & 0x0FU);
  return next_long(value, lead);
}

inline bool MsgpackCursor::next_long(Value& value, unsigned lead) {
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
      return false;  // float, ext, and the byte that is never used
  }
}

[[gnu::noinline]] inline bool MsgpackCursor::skip_inside(const Value& head, unsigned depth) {
  std::array<std::uint64_t, kDepthCeiling + 1> open{head.inside()};
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
