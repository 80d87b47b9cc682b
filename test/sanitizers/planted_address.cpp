// A read behind the end on purpose: AddressSanitizer must report it and end the process.

#include <cstdio>
#include <memory>

int main(int argc, char**) {
  const auto bytes = std::make_unique<char[]>(8);
  std::printf("%d\n", bytes[static_cast<std::size_t>(7 + argc)]);
}
