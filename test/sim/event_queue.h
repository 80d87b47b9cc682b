#pragma once

// Virtual time in microseconds and what happens in it, in one order: by time, then as scheduled.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "config/process/invariant.h"

namespace stampede::sim {

using Time = std::int64_t;
inline constexpr Time kMs = 1000;
inline constexpr Time kSecond = 1000 * kMs;

class EventQueue {
 public:
  EventQueue() = default;
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;
  ~EventQueue() {
    while (auto* event = take_first()) recycle(event);
  }

  // `action` is called once, at `when` or now.
  template <class F>
  void at(Time when, F&& action) {
    using Action = std::decay_t<F>;
    if constexpr (sizeof(Action) > kRoom) {
      at(when, [boxed = std::make_unique<Action>(std::forward<F>(action))] { (*boxed)(); });
    } else {
      auto* event = new_event();
      event->time = when < now_ ? now_ : when;
      STAMPEDE_ASSERT(event->time < kTimeMax, "virtual time fits the wheels");
      ::new (event->room) Action(std::forward<F>(action));
      event->run = [](void* room) { (*static_cast<Action*>(room))(); };
      event->destroy = nullptr;
      if constexpr (!std::is_trivially_destructible_v<Action>)
        event->destroy = [](void* room) { static_cast<Action*>(room)->~Action(); };
      put(event);
    }
  }
  template <class F>
  void in(Time delay, F&& action) {
    at(now_ + delay, std::forward<F>(action));
  }

  // Runs the next event; false: there is none.
  bool step() {
    auto* event = take_first();
    if (event == nullptr) return false;
    now_ = event->time;
    ++steps_;
    const Recycled when_done{*this, event};
    event->run(event->room);
    return true;
  }
  [[nodiscard]] Time now() const { return now_; }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }

 private:
  static constexpr unsigned kDigit = 6;  // bits
  static constexpr unsigned kWheels = 6;
  static constexpr Time kTimeMax = Time{1} << (kDigit * kWheels);
  static constexpr std::size_t kRoom = 160;
  static constexpr std::size_t kChunk = 64;  // events

  struct Event {
    Event* next;
    Time time;
    void (*run)(void* room);
    void (*destroy)(void* room);  // null: nothing to do
    alignas(std::max_align_t) std::byte room[kRoom];
  };
  struct List {  // as scheduled
    Event* first = nullptr;
    Event* last = nullptr;
  };
  struct Recycled {  // the event may throw
    EventQueue& queue;
    Event* event;
    ~Recycled() { queue.recycle(event); }
  };

  Event* new_event() {
    if (free_ == nullptr) {
      auto& chunk = chunks_.emplace_back(new Event[kChunk]);
      for (std::size_t i = 0; i < kChunk; ++i) {
        chunk[i].next = free_;
        free_ = &chunk[i];
      }
    }
    return std::exchange(free_, free_->next);
  }
  void recycle(Event* event) {
    if (event->destroy != nullptr) event->destroy(event->room);
    event->next = std::exchange(free_, event);
  }

  // Timing wheels (Varghese, Lauck 1987): an event lies in the wheel of the highest digit in which
  // its time differs from now, at the place of that digit. So all of one time lie in one list.
  void put(Event* event) {
    const auto differs = static_cast<std::uint64_t>(event->time ^ now_) | 1;
    const auto wheel = (static_cast<unsigned>(std::bit_width(differs)) - 1) / kDigit;
    const auto digit = (event->time >> (wheel * kDigit)) & ((1 << kDigit) - 1);
    auto& list = wheels_[wheel][static_cast<std::size_t>(digit)];
    event->next = nullptr;
    (list.first == nullptr ? list.first : list.last->next) = event;
    list.last = event;
    places_[wheel] |= std::uint64_t{1} << digit;
    filled_ |= 1U << wheel;
  }

  // Its list is the first of the fastest wheel; the others there come closer. Null: no event.
  Event* take_first() {
    if (filled_ == 0) return nullptr;
    const auto wheel = static_cast<unsigned>(std::countr_zero(filled_));
    auto& places = places_[wheel];
    auto& list = wheels_[wheel][static_cast<std::size_t>(std::countr_zero(places))];
    auto* event = list.first;
    if (wheel == 0 && event->next != nullptr) {  // all at the same time
      list.first = event->next;
      return event;
    }
    list.first = nullptr;
    places &= places - 1;
    if (places == 0) filled_ &= filled_ - 1;
    return event->next == nullptr ? event : spread(event);
  }

  // Takes the earliest of a list out, and puts the others where they belong from its time on.
  Event* spread(Event* list) {
    auto* earliest = list;
    for (auto* event = list->next; event != nullptr; event = event->next)
      if (event->time < earliest->time) earliest = event;
    now_ = earliest->time;
    while (list != nullptr) {
      auto* event = std::exchange(list, list->next);
      if (event != earliest) put(event);
    }
    return earliest;
  }

  std::array<std::array<List, 1U << kDigit>, kWheels> wheels_;
  std::array<std::uint64_t, kWheels> places_{};  // of each wheel, one bit a list
  unsigned filled_ = 0;                          // one bit a wheel
  std::vector<std::unique_ptr<Event[]>> chunks_;
  Event* free_ = nullptr;
  Time now_ = 0;
  std::uint64_t steps_ = 0;
};

}  // namespace stampede::sim
