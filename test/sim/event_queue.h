#pragma once

// Virtual time in microseconds and what happens in it, in one order: by time, then as scheduled.

#include <algorithm>
#include <array>
#include <bit>
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
    put({time << 32 | next_seq_++, slot});
  }
  void in(Time delay, Action action) { at(now_ + delay, std::move(action)); }

  // Runs the next event; false: there is none.
  bool step() {
    if (filled_ == 0) return false;
    const auto event = take_first();
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

  // A radix heap (Ahuja, Mehlhorn, Orlin, Tarjan 1990), which needs what time has: nothing comes
  // before what was taken last. Bucket b holds the keys whose highest bit that differs from the
  // last key taken is b.
  void put(Event event) {
    const auto bucket = static_cast<unsigned>(std::bit_width(event.key ^ last_key_)) - 1;
    buckets_[bucket].push_back(event);
    filled_ |= std::uint64_t{1} << bucket;
  }
  Event take_first() {
    const auto lowest = static_cast<unsigned>(std::countr_zero(filled_));
    auto& bucket = buckets_[lowest];
    const auto first = std::min_element(bucket.begin(), bucket.end(),
                                        [](auto& a, auto& b) { return a.key < b.key; });
    const auto event = *first;
    *first = bucket.back();
    bucket.pop_back();
    last_key_ = event.key;
    filled_ &= filled_ - 1;
    for (const auto& other : bucket) put(other);  // all into lower ones
    bucket.clear();
    return event;
  }

  std::array<std::vector<Event>, 64> buckets_;
  std::uint64_t filled_ = 0;  // one bit a bucket
  std::uint64_t last_key_ = 0;
  std::vector<Action> actions_;  // by slot
  std::vector<std::uint32_t> free_;
  Time now_ = 0;
  std::uint32_t next_seq_ = 1;  // no key is 0
  std::uint64_t steps_ = 0;
};

}  // namespace stampede::sim
