#include "actors/webapp/core/item_copy.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace stampede::actors {

namespace {

// A row of pages, changes or news says nothing of these.
void keep_texts(OwnedItemRow& row, const OwnedItemRow& from) {
  row.sale.description = from.sale.description;
  row.sale.image_url = from.sale.image_url;
}

}  // namespace

// --- what the backend says ----------------------------------------------------------------------

void ItemCopy::clear() {
  entries_.clear();
  uses_.clear();
  wishes_.clear();
  renew_.reset();
  renewed_.reset();
  fill_from_ = 0;
  whole_ = false;
}

void ItemCopy::on_changes(const ItemChanges& changes, const std::vector<ItemRow>& rows) {
  if (changes.anew) clear();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    put(rows[i]);
    const auto held = entries_.find(rows[i].item);
    if (held != entries_.end() && changes.told_anew(i)) held->second.texts = false;
  }
}

void ItemCopy::on_page(const std::vector<ItemRow>& rows, std::optional<std::uint64_t> next) {
  for (const auto& row : rows) put(row);
  if (!fill_from_) return;  // there are too many
  fill_from_ = next;
  whole_ = !next;
}

void ItemCopy::on_renewed(const std::vector<ItemRow>& rows) {
  renewed_ = std::exchange(renew_, std::nullopt);
  for (const auto& row : rows) put(row);
}

void ItemCopy::on_item(std::uint64_t item, const ItemRow* row) {
  std::erase(wishes_, item);
  if (row == nullptr) return;
  const auto held = entries_.find(item);
  auto& entry = held == entries_.end() ? add(*row) : held->second;
  uses_.splice(uses_.begin(), uses_, entry.use);
  update(entry, *row);
  entry.row.sale.description = row->sale.description;
  entry.row.sale.image_url = row->sale.image_url;
  entry.texts = true;
}

void ItemCopy::on_news(const ItemRow& row) {
  const auto held = entries_.find(row.item);
  if (held == entries_.end()) {
    if (whole_) put(row);  // it is new, and has no promo yet
    return;
  }
  auto& known = held->second.row;
  if (row.seq <= known.seq) return;
  auto copy = copy_of(row);
  keep_texts(copy, known);
  copy.promo = known.promo;
  copy.promo_name = std::move(known.promo_name);
  known = std::move(copy);
}

// As long as there is room for all, all are kept; then those that are there already.
void ItemCopy::put(const ItemRow& row) {
  const auto held = entries_.find(row.item);
  if (held == entries_.end()) {
    const bool room = entries_.size() < items_max_;
    if (room && (fill_from_ || whole_)) add(row);
    if (!room) fill_from_.reset(), whole_ = false;
    return;
  }
  update(held->second, row);
}

// But for its texts.
void ItemCopy::update(Entry& entry, const ItemRow& row) {
  auto& known = entry.row;
  auto copy = copy_of(row);
  keep_texts(copy, known);
  if (copy.seq < known.seq) {  // news were ahead of it
    copy.left = known.left;
    copy.seq = known.seq;
    copy.terms = std::move(known.terms);
    copy.sale = std::move(known.sale);
  }
  known = std::move(copy);
}

ItemCopy::Entry& ItemCopy::add(const ItemRow& row) {
  if (entries_.size() >= items_max_) {
    entries_.erase(uses_.back());
    uses_.pop_back();
    fill_from_.reset();
    whole_ = false;
  }
  auto& entry = entries_[row.item];
  entry.row = copy_of(row);
  entry.use = uses_.insert(uses_.end(), row.item);
  return entry;
}

// --- what to ask for ----------------------------------------------------------------------------

std::optional<ItemCopy::Wish> ItemCopy::wish() const {
  if (items_max_ == 0) return std::nullopt;
  if (!wishes_.empty()) return Wish{wishes_.front(), true};
  if (fill_from_) return Wish{*fill_from_, false};
  return renew_ ? std::optional(Wish{renew_->from, false, true}) : std::nullopt;
}

void ItemCopy::want(std::uint64_t item) {
  if (items_max_ == 0 || wishes_.size() >= kWishesMax) return;
  if (std::find(wishes_.begin(), wishes_.end(), item) == wishes_.end()) wishes_.push_back(item);
}

// When it is over here and not there, another clock is a little behind: that is given some time.
void ItemCopy::want_renewal(const Renewal& renewal) {
  const bool again = renewed_ && renewed_->from == renewal.from;
  if (again && std::abs(renewal.wall_ms - renewed_->wall_ms) < kRenewAgainMs) return;
  if (!renew_ || renewal.from < renew_->from) renew_ = renewal;
}

// --- what it says -------------------------------------------------------------------------------

bool ItemCopy::is_over(const Entry& entry, std::int64_t wall_ms) {
  return entry.row.promo && wall_ms >= entry.row.promo->ends_at_ms;
}

ItemRow ItemCopy::shown(const Entry& entry, std::int64_t wall_ms) {
  auto row = view_of(entry.row);
  if (row.promo)
    row.promo->state = wall_ms < row.promo->starts_at_ms ? PromoState::coming : PromoState::running;
  return row;
}

// Promos of many items may end at one moment: one answer renews what follows the first of them.
bool ItemCopy::page(std::uint64_t from, std::size_t limit, std::int64_t wall_ms,
                    std::vector<ItemRow>& rows, std::optional<std::uint64_t>& next) {
  if (!whole_) return false;
  auto at = entries_.lower_bound(from);
  for (; at != entries_.end() && rows.size() < limit; ++at) {
    if (is_over(at->second, wall_ms)) {
      want_renewal({at->first, wall_ms});
      return false;
    }
    rows.push_back(shown(at->second, wall_ms));
    make_brief(rows.back());
  }
  if (at != entries_.end()) next = at->first;
  return true;
}

bool ItemCopy::item(std::uint64_t id, std::int64_t wall_ms, std::vector<ItemRow>& rows) {
  const auto held = entries_.find(id);
  if (held == entries_.end()) {
    if (!whole_) want(id);  // else there is none, or it is new
    return false;
  }
  auto& entry = held->second;
  uses_.splice(uses_.begin(), uses_, entry.use);
  if (!entry.texts || is_over(entry, wall_ms)) {
    want(id);
    return false;
  }
  rows.push_back(shown(entry, wall_ms));
  return true;
}

}  // namespace stampede::actors
