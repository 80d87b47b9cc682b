#include "actors/sale/item_table.h"

#include <algorithm>
#include <type_traits>

#include "config/process/invariant.h"

namespace stampede::actors {

std::uint32_t ItemTable::add(std::uint64_t id) {
  const auto position = static_cast<std::uint32_t>(items_.size());
  items_.push_back(Item{.id = id});
  index_.insert(mix(id), position);
  const auto place = std::lower_bound(
      by_id_.begin(), by_id_.end(), id,
      [&](std::uint32_t at, std::uint64_t other) { return items_[at].id < other; });
  by_id_.insert(place, position);
  return position;
}

// --- terms --------------------------------------------------------------------------------------

std::string_view ItemTable::text_at(Name name) const {
  return std::string_view(names_).substr(name.offset, name.size);
}

void ItemTable::keep(Name& kept, std::string_view text) {
  if (text_at(kept) == text) return;
  STAMPEDE_ASSERT(names_.size() + text.size() <= UINT32_MAX, "all item names fit 4 GiB");
  kept = {static_cast<std::uint32_t>(names_.size()), static_cast<std::uint32_t>(text.size())};
  names_ += std::string(text);  // the view may point into names_
}

void ItemTable::set_terms(Item& item, const ItemTerms& terms) {
  each_term(
      [&](const storage::Term&, auto& kept, const auto& value) {
        if constexpr (std::is_same_v<decltype(kept), Name&>)
          keep(kept, value);
        else
          kept = value;
      },
      item.terms, terms);
}

ItemTerms ItemTable::terms(const Item& item) const {
  return storage::with_texts<std::string_view>(item.terms,
                                               [&](Name name) { return text_at(name); });
}

// --- all of them --------------------------------------------------------------------------------

std::optional<std::uint64_t> ItemTable::page(std::uint64_t from, std::size_t limit,
                                             std::vector<ItemRow>& rows) const {
  auto at = std::lower_bound(by_id_.begin(), by_id_.end(), from,
                             [&](std::uint32_t p, std::uint64_t id) { return items_[p].id < id; });
  for (; at != by_id_.end() && rows.size() < limit; ++at) rows.push_back(row(items_[*at]));
  return at == by_id_.end() ? std::nullopt : std::optional(items_[*at].id);
}

void ItemTable::add_to(Books& books) const {
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const auto& item = items_[i];
    books.add(item.id, item.amount, item.terms.total - item.amount);
  }
}

std::size_t ItemTable::memory_bytes() const {
  return items_.memory_bytes() + index_.memory_bytes() + by_id_.capacity() * sizeof(std::uint32_t) +
         names_.capacity();
}

// --- snapshots ----------------------------------------------------------------------------------

void ItemTable::save(storage::SnapshotSink& sink) const {
  storage::EntryWriter out(sink.level());
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const auto& item = items_[i];
    const storage::SnapshotItem entry{item.id, terms(item), item.amount, item.put_lsn, item.seq};
    sink.add(storage::SnapshotSection::items, encode(out, entry));
  }
}

void ItemTable::reserve(const storage::SnapshotSummary& summary) {
  index_.reserve(summary.items);
  by_id_.reserve(summary.items);
}

bool ItemTable::load(const storage::SnapshotItem& entry) {
  if (entry.id > kItemIdMax || !can_keep(entry.terms) || find(entry.id) != kNone) return false;
  auto& item = items_[add(entry.id)];
  set_terms(item, entry.terms);
  item.amount = entry.amount;
  item.seq = entry.lsn;
  item.put_lsn = entry.put_lsn;
  return true;
}

}  // namespace stampede::actors
