#include "actors/memory/dense_index.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>

#include "actors/memory/block_vector.h"
#include "test/support/random_run.h"

using stampede::actors::BlockVector;
using stampede::actors::DenseIndex;

TEST_CASE("inserts and erases in random order agree with a map") {
  const auto seed = stampede::test::seed_of_run();
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

TEST_CASE("a large index finds every entry while its shards grow one by one") {
  DenseIndex index;
  const auto hash_of = [](std::uint64_t i) { return i * 0x9E37'79B9'7F4A'7C15ULL; };
  constexpr std::uint32_t kEntries = 300'000;
  for (std::uint32_t i = 0; i < kEntries; ++i) index.insert(hash_of(i), i);
  const auto is = [](std::uint32_t wanted) {
    return [wanted](std::uint32_t p) { return p == wanted; };
  };
  for (std::uint32_t i = 0; i < kEntries; ++i) REQUIRE(index.find(hash_of(i), is(i)) == i);
  CHECK(index.find(hash_of(kEntries), is(kEntries)) == DenseIndex::kNone);
  CHECK(index.memory_bytes() < std::size_t{kEntries} * 25);
  DenseIndex moved = std::move(index);
  CHECK(moved.find(hash_of(7), is(7)) == 7);
}

TEST_CASE("memory from the kernel is zeroed, and huge pieces start at a huge page") {
  for (const std::size_t bytes : {std::size_t{64} << 10, std::size_t{5} << 20}) {
    stampede::actors::PageMemory memory(bytes);
    auto* data = static_cast<unsigned char*>(memory.data());
    CHECK(std::all_of(data, data + bytes, [](auto byte) { return byte == 0; }));
    data[bytes - 1] = 1;
    if (bytes >= std::size_t{2} << 20)
      CHECK(reinterpret_cast<std::uintptr_t>(data) % (std::size_t{2} << 20) == 0);
    auto other = std::move(memory);
    CHECK(static_cast<unsigned char*>(other.data())[bytes - 1] == 1);
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

TEST_CASE("room that was made is enough: an index does not grow while it is filled") {
  const auto hash_of = [](std::uint64_t i) { return i * 0x9E37'79B9'7F4A'7C15ULL; };
  constexpr std::uint32_t kEntries = 200'000;
  for (const std::uint32_t before : {0u, 100u, 5000u, 150'000u}) {
    CAPTURE(before);
    DenseIndex index;
    for (std::uint32_t i = 0; i < before; ++i) index.insert(hash_of(i), i);
    int steps = 0;
    while (index.make_room(kEntries)) ++steps;
    CHECK(steps > 0);
    const auto bytes = index.memory_bytes();
    for (std::uint32_t i = before; i < kEntries; ++i) index.insert(hash_of(i), i);
    CHECK(index.memory_bytes() == bytes);
    for (std::uint32_t i = 0; i < kEntries; ++i)
      REQUIRE(index.find(hash_of(i), [i](std::uint32_t p) { return p == i; }) == i);
  }
  DenseIndex small;
  CHECK_FALSE(small.make_room(100));  // grows soon enough
}

TEST_CASE("blocks that were made ahead are filled before others") {
  BlockVector<int, 4> values;
  for (int i = 0; i < 6; ++i) values.push_back(i);
  CHECK(values.room() == 8);
  values.make_room();
  values.make_room();
  CHECK(values.room() == 16);
  CHECK(values.size() == 6);
  for (int i = 6; i < 100; ++i) values.push_back(i);
  for (int i = 0; i < 100; ++i) REQUIRE(values[static_cast<std::size_t>(i)] == i);
  CHECK(values.room() == 100);
}
