#include "actors/backend/recovery/stored_check.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "actors/backend/recovery/database_check.h"

namespace stampede::actors {

using storage::Database;
using storage::Errc;
using storage::Error;
using storage::ItemLsn;
using storage::Lsn;
using storage::Status;

Error half_a_database(const std::string& what) {
  return Error{Errc::not_found,
               "half of the database is missing (" + what +
                   "); orders are taken, and nothing is stored: " + storage::kHowToMendHalf,
               storage::kErrnumNoRow};
}

namespace {

std::string said_to_be_stored(const std::string& what, std::uint32_t lane) {
  return "the log calls " + what + " stored, by lane " + std::to_string(lane + storage::kFirstLane);
}

Error lacks(const std::string& what, std::uint32_t lane) {
  return Error{Errc::corrupt, said_to_be_stored(what, lane) +
                                  ", but the database does not have it: it was put back to an "
                                  "earlier state, or the row was removed; nothing was changed. " +
                                  storage::kHowToRewrite};
}

// `before`: how many rows there are before it.
Error lacks_yet(const std::string& what, std::uint32_t lane, std::uint64_t before) {
  return Error{Errc::corrupt,
               said_to_be_stored(what, lane) +
                   ", but the database does not have it, of rows before it " +
                   std::to_string(before) +
                   ": it was put back to an earlier state, or the row was removed; nothing was"
                   " changed; " +
                   storage::kHowToMendHalf,
               storage::kErrnumNoRow};
}

// A row that was written anew is there already.
Error is_older(const std::string& what, Lsn there, Lsn stored, std::uint32_t lane) {
  return Error{Errc::corrupt,
               said_to_be_stored(what + " of lsn " + storage::to_text(stored), lane) +
                   ", but the database has it of lsn " + storage::to_text(there) +
                   ": it was put back to an earlier state, or the row was replaced; "
                   "nothing was changed. " +
                   storage::kHowToRewrite};
}

// The more of it is certain, the higher.
int weight(const Status& status) {
  if (status) return 0;
  if (status.error().code == Errc::not_found) return 1;
  if (may_be_filling(status.error())) return 2;
  return status.error().code == Errc::corrupt ? 3 : 4;
}

class StoredCheck {
 public:
  StoredCheck(Database& database, const storage::LastStored& last)
      : database_(database), last_(last) {}

  Status run() {
    for (const auto check :
         {&StoredCheck::orders, &StoredCheck::items, &StoredCheck::promos, &StoredCheck::stock}) {
      if (auto asked = (this->*check)(); !asked) return asked;  // the database did not answer
    }
    return worst_;
  }

 private:
  Status orders() {
    auto asked = last_.newest_orders;
    for (const auto& [lane, stored] : last_.by_lane)
      for (const Lsn order : {stored.order, Lsn{stored.update.item}})
        if (order != 0) asked.insert(order);
    const auto there = database_.orders_among(asked);
    if (!there) return there.error();
    for (const auto& [lane, stored] : last_.by_lane) {
      note(order(lane, stored.order, *there));
      note(update(lane, stored.update, *there));
    }
    return storage::Done{};
  }

  // A table that ends before a row that was stored may be in the middle of a restore: dumps fill it
  // from its lowest key on. When the row's neighbours are there, only if rows still come, and not
  // if younger ones are there: what was stored late is lost so. One that begins behind it had its
  // oldest rows moved to an archive; a database that was put back has them all.
  Status order(std::uint32_t lane, Lsn order, const std::map<Lsn, Lsn>& there) {
    if (order == 0 || there.contains(order)) return storage::Done{};
    const auto lowest = database_.lowest_order();
    if (!lowest) return lowest.error();
    if (order < *lowest && order > last_.oldest_order) return storage::Done{};
    const auto highest = database_.highest_order();
    if (!highest) return highest.error();
    const auto& newest = last_.newest_orders;
    const bool passed = std::any_of(newest.begin(), newest.end(),
                                    [&](Lsn neighbour) { return there.contains(neighbour); });
    const auto name = "order " + storage::to_text(order);
    if (*highest > order) return lacks(name, lane);
    if (passed) return yet(name, lane, database_.orders_below(order));
    return half_a_database("`orders` ends at lsn " + storage::to_text(*highest) + ", before " +
                           storage::to_text(order));
  }

  Status update(std::uint32_t lane, const ItemLsn& stored, const std::map<Lsn, Lsn>& there) {
    if (stored.lsn == 0) return storage::Done{};
    const auto row = there.find(stored.item);
    if (row == there.end()) return order(lane, stored.item, there);
    if (row->second >= stored.lsn) return storage::Done{};
    return is_older("order " + storage::to_text(stored.item), row->second, stored.lsn, lane);
  }

