#include "actors/webapp/core/edge_stock.h"

#include <algorithm>
#include <utility>

#include "config/process/invariant.h"

namespace stampede::actors {

Lsn EdgeStock::ask(std::int64_t now_us) {
  STAMPEDE_ASSERT(!asking_, "one question is open at a time");
  asking_ = true;
  asked_us_ = now_us;
  next_us_ = now_us - now_us % refresh_us_ + refresh_us_;
  return upto_;
}

// Whatever an answer says is as of a moment after its question was sent, and so after all answers
// before it.
void EdgeStock::on_changes(const ItemChanges& changes, const std::vector<ItemRow>& rows) {
  asking_ = false;
  if (changes.anew) doubt_all();
  upto_ = 0;  // of these all are believed
  for (const auto& row : rows) take(row.item, row.seq, row.left);
  upto_ = changes.upto;
  if (changes.more) {
    next_us_ = asked_us_;
    return;
  }
  known_ = true;
  as_of_us_ = asked_us_;
  doubts_.insert(doubts_.end(), later_.begin(), later_.end());
  later_.clear();
}

void EdgeStock::begin_anew() {
  doubt_all();
  upto_ = 0;
  known_ = false;
  next_us_ = 0;
}

void EdgeStock::take(std::uint64_t item, Lsn seq, std::int64_t left) {
  auto* known = marks_.find(item);
  if (left > 0) return come_back(item, seq, left);
  if (known == nullptr) {
    if (seq > upto_) mark(item, seq);
  } else if (seq > *known) {
    *known = seq;
  }
  if (const auto told = told_.find(item); told != told_.end())
    told->second = {std::max(told->second.seq, seq), false};
}

void EdgeStock::come_back(std::uint64_t item, Lsn seq, std::int64_t left) {
  const auto* known = marks_.find(item);
  const auto told = told_.find(item);
  const bool newer =
      known != nullptr ? seq > *known : told != told_.end() && seq > told->second.seq;
  if (!newer) return;
  if (known != nullptr) marks_.erase(item);
  if (told != told_.end()) told_.erase(told);
  output_.notice({item, seq, left});
}

void EdgeStock::mark(std::uint64_t item, Lsn seq) {
  marks_.add(item, seq);
  if (told_.size() < kToldMax) told_.try_emplace(item, Told{seq});
  output_.notice({item, seq, 0});
}

// No mark is believed, and whether what was told is still so nothing says by itself.
void EdgeStock::doubt_all() {
  marks_.clear();
  doubts_.clear();
  later_.clear();
  for (auto& [item, told] : told_) {
    told.doubted = true;
    doubts_.push_back(item);
  }
}

std::optional<std::uint64_t> EdgeStock::doubt() {
  while (!doubts_.empty()) {
    const auto item = doubts_.front();
    doubts_.pop_front();
    const auto told = told_.find(item);
    if (told != told_.end() && std::exchange(told->second.doubted, false)) return item;
  }
  return std::nullopt;
}

void EdgeStock::doubt_again(std::uint64_t item) {
  const auto told = told_.find(item);
  if (told == told_.end() || std::exchange(told->second.doubted, true)) return;
  later_.push_back(item);
}

bool EdgeStock::sold_out(std::uint64_t item, std::int64_t now_us) {
  return recent(now_us) && marks_.use(item) != nullptr;
}

}  // namespace stampede::actors
