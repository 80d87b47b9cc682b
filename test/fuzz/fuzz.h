#pragma once

// What the fuzz targets share. A target is one function that takes any bytes; besides not crashing
// it checks what must hold for whatever was decoded. Built twice: with libFuzzer by
// scripts/fuzz.sh, and with replay_main.cpp for the ordinary tests, which feed it the kept corpus.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace stampede::test {

[[noreturn]] inline void check_failed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
  std::abort();
}

// Takes an input apart, byte by byte; what is missing reads as zero.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size)
      : bytes_(reinterpret_cast<const char*>(data), size) {}

  unsigned byte() {
    if (bytes_.empty()) return 0;
    const auto value = static_cast<unsigned char>(bytes_.front());
    bytes_.remove_prefix(1);
    return value;
  }
  unsigned word() { return byte() << 8U | byte(); }
  std::string_view take(std::size_t size) {
    const auto taken = bytes_.substr(0, size);
    bytes_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view rest() { return take(bytes_.size()); }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
};

}  // namespace stampede::test

#define FUZZ_CHECK(condition)         \
  ((condition) ? static_cast<void>(0) \
               : ::stampede::test::check_failed(__FILE__, __LINE__, #condition))
