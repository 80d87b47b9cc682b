#include "actors/backend/core/busy_items.h"

#include <utility>

namespace stampede::actors {

void BusyItems::make_room(std::uint32_t position) {
  orders_.resize(std::max<std::size_t>(std::size_t{position} + 1, orders_.size() * 2));
}

void BusyItems::look_at(std::uint32_t position) {
  const auto before = [](const Candidate& left, const Candidate& right) {
    return left.busier(right);
  };
  const Candidate one{position, position < orders_.size() ? orders_[position] : 0};
  if (candidates_.size() == kShown) {
    if (!one.busier(candidates_.front())) return;
    std::pop_heap(candidates_.begin(), candidates_.end(), before);
    candidates_.pop_back();
  }
  candidates_.push_back(one);
  std::push_heap(candidates_.begin(), candidates_.end(), before);
}

bool BusyItems::walk(const ItemTable& items, std::size_t most) {
  const auto end = std::min(items.size(), next_ + most);
  for (; next_ < end; ++next_) {
    const auto position = static_cast<std::uint32_t>(next_);
    const auto& item = items[position];
    left_so_far_ += item.amount;
    sold_so_far_ += item.terms.total - item.amount;
    look_at(position);
  }
  if (next_ < items.size()) return false;
  std::sort(candidates_.begin(), candidates_.end(),
            [](const Candidate& left, const Candidate& right) { return left.busier(right); });
  busiest_.clear();
  for (const auto& candidate : candidates_) busiest_.push_back(candidate.position);
  candidates_.clear();
  left_ = std::exchange(left_so_far_, 0);
  sold_ = std::exchange(sold_so_far_, 0);
  next_ = 0;
  return true;
}

std::vector<BusyItem> BusyItems::busiest(const ItemTable& items) const {
  std::vector<BusyItem> shown;
  shown.reserve(busiest_.size());
  for (const auto position : busiest_) {
    const auto& item = items[position];
    shown.push_back({item.id, item.amount, item.terms.total - item.amount});
  }
  return shown;
}

}  // namespace stampede::actors
