#pragma once

// The only source of chance in the simulator. xoshiro256** (Blackman, Vigna; public domain), seeded
// by splitmix64: the same numbers on every machine. One stream per concern, so that a change in one
// does not shift the others.

#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace stampede::sim {

class Random {
 public:
  explicit Random(std::uint64_t seed) {
    for (auto& word : state_) word = mix(seed += 0x9e3779b97f4a7c15ULL);
  }
  Random(std::uint64_t seed, std::string_view stream) : Random(seed ^ hash(stream)) {}

  std::uint64_t next() {
    const auto result = rotate(state_[1] * 5, 7) * 9;
    const auto t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotate(state_[3], 45);
    return result;
  }
  std::uint64_t below(std::uint64_t n) {  // 0 … n-1; n > 0
    return next() % n;
  }
  std::int64_t between(std::int64_t low, std::int64_t high) {  // inclusive
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
  }
  bool chance(double p) { return p > 0 && static_cast<double>(next() >> 11) < p * 0x1p53; }
  template <class T>
  T pick(std::initializer_list<T> of) {
    return of.begin()[below(of.size())];
  }

 private:
  static std::uint64_t rotate(std::uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }
  static std::uint64_t mix(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
  }
  static std::uint64_t hash(std::string_view text) {
    std::uint64_t h = 0xcbf29ce484222325ULL;
    for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    return mix(h);
  }
  std::uint64_t state_[4];
};

}  // namespace stampede::sim
