#include "actors/sale/promo_table.h"

#include <algorithm>
#include <iterator>

#include "config/process/invariant.h"

namespace stampede::actors {

const PromoTable::Promo* PromoTable::find(std::uint64_t id) const {
  const auto found = promos_.find(id);
  return found == promos_.end() ? nullptr : &found->second;
}

// Windows that are there do not overlap, so of those that begin before its end the last ends last;
// its own may stand behind that one.
const PromoTable::Promo* PromoTable::overlapping(const storage::PromoPut& put) const {
  if (put.starts_at_ms >= put.ends_at_ms) return nullptr;
  auto at = windows_.lower_bound({put.item, put.ends_at_ms});
  while (at != windows_.begin()) {
    --at;
    if (at->first.first != put.item) break;
    const auto& other = promos_.at(at->second);
    if (other.put.promo == put.promo) continue;
    return other.put.ends_at_ms > put.starts_at_ms ? &other : nullptr;
  }
  return nullptr;
}

const PromoTable::Promo* PromoTable::to_show(std::uint64_t item, std::int64_t now_ms) const {
  auto next = windows_.upper_bound({item, now_ms});
  if (next != windows_.begin()) {
    const auto& begun = *std::prev(next);
    if (begun.first.first == item && promos_.at(begun.second).put.ends_at_ms > now_ms)
      return &promos_.at(begun.second);
  }
  return next != windows_.end() && next->first.first == item ? &promos_.at(next->second) : nullptr;
}

std::optional<std::uint64_t> PromoTable::page(std::uint64_t from, std::size_t limit,
                                              std::vector<const Promo*>& promos) const {
  auto at = promos_.lower_bound(from);
  for (; at != promos_.end() && promos.size() < limit; ++at) promos.push_back(&at->second);
  return at == promos_.end() ? std::nullopt : std::optional(at->first);
}

void PromoTable::put(const storage::PromoPut& put, Lsn lsn) {
  auto& promo = promos_[put.promo];
  if (promo.put_lsn != 0) {
    const auto window = windows_.find({promo.put.item, promo.put.starts_at_ms});
    if (window != windows_.end() && window->second == put.promo) windows_.erase(window);
  }
  promo.name = put.name;
  promo.put = put;
  promo.put.request_id = promo.put.name = {};
  promo.put_lsn = lsn;
  if (put.starts_at_ms < put.ends_at_ms) windows_[{put.item, put.starts_at_ms}] = put.promo;
}

void PromoTable::note_order(std::uint64_t id, std::int64_t decided_at_ms) {
  const auto found = promos_.find(id);
  STAMPEDE_ASSERT(found != promos_.end(), "an order is part of a promo that exists");
  found->second.last_order_ms = std::max(found->second.last_order_ms, decided_at_ms);
}

void PromoTable::note_grant(std::uint64_t id, std::uint64_t granted, Lsn lsn) {
  const auto found = promos_.find(id);
  STAMPEDE_ASSERT(found != promos_.end(), "a ticket is of a promo that exists");
  found->second.granted = granted;
  found->second.grant_lsn = lsn;
}

void PromoTable::add_to(Books& books) const {
  for (const auto& [id, promo] : promos_) books.add(promo.terms(), promo.put_lsn, promo.granted);
}

std::size_t PromoTable::memory_bytes() const {
  constexpr std::size_t kNode = 48;  // of a map, beside its value
  std::size_t bytes = windows_.size() * (kNode + sizeof(Window) + sizeof(std::uint64_t));
  for (const auto& [id, promo] : promos_) bytes += kNode + sizeof promo + promo.name.capacity();
  return bytes;
}

void PromoTable::count(storage::SnapshotSummary& summary) const {
  summary.promos = promos_.size();
  summary.grants = static_cast<std::uint64_t>(std::count_if(
      promos_.begin(), promos_.end(), [](const auto& one) { return one.second.granted > 0; }));
}

void PromoTable::save_grants(storage::SnapshotSink& sink) const {
  storage::EntryWriter out(sink.level());
  for (const auto& [id, promo] : promos_)
    if (promo.granted > 0)
      sink.add(storage::SnapshotSection::grants,
               encode(out, storage::SnapshotGrant{id, promo.granted, promo.grant_lsn}));
}

void PromoTable::save(storage::SnapshotSink& sink) const {
  storage::EntryWriter out(sink.level());
  for (const auto& [id, promo] : promos_) {
    sink.add(
        storage::SnapshotSection::promos,
        encode(out, storage::SnapshotPromo{promo.terms(), promo.put_lsn, promo.last_order_ms}));
  }
}

bool PromoTable::load(const storage::SnapshotPromo& entry) {
  const bool ascending = promos_.empty() || promos_.rbegin()->first < entry.put.promo;
  if (!ascending || full() || entry.put.starts_at_ms > entry.put.ends_at_ms) return false;
  put(entry.put, entry.put_lsn);
  promos_.at(entry.put.promo).last_order_ms = entry.last_order_ms;
  return true;
}

bool PromoTable::load(const storage::SnapshotGrant& entry) {
  const auto found = promos_.find(entry.promo);
  if (found == promos_.end() || found->second.granted != 0) return false;
  note_grant(entry.promo, entry.granted, entry.lsn);
  return true;
}

}  // namespace stampede::actors
