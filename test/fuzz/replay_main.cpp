// Feeds a fuzz target every input of its kept corpus: the ordinary tests' way to run it, without
// libFuzzer. Usage: NAME_replay CORPUS-FILE. Each line is one input in base64; # begins a comment.

#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "test/fuzz/fuzz.h"

namespace {

int value_of(char c) {
  static const std::string kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto at = kDigits.find(c);
  return at == std::string::npos ? -1 : static_cast<int>(at);
}

std::vector<std::uint8_t> decode(const std::string& text) {
  std::vector<std::uint8_t> bytes;
  unsigned bits = 0;
  int count = 0;
  for (const char c : text) {
    const int value = value_of(c);
    if (value < 0) break;  // padding
    bits = bits << 6U | static_cast<unsigned>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<std::uint8_t>(bits >> static_cast<unsigned>(count)));
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  std::ifstream corpus(argc == 2 ? argv[1] : "");
  if (!corpus) {
    std::cerr << "give a corpus file that can be read\n";
    return 2;
  }
  std::size_t inputs = 0;
  std::size_t number = 0;
  for (std::string line; std::getline(corpus, line);) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    // On its own line and at once, so that a crash shows which input it was.
    std::cerr << argv[1] << ':' << number << '\n';
    const auto input = decode(line == "=" ? "" : line);
    LLVMFuzzerTestOneInput(input.data(), input.size());
    ++inputs;
  }
  std::cout << inputs << " inputs\n";
  return inputs == 0 ? 1 : 0;
}