  Status items() {
    std::set<std::uint64_t> asked;
    for (const auto& [lane, stored] : last_.by_lane)
      for (const auto& one : {stored.put, stored.amount})
        if (one.lsn != 0) asked.insert(one.item);
    const auto there = database_.guards_among(asked);
    if (!there) return there.error();
    using Guards = Database::ItemGuards;
    const auto guard = [&](const ItemLsn& one, Lsn Guards::*kind) {
      const auto row = there->find(one.item);
      return row == there->end() ? std::nullopt : std::optional(row->second.*kind);
    };
    for (const auto& [lane, stored] : last_.by_lane) {
      note(item(lane, stored.put, guard(stored.put, &Guards::put_lsn)));
      note(item(lane, stored.amount, guard(stored.amount, &Guards::lsn)));
    }
    return storage::Done{};
  }

  // `guard`: of the item's row, if it has one.
  Status item(std::uint32_t lane, const ItemLsn& stored, std::optional<Lsn> guard) {
    const auto name = "item " + std::to_string(stored.item);
    if (stored.lsn == 0 || (guard && *guard >= stored.lsn)) return storage::Done{};
    if (guard) return is_older(name, *guard, stored.lsn, lane);
    const auto highest = database_.highest_item();
    if (!highest) return highest.error();
    if (*highest < stored.item) return half_a_database("`item` has no " + name);
    return yet(name + " of lsn " + storage::to_text(stored.lsn), lane,
               database_.items_below(stored.item));
  }

  Status promos() {
    if (nothing_of([](const auto& stored) { return stored.promo.lsn | stored.grant.lsn; }))
      return storage::Done{};
    const auto rows = database_.promos();
    if (!rows) return rows.error();
    std::map<std::uint64_t, Lsn> puts;
    std::map<std::uint64_t, Lsn> grants;
    for (const auto& row : *rows) {
      puts[row.promo.put.promo] = row.put_lsn;
      grants[row.promo.put.promo] = row.lsn;
    }
    for (const auto& [lane, stored] : last_.by_lane) {
      note(promo(lane, stored.promo, puts));
      note(promo(lane, stored.grant, grants));
    }
    return storage::Done{};
  }

  static Status promo(std::uint32_t lane, const ItemLsn& stored,
                      const std::map<std::uint64_t, Lsn>& there) {
    if (stored.lsn == 0) return storage::Done{};
    const auto name = "promo " + std::to_string(stored.item);
    const auto row = there.find(stored.item);
    if (row != there.end() && row->second >= stored.lsn) return storage::Done{};
    if (row != there.end()) return is_older(name, row->second, stored.lsn, lane);
    if (there.empty()) return half_a_database("`promo` has no " + name);
    return lacks_yet(name + " of lsn " + storage::to_text(stored.lsn), lane, there.size());
  }

  Status stock() {
    if (nothing_of([](const auto& stored) { return stored.stock; })) return storage::Done{};
    std::set<Lsn> asked;
    for (const auto& [lane, stored] : last_.by_lane)
      if (stored.stock != 0) asked.insert(stored.stock);
    const auto there = database_.stock_among(asked);
    if (!there) return there.error();
    const auto lowest = database_.lowest_stock();
    if (!lowest) return lowest.error();
    for (const auto& [lane, stored] : last_.by_lane)
      if (stored.stock != 0 && !there->contains(stored.stock))
        note(stock_change(lane, stored.stock, *lowest));
    return storage::Done{};
  }

  // Old ones may be in an archive, as old orders.
  Status stock_change(std::uint32_t lane, Lsn lsn, Lsn lowest) {
    if (lsn < lowest && lsn > last_.oldest_stock) return storage::Done{};
    const auto name = "stock_change " + storage::to_text(lsn);
    if (lowest == 0) return half_a_database("`stock_change` has no row, not even " + name);
    return yet(name, lane, database_.stock_below(lsn));
  }

  static Status yet(const std::string& name, std::uint32_t lane,
                    const storage::Result<std::uint64_t>& before) {
    return before ? lacks_yet(name, lane, *before) : before.error();
  }

  template <class LsnOf>
  [[nodiscard]] bool nothing_of(LsnOf lsn_of) const {
    return std::all_of(last_.by_lane.begin(), last_.by_lane.end(),
                       [&](const auto& lane) { return lsn_of(lane.second) == 0; });
  }

  void note(const Status& found) {
    if (weight(found) > weight(worst_)) worst_ = found;
  }

  Database& database_;
  const storage::LastStored& last_;
  Status worst_ = storage::Done{};
};

}  // namespace

// A table that is being restored would be empty for one question and whole for the next.
Status check_last_stored(Database& database, const storage::LastStored& last) {
  if (auto begun = database.begin_snapshot(); !begun) return begun;
  auto whole = StoredCheck(database, last).run();
  const auto ended = database.end_snapshot();
  return whole ? ended : whole;
}

}  // namespace stampede::actors
