#pragma once

// Things in the order of their ids, named by their positions in storage that its owner keeps. They
// may come in any order: one is added without moving more than a block of them, and blocks are
// sorted only when one is full, or looked at. Pure, one thread. Memory: 4 bytes each when they come
// in order, 4 to 8 else.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

namespace stampede::actors {

class IdOrder {
 public:
  // `id_of(position)`: of one that was added, here and below. The id is not there yet.
  template <class IdOf>
  void add(std::uint64_t id, std::uint32_t position, IdOf&& id_of) {
    if (blocks_.empty()) blocks_.push_back(Block{});
    auto block = block_of(id);
    if (block->positions.size() == kBlock) block = divide(block, id, id_of);
    if (block->positions.empty()) block->positions.reserve(kBlock);
    block->positions.push_back(position);
  }

  // visit(position) of each with id >= from, ascending, until it returns false.
  template <class IdOf, class Visit>
  void each_from(std::uint64_t from, IdOf&& id_of, Visit&& visit) const {
    if (blocks_.empty()) return;
    for (auto block = block_of(from); block != blocks_.end(); ++block)
      for (const auto& [id, position] : ascending(*block, id_of))
        if (id >= from && !visit(position)) return;
  }

  [[nodiscard]] std::size_t memory_bytes() const {
    return blocks_.capacity() * sizeof(Block) + blocks_.size() * kBlock * sizeof(std::uint32_t);
  }

 private:
  static constexpr std::size_t kBlock = 512;
  using Entry = std::pair<std::uint64_t, std::uint32_t>;  // id, position
  struct Block {
    std::uint64_t from = 0;                // the lowest id that belongs here
    std::vector<std::uint32_t> positions;  // in any order
  };

  template <class AnyBlocks>
  static auto block_in(AnyBlocks& blocks, std::uint64_t id) {
    if (id >= blocks.back().from) return std::prev(blocks.end());
    return std::prev(
        std::upper_bound(blocks.begin(), blocks.end(), id,
                         [](std::uint64_t wanted, const Block& one) { return wanted < one.from; }));
  }
  // Their types in words: clang 14 deduces none for what stands above.
  using Blocks = std::vector<Block>;
  [[nodiscard]] Blocks::iterator block_of(std::uint64_t id) { return block_in(blocks_, id); }
  [[nodiscard]] Blocks::const_iterator block_of(std::uint64_t id) const {
    return block_in(blocks_, id);
  }

  template <class IdOf>
  static std::vector<Entry> ascending(const Block& block, IdOf&& id_of) {
    std::vector<Entry> entries;
    entries.reserve(block.positions.size());
    for (const auto position : block.positions) entries.emplace_back(id_of(position), position);
    std::sort(entries.begin(), entries.end());
    return entries;
  }

  // Makes room for `id` in a full block, and says where. What comes in order leaves full blocks.
  template <class IdOf>
  auto divide(std::vector<Block>::iterator full, std::uint64_t id, IdOf&& id_of) {
    const auto entries = ascending(*full, id_of);
    if (std::next(full) == blocks_.end() && id > entries.back().first)
      return blocks_.insert(blocks_.end(), Block{id, {}});
    constexpr std::size_t kLower = kBlock / 2;
    Block upper{entries[kLower].first, {}};
    upper.positions.reserve(kBlock);
    full->positions.clear();
    for (std::size_t i = 0; i < entries.size(); ++i)
      (i < kLower ? *full : upper).positions.push_back(entries[i].second);
    const bool is_upper = id >= upper.from;
    const auto added = blocks_.insert(std::next(full), std::move(upper));
    return is_upper ? added : std::prev(added);
  }

  std::vector<Block> blocks_;  // ascending; the first begins at 0
};

}  // namespace stampede::actors
