#pragma once

// Items whose durable state changed and is still to be told, each once, the longest waiting first.
// Owned by BackendCore; pure, one thread. An item is its position in the OrderBook; at most as many
// wait as there are items.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace stampede::actors {

class NewsQueue {
 public:
  void push(std::uint32_t item) {
    if (waiting_.size() <= item) waiting_.resize(std::size_t{item} + 1);
    if (waiting_[item]) return;
    waiting_[item] = true;
    items_.push_back(item);
  }
  [[nodiscard]] bool empty() const { return items_.empty(); }
  std::uint32_t pop() {  // not from an empty one
    const auto item = items_.front();
    items_.pop_front();
    waiting_[item] = false;
    return item;
  }

 private:
  std::deque<std::uint32_t> items_;
  std::vector<bool> waiting_;  // by position: it is in items_
};

}  // namespace stampede::actors
