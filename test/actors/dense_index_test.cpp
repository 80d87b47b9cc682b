#include "actors/dense_index.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <random>

using stampede::actors::BlockVector;
using stampede::actors::DenseIndex;

TEST_CASE("inserts and erases in random order agree with a map") {
  const char* given = std::getenv("STAMPEDE_TEST_SEED");
  const auto seed = given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  CAPTURE(seed);
  MESSAGE("seed " << seed);
  std::mt19937_64 random(seed);
  DenseIndex index;
  std::vector<std::uint64_t> hashes;  // by position
  std::multimap<std::uint64_t, std::uint32_t> model;
  for (int step = 0; step < 200'000; ++step) {
    if (model.empty() || random() % 5 < 3) {
      // Few distinct low bits and shards: collisions, wrap-around and equal hashes are common.
      const auto hash = (random() % 3 << 56) | (random() % 2 << 52) | (random() % 4096);
      hashes.push_back(hash);
      const auto position = static_cast<std::uint32_t>(hashes.size() - 1);
      index.insert(hash, position);
      model.emplace(hash, position);
    } else {
      auto it = model.lower_bound(random() % 3 << 56 | random() % 4096);
      if (it == model.end()) it = model.begin();
      index.erase(it->first, it->second);
      model.erase(it);
    }
  }
  for (std::uint32_t at = 0; at < hashes.size(); ++at) {
    const auto range = model.equal_range(hashes[at]);
    bool there = false;
    for (auto it = range.first; it != range.second; ++it) there = there || it->second == at;
    const auto found = index.find(hashes[at], [&](std::uint32_t p) { return p == at; });
    REQUIRE((found == at) == there);
  }
}

TEST_CASE("blocks keep their places while they grow") {
  BlockVector<int, 4> values;
  values.push_back(7);
  const int* first = &values[0];
  for (int i = 1; i < 100; ++i) values.push_back(i);
  CHECK(&values[0] == first);
  CHECK(values[99] == 99);
  CHECK(values.size() == 100);
}
