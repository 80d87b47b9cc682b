#pragma once

// A webapp's own copy of the items, from which it answers who only looks: all of them where there
// is room, else those that were asked for last. It is filled from the backend page by page, kept
// true by what changed (EdgeStock says how recent that is) and by news, and fetches what only the
// answer to one item tells, its description and picture, when somebody has asked for it.
//
// What is not known, and where the promo to show is over, which only the backend can follow, is
// left to the backend: page() and item() say false.
//
// Owned by WebappCore; pure, one thread; `wall_ms` is Unix time. Bound: items_max items, about 300
// bytes each and their texts; of more the one not asked for longest goes.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <vector>

#include "actors/sale/request.h"
#include "actors/webapp/core/owned_item_row.h"

namespace stampede::actors {

class ItemCopy {
 public:
  // `items_max` 0: nothing is asked, and nothing known.
  explicit ItemCopy(std::size_t items_max) : items_max_(items_max) {}

  // --- what the backend says: the answers to questions of which each was asked after the answer to
  // the one before
  void on_changes(const ItemChanges& changes, const std::vector<ItemRow>& rows);
  void on_page(const std::vector<ItemRow>& rows, std::optional<std::uint64_t> next);
  void on_renewed(const std::vector<ItemRow>& rows);     // a page of which some were over
  void on_item(std::uint64_t item, const ItemRow* row);  // null: none is known, and none wished for
  void on_news(const ItemRow& row);
  void clear();

  // What to ask for next: the item alone, or a page from it on; nothing: all is known.
  struct Wish {
    std::uint64_t item = 0;
    bool alone = false;
    bool renewal = false;  // the page is one that is known: its answer is for on_renewed()
  };
  [[nodiscard]] std::optional<Wish> wish() const;

  // --- what it says; views hold until the next change
  [[nodiscard]] bool page(std::uint64_t from, std::size_t limit, std::int64_t wall_ms,
                          std::vector<ItemRow>& rows, std::optional<std::uint64_t>& next);
  [[nodiscard]] bool item(std::uint64_t id, std::int64_t wall_ms, std::vector<ItemRow>& rows);
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] bool whole() const { return whole_; }  // it holds all items

 private:
  static constexpr std::size_t kWishesMax = 64;
  static constexpr std::int64_t kRenewAgainMs = 100;
  using Uses = std::list<std::uint64_t>;
  struct Entry {
    OwnedItemRow row;
    bool texts = false;  // its description and picture are known
    Uses::iterator use{};
  };
  using Entries = std::map<std::uint64_t, Entry>;
  struct Renewal {
    std::uint64_t from = 0;  // from there on promos are over
    std::int64_t wall_ms = 0;
  };

  void put(const ItemRow& row);
  Entry& add(const ItemRow& row);
  static void update(Entry& entry, const ItemRow& row);
  void want(std::uint64_t item);
  void want_renewal(const Renewal& renewal);
  [[nodiscard]] static bool is_over(const Entry& entry, std::int64_t wall_ms);
  [[nodiscard]] static ItemRow shown(const Entry& entry, std::int64_t wall_ms);

  std::size_t items_max_;
  Entries entries_;
  Uses uses_;  // the one that was asked for last first
  std::deque<std::uint64_t> wishes_;
  std::optional<std::uint64_t> fill_from_ = 0;  // the next page; nothing: no more are asked for
  std::optional<Renewal> renew_;
  std::optional<Renewal> renewed_;  // the last one
  bool whole_ = false;
};

}  // namespace stampede::actors
