#include "storage/replay/owed_orders.h"

#include <algorithm>
#include <cstring>

#include "config/process/invariant.h"

namespace stampede::storage {

namespace {

constexpr std::size_t kChunkOrders = 4096;
constexpr std::size_t kChunkBytes = 1u << 20;

// The first entry whose lsn is not below `from`.
template <class Entries>
auto entry_from(Entries& entries, Lsn from) {
  return std::lower_bound(entries.begin(), entries.end(), from,
                          [](const auto& entry, Lsn lsn) { return entry.lsn < lsn; });
}

// Drops what is done, in place: a chunk is rewritten only when half of it or more is, so every
// order is moved a bounded number of times.
template <class Chunk>
void compact(Chunk& chunk) {
  std::size_t kept = 0;
  std::size_t used = 0;
  for (const auto& entry : chunk.entries) {
    if (entry.done) continue;
    std::memmove(chunk.bytes.data() + used, chunk.bytes.data() + entry.offset, entry.size);
    auto& moved = chunk.entries[kept++];
    moved = entry;
    moved.offset = static_cast<std::uint32_t>(used);
    used += entry.size;
  }
  chunk.entries.resize(kept);
  chunk.bytes.resize(used);
  chunk.done = 0;
  chunk.entries.shrink_to_fit();
  chunk.bytes.shrink_to_fit();
}

}  // namespace

void OwedOrders::add(Lsn lsn, std::uint32_t position, std::string_view payload) {
  const bool full = chunks_.empty() || chunks_.back()->entries.size() >= kChunkOrders ||
                    chunks_.back()->bytes.size() + payload.size() > kChunkBytes;
  if (full) chunks_.push_back(std::make_unique<Chunk>());
  Chunk& chunk = *chunks_.back();
  STAMPEDE_ASSERT(chunk.entries.empty() || chunk.entries.back().lsn <= lsn,
                  "orders are folded in the order of their lsns");
  chunk.entries.push_back({lsn, static_cast<std::uint32_t>(chunk.bytes.size()),
                           static_cast<std::uint32_t>(payload.size()), position, 0, false});
  chunk.bytes.append(payload);
  ++size_;
}

OwedOrders::Settled OwedOrders::executed(std::uint32_t position, Lsn from, Lsn to) {
  Settled settled;
  const std::size_t first = first_chunk(from);
  std::size_t last = first;
  for (; last < chunks_.size() && chunks_[last]->entries.front().lsn <= to; ++last) {
    Chunk& chunk = *chunks_[last];
    auto entry = entry_from(chunk.entries, from);
    for (; entry != chunk.entries.end() && entry->lsn <= to; ++entry) {
      if (entry->done || entry->position != position) continue;
      entry->done = true;
      ++chunk.done;
      if (settled.count++ == 0) settled.first = entry->lsn;
      if (settled.last.size() == kNewestKept) settled.last.erase(settled.last.begin());
      settled.last.push_back(entry->lsn);
      if (entry->tries > 0) --failed_;
    }
  }
  size_ -= settled.count;
  tidy(first, last);
  return settled;
}

void OwedOrders::failed(std::uint32_t position, Lsn lsn, std::uint32_t tries) {
  const std::size_t at = first_chunk(lsn);
  for (std::size_t i = at; i < chunks_.size() && chunks_[i]->entries.front().lsn <= lsn; ++i) {
    auto& entries = chunks_[i]->entries;
    for (auto entry = entry_from(entries, lsn); entry != entries.end() && entry->lsn == lsn;
         ++entry) {
      if (entry->done || entry->position != position) continue;
      if (entry->tries == 0) ++failed_;
      entry->tries = std::max(entry->tries, tries);
    }
  }
}

std::vector<OwedOrder> OwedOrders::list() const {
  std::vector<OwedOrder> owed;
  owed.reserve(size_);
  for (const auto& chunk : chunks_) {
    const std::string_view bytes = chunk->bytes;
    for (const Entry& entry : chunk->entries) {
      if (entry.done) continue;
      owed.push_back(
          {entry.lsn, entry.position, entry.tries, bytes.substr(entry.offset, entry.size)});
    }
  }
  return owed;
}

std::size_t OwedOrders::first_chunk(Lsn from) const {
  const auto found =
      std::lower_bound(chunks_.begin(), chunks_.end(), from,
                       [](const auto& chunk, Lsn lsn) { return chunk->entries.back().lsn < lsn; });
  return static_cast<std::size_t>(found - chunks_.begin());
}

// Gives back the memory of what is done in the chunks first … last - 1.
void OwedOrders::tidy(std::size_t first, std::size_t last) {
  for (std::size_t i = first; i < last; ++i) {
    Chunk& chunk = *chunks_[i];
    if (chunk.done * 2 >= chunk.entries.size() && chunk.done < chunk.entries.size()) {
      compact(chunk);
    }
  }
  const auto begin = chunks_.begin() + static_cast<std::ptrdiff_t>(first);
  const auto end = chunks_.begin() + static_cast<std::ptrdiff_t>(last);
  const auto empty = [](const auto& chunk) { return chunk->done == chunk->entries.size(); };
  chunks_.erase(std::remove_if(begin, end, empty), end);
}

}  // namespace stampede::storage
