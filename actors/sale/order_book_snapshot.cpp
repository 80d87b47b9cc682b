// Saving and loading of an OrderBook; the entries are storage/snapshot/snapshot_entries.h's.

#include <algorithm>

#include "actors/sale/order_book.h"

namespace stampede::actors {

using storage::EntryReader;
using storage::EntryWriter;
using storage::SnapshotSection;

void OrderBook::count(storage::SnapshotSummary& summary) const {
  summary.items = items_.size();
  summary.users = users_.size();
  summary.known = known_.size();
  summary.rejections = rejections_.size();
  summary.rejections_max = limits_.rejections_max;
}

void OrderBook::save(storage::SnapshotSink& sink) const {
  EntryWriter out;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const auto& item = items_[i];
    sink.add(SnapshotSection::items,
             encode(out, storage::SnapshotItem{item.id, terms_of(item), item.amount, item.put_lsn,
                                               item.seq}));
  }
  for (std::size_t i = 0; i < users_.size(); ++i)
    sink.add(SnapshotSection::users,
             encode(out, storage::SnapshotUser{users_[i].key, users_[i].qty}));
  for (std::size_t i = 0; i < known_.size(); ++i)
    sink.add(SnapshotSection::known, encode(out, known_[i]));
  for (std::size_t i = 0; i < rejections_.size(); ++i)
    sink.add(SnapshotSection::rejections,
             encode(out, rejections_[(oldest_rejection_ + i) % rejections_.size()]));
}

void OrderBook::reserve(const storage::SnapshotSummary& summary) {
  item_index_.reserve(summary.items);
  items_by_id_.reserve(summary.items);
  user_index_.reserve(summary.users);
  known_index_.reserve(summary.known + std::min(summary.rejections, limits_.rejections_max));
}

bool OrderBook::load_item(EntryReader& in) {
  storage::SnapshotItem entry;
  if (!decode(in, entry) || entry.id > kItemIdMax || !can_keep(entry.terms) ||
      find_item(entry.id) != DenseIndex::kNone)
    return false;
  auto& item = items_[add_item(entry.id)];
  set_terms(item, entry.terms);
  item.amount = entry.amount;
  item.seq = entry.lsn;
  item.put_lsn = entry.put_lsn;
  return true;
}

bool OrderBook::load_user(EntryReader& in) {
  storage::SnapshotUser entry;
  if (!decode(in, entry)) return false;
  const auto position = static_cast<std::uint32_t>(users_.size());
  users_.push_back({entry.key, entry.qty});
  user_index_.insert(entry.key, position);
  return true;
}

bool OrderBook::load_decision(EntryReader& in, SnapshotSection section) {
  Known known;
  if (!decode(in, known) || known.item_position >= items_.size() || known.qty > kQtyMax)
    return false;
  const bool rejected = known.kind == KnownKind::rejected;
  if (rejected != (section == SnapshotSection::rejections)) return false;
  if (rejected) return remember_rejection(known), true;
  if (known_.size() > 0 && known_[known_.size() - 1].lsn >= known.lsn) return false;
  remember(known);
  if (known.kind == KnownKind::confirmed) ++confirmed_;
  return true;
}

// Asks for the index's line of an entry that is still some way off.
void OrderBook::prefetch_known(std::string_view rest) const {
  constexpr std::size_t kAhead = 24 * storage::kKnownDecisionBytes;
  if (rest.size() < kAhead + storage::kKnownDecisionBytes) return;
  EntryReader far(rest.substr(kAhead));
  known_index_.prefetch(far.number<std::uint64_t>());  // the hash comes first
}

bool OrderBook::load(SnapshotSection section, EntryReader& in, std::uint32_t entries) {
  for (std::uint32_t i = 0; i < entries; ++i) {
    if (section == SnapshotSection::known || section == SnapshotSection::rejections)
      prefetch_known(in.rest());
    bool loaded = false;
    if (section == SnapshotSection::items) loaded = load_item(in);
    if (section == SnapshotSection::users) loaded = load_user(in);
    if (section == SnapshotSection::known || section == SnapshotSection::rejections)
      loaded = load_decision(in, section);
    if (!loaded) return false;
  }
  return true;
}

}  // namespace stampede::actors
