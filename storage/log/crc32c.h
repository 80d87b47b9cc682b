#pragma once

// CRC-32C (Castagnoli) with the usual convention: crc32c("123456789") is 0xe3069283, the CRC of
// nothing is 0, and a CRC is continued by passing the one so far. Pure functions, any thread.

#include <cstdint>
#include <string_view>

namespace stampede::storage {

// CRC of the bytes that gave `so_far` followed by `bytes`; the fastest way this machine has.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes, std::uint32_t so_far = 0);

// The same result from a table, on any machine; the test compares the two.
[[nodiscard]] std::uint32_t crc32c_table(std::string_view bytes, std::uint32_t so_far = 0);

}  // namespace stampede::storage
