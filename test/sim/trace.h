#pragma once

// What happened, as one number and, on demand, as text. Two runs of a seed give the same number.

#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <string_view>

#include "test/sim/event_queue.h"

namespace stampede::sim {

class Trace {
 public:
  Trace(const EventQueue& queue, bool print) : queue_(queue), print_(print) {}

  void note(std::string_view what, std::initializer_list<std::uint64_t> numbers = {}) {
    mix(static_cast<std::uint64_t>(queue_.now()));
    mix(what.size() ^ (static_cast<std::uint64_t>(what.front()) << 8));
    for (const auto number : numbers) mix(number);
    if (print_) print(what, numbers);
  }
  void say(std::string_view what, std::string_view text) {
    if (print_)
      std::printf("%9lld us %6llu  %.*s %.*s\n", static_cast<long long>(queue_.now()),
                  static_cast<unsigned long long>(queue_.steps()), static_cast<int>(what.size()),
                  what.data(), static_cast<int>(text.size()), text.data());
  }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  [[nodiscard]] bool prints() const { return print_; }

 private:
  void mix(std::uint64_t value) {
    hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15ULL;
    hash_ ^= hash_ >> 29;
  }
  void print(std::string_view what, std::initializer_list<std::uint64_t> numbers) const {
    std::printf("%9lld us %6llu  %.*s", static_cast<long long>(queue_.now()),
                static_cast<unsigned long long>(queue_.steps()), static_cast<int>(what.size()),
                what.data());
    for (const auto number : numbers) std::printf(" %llu", static_cast<unsigned long long>(number));
    std::printf("\n");
  }
  const EventQueue& queue_;
  bool print_;
  std::uint64_t hash_ = 0x243f6a8885a308d3ULL;
};

}  // namespace stampede::sim
