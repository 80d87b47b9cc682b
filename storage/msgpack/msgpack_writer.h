#pragma once

// Writes msgpack to the end of a string or a ByteBuffer, in the shortest form of every value,
// through room that is made once: for what is encoded for every order. Thread-compatible.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "config/process/invariant.h"
#include "storage/msgpack/byte_buffer.h"

namespace stampede::storage {

class MsgpackWriter {
  static_assert(std::endian::native == std::endian::little);

 public:
  // Not more than `bytes_max` bytes may be written; texts count with 5 bytes more, numbers with 9.
  // `out` is complete when the writer is gone, and not to be touched before.
  MsgpackWriter(std::string& out, std::size_t bytes_max) : string_(&out) {
    const auto begin = out.size();
    out.resize(begin + bytes_max);
    at_ = out.data() + begin;
  }
  MsgpackWriter(ByteBuffer& out, std::size_t bytes_max) : buffer_(&out), at_(out.room(bytes_max)) {}
  ~MsgpackWriter() {
    if (buffer_ != nullptr) buffer_->extend_to(at_);
    if (string_ != nullptr) end_string();
  }
  MsgpackWriter(const MsgpackWriter&) = delete;
  MsgpackWriter& operator=(const MsgpackWriter&) = delete;

  void nil() { byte(0xC0); }
  void boolean(bool value) { byte(value ? 0xC3 : 0xC2); }
  void number(std::uint64_t value);
  void signed_number(std::int64_t value);
  void text(std::string_view value);
  void bytes(std::string_view value) {  // at most 255
    tagged<1>(0xC4, value.size());
    copy(value);
  }
  void map(std::uint32_t pairs) { head(pairs, 0x80, 0xDE); }
  void array(std::uint32_t elements) { head(elements, 0x90, 0xDC); }

  // A text that is known when the program is compiled, at most 31 bytes.
  template <std::size_t N>
  void literal(const char (&value)[N]) {
    static_assert(N <= 32, "a longer text needs another head");
    byte(0xA0U | (N - 1));
    std::memcpy(at_, value, N - 1);
    at_ += N - 1;
  }

 private:
  // Most texts are short: a call of memcpy costs more than to copy them.
  void copy(std::string_view bytes);
  template <std::size_t Size>
  void copy_ends(std::string_view bytes) {  // the first and the last `Size`, which may overlap
    std::memcpy(at_, bytes.data(), Size);
    std::memcpy(at_ + bytes.size() - Size, bytes.data() + bytes.size() - Size, Size);
  }
  void byte(unsigned value) { *at_++ = static_cast<char>(value); }
  template <unsigned Bytes>
  void tagged(unsigned tag, std::uint64_t value) {
    byte(tag);
    const auto bytes = __builtin_bswap64(value << (64 - 8 * Bytes));
    std::memcpy(at_, &bytes, Bytes);
    at_ += Bytes;
  }
  void head(std::uint32_t size, unsigned small, unsigned large) {
    if (size < 16) return byte(small | size);
    if (size <= 0xFFFF) return tagged<2>(large, size);
    tagged<4>(large + 1, size);
  }

  void end_string() {
    const auto size = static_cast<std::size_t>(at_ - string_->data());
    STAMPEDE_ASSERT(size <= string_->size(), "a msgpack value is as large as was said");
    string_->resize(size);
  }
  explicit MsgpackWriter(char* at) : at_(at) {}  // into room that was made
  static char* write_long(char* at, std::string_view text);

  std::string* string_ = nullptr;  // one of the two, or neither
  ByteBuffer* buffer_ = nullptr;
  char* at_;
};

inline void MsgpackWriter::number(std::uint64_t value) {
  if (value < 0x80) return byte(static_cast<unsigned>(value));
  if (value <= 0xFF) return tagged<1>(0xCC, value);
  if (value <= 0xFFFF) return tagged<2>(0xCD, value);
  if (value <= 0xFFFFFFFF) return tagged<4>(0xCE, value);
  tagged<8>(0xCF, value);
}

inline void MsgpackWriter::signed_number(std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  if (value >= 0) return number(bits);
  if (value >= -32) return byte(static_cast<unsigned>(bits & 0xFFU));
  if (value >= INT8_MIN) return tagged<1>(0xD0, bits);
  if (value >= INT16_MIN) return tagged<2>(0xD1, bits);
  if (value >= INT32_MIN) return tagged<4>(0xD2, bits);
  tagged<8>(0xD3, bits);
}

// Into its callers, which then keep the writer in registers; what is rare stays outside.
[[gnu::always_inline]] inline void MsgpackWriter::text(std::string_view value) {
  if (value.size() >= 32) {
    at_ = write_long(at_, value);
    return;
  }
  byte(0xA0U | static_cast<unsigned>(value.size()));
  copy(value);
}

[[gnu::noinline]] inline char* MsgpackWriter::write_long(char* at, std::string_view text) {
  MsgpackWriter writer(at);
  if (text.size() <= 0xFF)
    writer.tagged<1>(0xD9, text.size());
  else if (text.size() <= 0xFFFF)
    writer.tagged<2>(0xDA, text.size());
  else
    writer.tagged<4>(0xDB, text.size());
  writer.copy(text);
  return writer.at_;
}

[[gnu::always_inline]] inline void MsgpackWriter::copy(std::string_view bytes) {
  const auto size = bytes.size();
  if (size > 32)
    std::memcpy(at_, bytes.data(), size);
  else if (size >= 16)
    copy_ends<16>(bytes);
  else if (size >= 8)
    copy_ends<8>(bytes);
  else
    for (std::size_t i = 0; i < size; ++i) at_[i] = bytes[i];
  at_ += size;
}

}  // namespace stampede::storage
