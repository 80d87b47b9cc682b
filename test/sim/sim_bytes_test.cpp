#include "test/sim/sim_bytes.h"

#include <doctest/doctest.h>

#include "test/sim/random.h"

namespace stampede::sim {
namespace {

std::string some_bytes(Random& random) {
  std::string bytes(random.below(200), '\0');
  if (random.chance(0.7))
    for (auto& byte : bytes) byte = static_cast<char>(random.below(3));
  return bytes;
}

// A file and the plain string that it stands for.
struct Twin {
  SimBytes bytes;
  std::string plain;

  void change(Random& random) {
    const auto at = random.below(1200);
    if (random.chance(0.3)) {
      bytes.resize(at);
      plain.resize(at);
    } else if (random.chance(0.2)) {
      bytes.flip(at, 3);
      if (at < plain.size()) plain[at] = static_cast<char>(plain[at] ^ 8);
    } else {
      const auto what = some_bytes(random);
      bytes.write(at, what);
      plain.resize(std::max(plain.size(), at + what.size()));
      plain.replace(at, what.size(), what);
    }
  }
  void take(const Twin& from, Random& random) {
    const auto end = std::min(plain.size(), from.plain.size());
    const auto begin = random.below(end + 1);
    bytes.take(from.bytes, begin, end);
    plain.replace(begin, end - begin, from.plain, begin, end - begin);
  }
};

}  // namespace

TEST_CASE("a file without the zeros at its end is the same file") {
  Random random(7);
  Twin twins[2];
  for (int i = 0; i < 20'000; ++i) {
    auto& twin = twins[random.below(2)];
    if (random.chance(0.3))
      twin.take(twins[&twin == twins ? 1 : 0], random);
    else
      twin.change(random);
    REQUIRE(twin.bytes.size() == twin.plain.size());
    REQUIRE(twin.bytes.all() == twin.plain);
    const auto from = random.below(1400);
    std::string part;
    twin.bytes.read(from, 300, part);
    REQUIRE(part == (from < twin.plain.size() ? twin.plain.substr(from, 300) : ""));
    REQUIRE((twins[0].bytes == twins[1].bytes) == (twins[0].plain == twins[1].plain));
    if (random.chance(0.05)) twins[0] = twins[1];
  }
}

}  // namespace stampede::sim
