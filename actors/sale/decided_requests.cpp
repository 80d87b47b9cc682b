#include "actors/sale/decided_requests.h"

#include <algorithm>

#include "actors/memory/near_search.h"
#include "actors/sale/entries_ahead.h"
#include "config/process/invariant.h"

namespace stampede::actors {

using storage::SnapshotSection;

DecidedRequests::DecidedRequests(std::uint64_t orders_max, std::uint64_t rejections_max)
    : orders_max_(orders_max), rejections_max_(rejections_max) {
  STAMPEDE_ASSERT(orders_max < kEntriesMax, "orders_max fits the index");
  STAMPEDE_ASSERT(rejections_max > 0 && rejections_max < kEntriesMax,
                  "rejections_max fits the index");
}

std::uint32_t DecidedRequests::find_kept(const storage::RequestHash& hash) const {
  return index_.find(index_hash(hash), [&](std::uint32_t position) {
    return (position & kRejection) == 0 && known_[position].hash == hash;
  });
}

std::uint32_t DecidedRequests::find_kept(storage::Lsn lsn, std::uint32_t near) const {
  const auto at =
      first_not_before(kept(), near, [&](std::uint32_t one) { return known_[one].lsn < lsn; });
  return at < kept() && known_[at].lsn == lsn ? at : kNone;
}

void DecidedRequests::remember_rejection(const Rejection& rejection) {
  auto position = static_cast<std::uint32_t>(rejections_.size());
  if (position < rejections_max_) {
    rejections_.push_back(rejection);
  } else {
    position = static_cast<std::uint32_t>(oldest_rejection_);
    forget_oldest_rejection();
    rejections_[position] = rejection;
  }
  index_.insert(index_hash(rejection.decision.hash), position | kRejection);
}

void DecidedRequests::forget_oldest_rejection() {
  const auto position = static_cast<std::uint32_t>(oldest_rejection_);
  index_.erase(index_hash(rejections_[position].decision.hash), position | kRejection);
  oldest_rejection_ = (oldest_rejection_ + 1) % rejections_.size();
  // Those that are forgotten soon: their lines of the index are long out of the caches.
  constexpr std::size_t kAhead = 16;
  const auto& soon = rejections_[(oldest_rejection_ + kAhead) % rejections_.size()];
  index_.prefetch(index_hash(soon.decision.hash));
}

bool DecidedRequests::make_room(std::uint64_t orders) {
  const auto known = std::min(known_.size() + orders, orders_max_);
  const auto rejections = std::min(rejections_.size() + orders, rejections_max_);
  if (index_.make_room(known + rejections)) return true;
  if (known_.room() < known) return known_.make_room(), true;
  if (rejections_.room() < rejections) return rejections_.make_room(), true;
  return false;
}

// --- snapshots ----------------------------------------------------------------------------------

void DecidedRequests::count(storage::SnapshotSummary& summary) const {
  summary.known = known_.size();
  summary.rejections = rejections_.size();
  summary.rejections_max = rejections_max_;
}

void DecidedRequests::save(storage::SnapshotSink& sink) const {
  storage::EntryWriter out(sink.level());
  for (std::size_t i = 0; i < known_.size(); ++i)
    sink.add(SnapshotSection::known, encode(out, known_[i]));
  for (std::size_t i = 0; i < rejections_.size(); ++i)
    sink.add(SnapshotSection::rejections,
             encode(out, rejections_[(oldest_rejection_ + i) % rejections_.size()]));
}

void DecidedRequests::reserve(const storage::SnapshotSummary& summary) {
  index_.reserve(summary.known + std::min(summary.rejections, rejections_max_));
}

bool DecidedRequests::load(const Known& known) {
  if (known.kind == Kind::rejected) return false;
  if (known_.size() > 0 && known_[known_.size() - 1].lsn >= known.lsn) return false;
  remember(known);
  return true;
}

bool DecidedRequests::load(const Rejection& rejection) {
  if (rejection.decision.kind != Kind::rejected) return false;
  remember_rejection(rejection);
  return true;
}

void DecidedRequests::prefetch_ahead(std::string_view block, std::size_t entry_bytes) const {
  look_at_entry_ahead(block, entry_bytes, [this](auto hash) { index_.prefetch(hash); });
}

}  // namespace stampede::actors
