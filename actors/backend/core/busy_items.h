#pragma once

// Which items have most orders since this backend began, and how many units there are of all: for
// the metrics, whose series of single items are bounded. An order costs one count; who the busiest
// are is found by a walk over all items, a piece at a time. Pure, one thread; 4 bytes an item.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "actors/sale/item_table.h"

namespace stampede::actors {

struct BusyItem {
  std::uint64_t item = 0;
  std::int64_t left = 0;
  std::int64_t sold = 0;  // or held
};

class BusyItems {
 public:
  static constexpr std::size_t kShown = 100;

  // An order of the item at this position was decided.
  void note(std::uint32_t position) {
    if (position >= orders_.size()) [[unlikely]]
      make_room(position);
    ++orders_[position];
  }

  // Goes on with the walk, over `most` items. True: it has come to its end; what follows is as of
  // then.
  bool walk(const ItemTable& items, std::size_t most);
  [[nodiscard]] std::int64_t left() const { return left_; }  // units of all items
  [[nodiscard]] std::int64_t sold() const { return sold_; }
  // At most kShown, busiest first; of equally busy ones those that came first. Their units are as
  // of now.
  [[nodiscard]] std::vector<BusyItem> busiest(const ItemTable& items) const;

 private:
  struct Candidate {
    std::uint32_t position = 0;
    std::uint32_t orders = 0;
    // Whether it goes before the other.
    [[nodiscard]] bool busier(const Candidate& other) const {
      return orders != other.orders ? orders > other.orders : position < other.position;
    }
  };
  void make_room(std::uint32_t position);
  void look_at(std::uint32_t position);

  std::vector<std::uint32_t> orders_;   // by position
  std::vector<Candidate> candidates_;   // of this walk; a heap with the least busy on top
  std::vector<std::uint32_t> busiest_;  // of the last whole one
  std::size_t next_ = 0;                // of this walk
  std::int64_t left_ = 0, sold_ = 0;
  std::int64_t left_so_far_ = 0, sold_so_far_ = 0;
};

}  // namespace stampede::actors
