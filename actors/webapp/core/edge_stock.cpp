#include "actors/webapp/core/edge_stock.h"

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
  if (changes.anew) marks_.clear();
  upto_ = 0;  // of these all are believed
  for (const auto& row : rows) take(row.item, row.seq, row.left);
  upto_ = changes.upto;
  if (changes.more) {
    next_us_ = asked_us_;
    return;
  }
  known_ = true;
  as_of_us_ = asked_us_;
}

void EdgeStock::begin_anew() {
  marks_.clear();
  upto_ = 0;
  known_ = false;
  next_us_ = 0;
}

void EdgeStock::take(std::uint64_t item, Lsn seq, std::int64_t left) {
  auto* known = marks_.find(item);
  if (known == nullptr) {
    if (left <= 0 && seq > upto_) mark(item, seq);
    return;
  }
  if (seq <= *known) return;
  if (left <= 0) {
    *known = seq;
    return;
  }
  marks_.erase(item);
  output_.notice({item, seq, left});
}

void EdgeStock::mark(std::uint64_t item, Lsn seq) {
  marks_.add(item, seq);
  output_.notice({item, seq, 0});
}

bool EdgeStock::sold_out(std::uint64_t item, std::int64_t now_us) {
  return recent(now_us) && marks_.use(item) != nullptr;
}

}  // namespace stampede::actors
