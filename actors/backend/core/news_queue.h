#pragma once

// Items whose durable state changed and is still to be told, the longest waiting first; before all
// others those that sold out or came back, since webapps turn orders away by it. Owned by
// BackendCore; pure, one thread. An item is its position in the OrderBook; it waits once, and once
// more where it sold out or came back meanwhile.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace stampede::actors {

class NewsQueue {
 public:
  // `left`: units of the item, now.
  void push(std::uint32_t item, std::int64_t left) {
    if (states_.size() <= item) states_.resize(std::size_t{item} + 1);
    auto& state = states_[item];
    const bool notice = left <= 0 || (state & kToldSoldOut) != 0;
    const auto waits = notice ? kWaitsFirst : kWaits;
    if ((state & waits) != 0) return;
    state |= waits;
    (notice ? first_ : items_).push_back(item);
  }
  std::optional<std::uint32_t> pop() {  // nothing: nobody waits
    const bool notice = !first_.empty();
    auto& queue = notice ? first_ : items_;
    if (queue.empty()) return std::nullopt;
    const auto item = queue.front();
    queue.pop_front();
    states_[item] &= static_cast<std::uint8_t>(~(notice ? kWaitsFirst : kWaits));
    return item;
  }
  // What was said of one that was popped.
  void told(std::uint32_t item, std::int64_t left) {
    auto& state = states_[item];
    state = static_cast<std::uint8_t>(left <= 0 ? state | kToldSoldOut : state & ~kToldSoldOut);
  }

 private:
  static constexpr std::uint8_t kWaits = 1;
  static constexpr std::uint8_t kWaitsFirst = 2;
  static constexpr std::uint8_t kToldSoldOut = 4;

  std::deque<std::uint32_t> first_;
  std::deque<std::uint32_t> items_;
  std::vector<std::uint8_t> states_;  // by position
};

}  // namespace stampede::actors
