#pragma once

// A map of bounded size: when it is full, what was not used for longest goes. Pure, one thread.
// Memory: about 80 bytes an entry, and what its value holds.

#include <cstddef>
#include <list>
#include <unordered_map>
#include <utility>

namespace stampede::actors {

template <class Key, class Value>
class RecentTable {
 public:
  explicit RecentTable(std::size_t entries_max) : entries_max_(entries_max) {}

  [[nodiscard]] std::size_t size() const { return index_.size(); }
  [[nodiscard]] bool empty() const { return index_.empty(); }

  // Looks without using. Null: it is not there. Valid until the next change.
  [[nodiscard]] Value* find(const Key& key) {
    const auto found = index_.find(key);
    return found == index_.end() ? nullptr : &found->second->second;
  }
  [[nodiscard]] const Value* find(const Key& key) const {
    const auto found = index_.find(key);
    return found == index_.end() ? nullptr : &found->second->second;
  }
  [[nodiscard]] Value* use(const Key& key) {
    const auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->second;
  }
  // The key must not be there. With no room at all nothing is kept.
  void add(const Key& key, Value value) {
    if (entries_max_ == 0) return;
    if (index_.size() >= entries_max_) {
      index_.erase(entries_.back().first);
      entries_.pop_back();
    }
    entries_.emplace_front(key, std::move(value));
    index_.emplace(key, entries_.begin());
  }
  bool erase(const Key& key) {
    const auto found = index_.find(key);
    if (found == index_.end()) return false;
    entries_.erase(found->second);
    index_.erase(found);
    return true;
  }
  void clear() {
    index_.clear();
    entries_.clear();
  }

 private:
  using Entries = std::list<std::pair<Key, Value>>;

  std::size_t entries_max_;
  Entries entries_;  // the one that was used last first
  std::unordered_map<Key, typename Entries::iterator> index_;
};

}  // namespace stampede::actors
