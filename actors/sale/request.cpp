#include "actors/sale/request.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace stampede::actors {

namespace {

// Sixteen characters, which the processor compares at once.
using Block [[gnu::vector_size(16)]] = unsigned char;
using Halves [[gnu::vector_size(16)]] = std::uint64_t;

Block block_at(const char* at) {
  Block block;
  std::memcpy(&block, at, sizeof block);
  return block;
}

// At least one character, at most 15; some stand in it twice.
Block short_block(std::string_view text) {
  std::array<char, 8> few;
  if (text.size() < few.size()) {
    few.fill(text[0]);
    std::copy(text.begin(), text.end(), few.begin());
    text = {few.data(), few.size()};
  }
  std::uint64_t first = 0, last = 0;
  std::memcpy(&first, text.data(), sizeof first);
  std::memcpy(&last, text.data() + text.size() - sizeof last, sizeof last);
  return reinterpret_cast<Block>(Halves{first, last});
}

// `others` marks the characters of a block that are not allowed, each with a byte that is not 0.
template <class F>
bool none_of(std::string_view text, F others) {
  const auto none = [others](Block block) {
    const auto marks = reinterpret_cast<Halves>(others(block));
    return (marks[0] | marks[1]) == 0;
  };
  if (text.size() < sizeof(Block)) return none(short_block(text));
  const char* const last = text.data() + text.size() - sizeof(Block);  // may overlap the one before
  for (const char* at = text.data(); at < last; at += sizeof(Block))
    if (!none(block_at(at))) return false;
  return none(block_at(last));
}

}  // namespace

bool valid_request_id(std::string_view id) {
  if (id.empty() || id.size() > kRequestIdBytesMax) return false;
  return none_of(id, [](Block c) {
    const auto digit = c - '0' < 10;
    const auto letter = (c | 0x20) - 'a' < 26;
    return ~(digit | letter | (c == '-') | (c == '_'));
  });
}

namespace {

// Length of the well-formed UTF-8 sequence at the front of `text`, 0 when it is malformed
// (overlong, surrogate, above U+10FFFF; The Unicode Standard, table 3-7).
std::size_t utf8_sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return tail(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F)) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if ((lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F)) return 0;
    return tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

bool control_character(std::string_view sequence) {  // C0, DEL and C1
  const auto first = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return first < 0x20 || first == 0x7F;
  return sequence.size() == 2 && first == 0xC2 && static_cast<unsigned char>(sequence[1]) < 0xA0;
}

}  // namespace

bool valid_user(std::string_view user) {
  return valid_text(user, kUserBytesMax);
}

bool valid_text(std::string_view text, std::size_t bytes_max) {
  if (text.empty() || text.size() > bytes_max) return false;
  if (none_of(text, [](Block c) { return (c < 0x20) | (c >= 0x7F); })) return true;
  while (!text.empty()) {
    const auto size = utf8_sequence(text);
    if (size == 0 || control_character(text.substr(0, size))) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string_view to_text(State state) {
  switch (state) {
    case State::queued:
      return "queued";
    case State::confirmed:
      return "confirmed";
    case State::rejected:
      return "rejected";
    case State::invalid:
      break;
  }
  return "invalid";
}

std::string_view to_text(PromoState state) {
  switch (state) {
    case PromoState::coming:
      return "coming";
    case PromoState::running:
      return "running";
    case PromoState::ended:
      break;
  }
  return "ended";
}

}  // namespace stampede::actors
