#pragma once

// Virtual time in microseconds and what happens in it, in one order: by time, then as scheduled.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "config/invariant.h"

namespace stampede::sim {

using Time = std::int64_t;
inline constexpr Time kMs = 1000;
inline constexpr Time kSecond = 1000 * kMs;

class EventQueue {
 public:
  using Action = std::function<void()>;

  void at(Time when, Action action) {
    std::uint32_t slot = 0;
    if (free_.empty()) {
      slot = static_cast<std::uint32_t>(actions_.size());
      actions_.push_back(std::move(action));
    } else {
      slot = free_.back();
      free_.pop_back();
      actions_[slot] = std::move(action);
    }
    const auto time = static_cast<std::uint64_t>(when < now_ ? now_ : when);
    STAMPEDE_ASSERT(time < kTimeMax, "virtual time fits a key");
    events_.push_back({time << 32 | next_seq_++, slot});
    std::push_heap(events_.begin(), events_.end(), Later{});
  }
  void in(Time delay, Action action) { at(now_ + delay, std::move(action)); }

  // Runs the next event; false: there is none.
  bool step() {
    if (events_.empty()) return false;
    std::pop_heap(events_.begin(), events_.end(), Later{});
    const auto event = events_.back();
    events_.pop_back();
    now_ = static_cast<Time>(event.key >> 32);
    ++steps_;
    const auto action = std::exchange(actions_[event.slot], nullptr);
    free_.push_back(event.slot);
    action();
    return true;
  }
  [[nodiscard]] Time now() const { return now_; }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }

 private:
  static constexpr std::uint64_t kTimeMax = std::uint64_t{1} << 32;
  struct Event {
    std::uint64_t key;  // its time, then its number in the order of scheduling
    std::uint32_t slot;
  };
  struct Later {
    bool operator()(const Event& a, const Event& b) const { return a.key > b.key; }
  };
  std::vector<Event> events_;    // a heap
  std::vector<Action> actions_;  // by slot
  std::vector<std::uint32_t> free_;
  Time now_ = 0;
  std::uint32_t next_seq_ = 0;
  std::uint64_t steps_ = 0;
};

}  // namespace stampede::sim
