#pragma once

#include <cstdint>

namespace stampede::actors {

// The finalizer of MurmurHash3 (Austin Appleby, public domain): every input bit moves every output
// bit. Spreads numbers that strangers choose over an index.
constexpr std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}

}  // namespace stampede::actors
