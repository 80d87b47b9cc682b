#include "storage/log/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <array>
#include <cstddef>

namespace stampede::storage {
namespace {

constexpr std::uint32_t kPolynomialReflected = 0x82f63b78;

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? kPolynomialReflected : 0);
    table[i] = crc;
  }
  return table;
}

constexpr auto kTable = make_table();
constexpr std::size_t kPieceMax = std::size_t{1} << 30;  // the library takes lengths as int

}  // namespace

std::uint32_t crc32c(std::string_view bytes, std::uint32_t so_far) {
  // The library neither inverts what it is given nor what it returns, and forgets a const.
  std::uint32_t state = ~so_far;
  while (!bytes.empty()) {
    const auto piece = bytes.substr(0, std::min(bytes.size(), kPieceMax));
    auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(piece.data()));
    state = crc32_iscsi(data, static_cast<int>(piece.size()), state);
    bytes.remove_prefix(piece.size());
  }
  return ~state;
}

std::uint32_t crc32c_table(std::string_view bytes, std::uint32_t so_far) {
  std::uint32_t state = ~so_far;
  for (const char c : bytes) {
    state = (state >> 8) ^ kTable[(state ^ static_cast<unsigned char>(c)) & 0xff];
  }
  return ~state;
}

}  // namespace stampede::storage
