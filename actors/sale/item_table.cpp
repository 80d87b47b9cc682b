#include "actors/sale/item_table.h"

#include <type_traits>
#include <utility>

#include "config/process/invariant.h"

namespace stampede::actors {

std::uint32_t ItemTable::add(std::uint64_t id) {
  const auto position = static_cast<std::uint32_t>(items_.size());
  items_.push_back(Item{.id = id});
  index_.insert(mix(id), position);
  by_id_.add(id, position, [this](std::uint32_t at) { return items_[at].id; });
  return position;
}

// --- terms --------------------------------------------------------------------------------------

std::string_view ItemTable::text_at(Name name) const {
  return std::string_view(names_).substr(name.offset, name.size);
}

void ItemTable::keep(Name& kept, std::string_view view) {
  if (text_at(kept) == view) return;
  constexpr std::size_t kOldNamesMax = std::size_t{1} << 20;
  const std::string text(view);  // it may point into names_
  old_names_ += std::exchange(kept, {}).size;
  if (old_names_ > kOldNamesMax && old_names_ > names_.size() / 2) drop_old_names();
  STAMPEDE_ASSERT(names_.size() + text.size() <= UINT32_MAX, "all item names fit 4 GiB");
  kept = {static_cast<std::uint32_t>(names_.size()), static_cast<std::uint32_t>(text.size())};
  names_ += text;
}

void ItemTable::drop_old_names() {
  std::string names;
  names.reserve(names_.size() - old_names_);
  for (std::size_t i = 0; i < items_.size(); ++i) {
    auto& name = items_[i].terms.name;
    const auto offset = static_cast<std::uint32_t>(names.size());
    names += text_at(name);
    name.offset = offset;
  }
  names_ = std::move(names);
  old_names_ = 0;
}

void ItemTable::set_terms(Item& item, const ItemTerms& terms, const ItemSale& sale) {
  each_term(
      [&](const storage::Term&, auto& kept, const auto& value) {
        if constexpr (std::is_same_v<decltype(kept), Name&>)
          keep(kept, value);
        else
          kept = value;
      },
      item.terms, terms);
  if (storage::sale_terms(sale) == 0) {
    more_.erase(item.id);
    return;
  }
  More more{terms.max_qty, copy_of(sale)};  // texts of `sale` may be those that are replaced
  more_[item.id] = std::move(more);
  item.terms.max_qty = 0;
}

ItemTerms ItemTable::terms(const Item& item) const {
  auto terms =
      storage::with_texts<std::string_view>(item.terms, [&](Name name) { return text_at(name); });
  terms.max_qty = max_qty(item);
  return terms;
}

// --- all of them --------------------------------------------------------------------------------

std::optional<std::uint64_t> ItemTable::page(std::uint64_t from, std::size_t limit,
                                             std::vector<ItemRow>& rows) const {
  std::optional<std::uint64_t> next;
  const auto take = [&](std::uint32_t at) {
    if (rows.size() < limit)
      rows.push_back(row(items_[at]));
    else
      next = items_[at].id;
    return !next;
  };
  by_id_.each_from(
      from, [this](std::uint32_t at) { return items_[at].id; }, take);
  return next;
}

void ItemTable::add_to(Books& books) const {
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const auto& item = items_[i];
    books.add(item.id, item.amount, item.terms.total - item.amount);
  }
}

std::size_t ItemTable::memory_bytes() const {
  return items_.memory_bytes() + index_.memory_bytes() + by_id_.memory_bytes() + names_.capacity() +
         more_bytes();
}

std::size_t ItemTable::more_bytes() const {
  constexpr std::size_t kNode = 32;  // of a map, beside its value
  std::size_t bytes = more_.size() * (kNode + sizeof(std::uint64_t) + sizeof(More));
  for (const auto& [id, more] : more_)
    bytes += more.sale.description.capacity() + more.sale.image_url.capacity();
  return bytes;
}

// --- snapshots ----------------------------------------------------------------------------------

void ItemTable::save(storage::SnapshotSink& sink) const {
  storage::EntryWriter out(sink.level());
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const auto& item = items_[i];
    const storage::SnapshotItem entry{item.id,      terms(item), item.amount,
                                      item.put_lsn, item.seq,    sale_terms(item)};
    sink.add(storage::SnapshotSection::items, encode(out, entry));
  }
}

void ItemTable::reserve(const storage::SnapshotSummary& summary) {
  index_.reserve(summary.items);
}

bool ItemTable::load(const storage::SnapshotItem& entry) {
  if (entry.id > kItemIdMax || !can_keep(entry.terms) || find(entry.id) != kNone) return false;
  auto& item = items_[add(entry.id)];
  set_terms(item, entry.terms, entry.sale);
  item.amount = entry.amount;
  item.seq = entry.lsn;
  item.put_lsn = entry.put_lsn;
  return true;
}

}  // namespace stampede::actors
