#pragma once

// Of all commands of one type, the newest of each item, and whether it is executed. That is all
// recovery has to know of the item commands: their effect is absolute, so whatever is older is
// settled either by an executed newer one or by the newest, which will be applied. The same holds
// of whatever else has absolute commands, a promo, or an order that was confirmed.
// Part of ReplayFold. Memory: one state per changed item, one index entry per owed one (and a
// bounded number of stale ones). Thread-compatible: one thread. No I/O, no errors.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "storage/lsn.h"

namespace stampede::storage {

struct ItemLsn {
  std::uint64_t item = 0;
  Lsn lsn = 0;
};

// Value: what is kept of the newest command, the amount or the payload. Of keys that are as many
// as orders nothing is kept once their newest command is executed.
enum class OnceExecuted { kept, forgotten };
template <class Value, OnceExecuted kOnceExecuted = OnceExecuted::kept>
class NewestPerItem {
 public:
  struct Newest {
    Lsn lsn = 0;
    std::uint32_t position = 0;
    bool executed = false;
    std::uint32_t tries = 0;  // refused so often
    Value value{};
  };

  // lsns never decrease, and positions do not inside one lsn.
  void emitted(std::uint64_t item, Lsn lsn, std::uint32_t position, Value value) {
    auto [at, added] = states_.try_emplace(item);
    Newest& newest = at->second;
    if (added || newest.executed) ++owed_;
    if (!added && newest.tries > 0) --failed_;
    newest = {lsn, position, false, 0, std::move(value)};
    if (index_.size() >= 2 * owed_ + kStaleMax) sweep();
    index_.push_back({lsn, item, position});
  }

  // Every command at `position` of the sets from … to (inclusive) is executed. The last of those
  // that were owed; lsn 0: none was.
  ItemLsn executed(std::uint32_t position, Lsn from, Lsn to) {
    ItemLsn last;
    each_newest(position, from, to, [&](std::uint64_t item, Newest& newest) {
      newest.executed = true;
      newest.value = Value{};
      --owed_;
      if (std::exchange(newest.tries, 0) > 0) --failed_;
      last = {item, newest.lsn};
      if constexpr (kOnceExecuted == OnceExecuted::forgotten) states_.erase(item);
    });
    return last;
  }

  // Refused `tries` times by now, at least 1.
  void failed(std::uint32_t position, Lsn lsn, std::uint32_t tries) {
    each_newest(position, lsn, lsn, [this, tries](std::uint64_t, Newest& newest) {
      if (newest.tries == 0) ++failed_;
      newest.tries = std::max(newest.tries, tries);
    });
  }

  // Of the item's newest command, 0 when there is none.
  [[nodiscard]] Lsn newest_lsn(std::uint64_t item) const {
    const auto found = states_.find(item);
    return found == states_.end() ? 0 : found->second.lsn;
  }
  [[nodiscard]] std::uint64_t owed_count() const { return owed_; }
  [[nodiscard]] std::uint64_t failed_count() const { return failed_; }

  // Calls fn(item, Newest) for each item whose newest command is owed, in lsn order.
  template <class Fn>
  void each_owed(Fn fn) const {
    for (const Entry& entry : index_)
      if (const auto* newest = current(states_, entry)) fn(entry.item, *newest);
  }

 private:
  static constexpr std::size_t kStaleMax = 65536;

  struct Entry {
    Lsn lsn;
    std::uint64_t item;
    std::uint32_t position;
  };

  // Of an entry whose command is still the newest and owed; else null.
  template <class States>
  static auto* current(States& states, const Entry& entry) {
    const auto found = states.find(entry.item);
    if (found == states.end()) return static_cast<decltype(&found->second)>(nullptr);
    auto& newest = found->second;
    const bool same = newest.lsn == entry.lsn && newest.position == entry.position;
    return same && !newest.executed ? &newest : nullptr;
  }

  template <class Fn>
  void each_newest(std::uint32_t position, Lsn from, Lsn to, Fn fn) {
    auto entry = std::lower_bound(index_.begin(), index_.end(), from,
                                  [](const Entry& a, Lsn lsn) { return a.lsn < lsn; });
    for (; entry != index_.end() && entry->lsn <= to; ++entry) {
      if (entry->position != position) continue;
      if (auto* newest = current(states_, *entry)) fn(entry->item, *newest);
    }
  }

  // Forgets entries that a newer command or an EXEC has made meaningless.
  void sweep() {
    std::erase_if(index_,
                  [this](const Entry& entry) { return current(states_, entry) == nullptr; });
  }

  std::unordered_map<std::uint64_t, Newest> states_;  // by item
  std::vector<Entry> index_;                          // ascending by lsn, position
  std::uint64_t owed_ = 0;
  std::uint64_t failed_ = 0;
};

}  // namespace stampede::storage
