#include "actors/memory/record_memory.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "test/support/random_run.h"

using stampede::actors::KeptBytes;
using stampede::actors::RecordMemory;

TEST_CASE("what is kept stays as it was until its owner goes, whoever went before") {
  const auto seed = stampede::test::seed_of_run();
  CAPTURE(seed);
  MESSAGE("seed " << seed);
  std::mt19937_64 random(seed);
  auto memory = std::make_unique<RecordMemory>();
  std::deque<std::pair<KeptBytes, std::string>> kept;
  for (int step = 0; step < 400; ++step) {
    const auto size = random() % (random() % 10 == 0 ? RecordMemory::kPieceBytes + 2 : 100'000);
    const std::string bytes(size, static_cast<char>(random()));
    kept.emplace_back(memory->keep(bytes), bytes);
    if (random() % 2 == 0) std::swap(kept.front(), kept[random() % kept.size()]);
    if (kept.size() > 40) kept.pop_front();
    if (step == 390) memory.reset(), memory = std::make_unique<RecordMemory>();
    for (const auto& [copy, expected] : kept) REQUIRE(copy.bytes == expected);
  }
}

TEST_CASE("a piece that is free again is filled again, and so is one that was made ahead") {
  RecordMemory memory;
  const std::string half(RecordMemory::kPieceBytes / 2, 'x');
  std::set<const char*> places;
  for (int i = 0; i < 100; ++i) {
    const auto kept = memory.keep(half);
    places.insert(kept.bytes.data());
    std::thread([owner = kept.owner]() mutable { owner.reset(); }).join();
  }
  CHECK(places.size() <= 4);  // both halves of the piece in use and of the one after it

  constexpr std::size_t kPieces = 20;
  std::size_t made = 0;
  while (memory.make_room(kPieces * RecordMemory::kPieceBytes)) ++made;
  CHECK(made >= kPieces - 2);
  CHECK(made <= kPieces);
  std::vector<KeptBytes> kept;
  for (std::size_t i = 0; i < 2 * kPieces; ++i) kept.push_back(memory.keep(half));
  kept.clear();
  CHECK_FALSE(memory.make_room(kPieces * RecordMemory::kPieceBytes));  // all came back
}

TEST_CASE("nothing needs no memory, not even a first piece") {
  const auto kept = RecordMemory().keep({});
  CHECK(kept.bytes.empty());
  CHECK(kept.owner == nullptr);
}
