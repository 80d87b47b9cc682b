#include "tools/books/books_check.h"

#include <algorithm>
#include <limits>
#include <string>
#include <unordered_map>
#include <utility>

#include "storage/lsn.h"

namespace stampede::tools {
namespace {

using storage::ItemRow;
using storage::Lsn;
using storage::StoredOrder;

std::string order_name(Lsn lsn) {
  return "order " + storage::to_text(lsn) + " (" + std::to_string(lsn) + ")";
}

class Comparison {
 public:
  Comparison(const Ledger& ledger, Lsn up_to) : ledger_(ledger), up_to_(up_to) {}

  void row(const StoredOrder& order) {
    ++out.rows;
    journal_[order.item] -= order.qty;
    const auto& expected = ledger_.orders();
    while (next_ < expected.size() && expected[next_].lsn < order.order_id) missing(next_++);
    if (next_ == expected.size() || expected[next_].lsn != order.order_id) {
      ++out.strangers;
      out.findings.add(order_name(order.order_id) + ", request " + order.request_id +
                       ": in the database, not in the log");
      return;
    }
    if (ledger_.content_of(order) != expected[next_].content) {
      out.findings.add(order_name(order.order_id) + ", request " + order.request_id +
                       ": the row in the database differs from the log");
    }
    fulfilment(order);
    ++next_;
  }

  void end_of_rows() {
    while (next_ < ledger_.orders().size()) missing(next_++);
  }

  void items(const std::vector<ItemRow>& rows) {
    auto row = rows.begin();
    for (const auto& [id, item] : ledger_.items()) {
      while (row != rows.end() && row->id < id) stranger(*row++);
      if (row != rows.end() && row->id == id) {
        compare(id, item, *row++);
      } else {
        item_behind(id, ledger_.owed_put(id), "is missing");
      }
    }
    while (row != rows.end()) stranger(*row++);
  }

  void promos(const std::vector<storage::PromoRow>& rows) {
    auto row = rows.begin();
    for (const auto& [id, promo] : ledger_.promos()) {
      for (; row != rows.end() && row->promo.put.promo < id; ++row) stranger(*row);
      if (row != rows.end() && row->promo.put.promo == id)
        compare(promo, *row++);
      else
        behind("promo " + std::to_string(id), ledger_.owed_promo(id), "is missing");
    }
    for (; row != rows.end(); ++row) stranger(*row);
  }

  void stock_change(const storage::StockChangeRow& row) {
    // What an operator adds changes the total, too, and is no part of stock_journal.
    if (row.change.reason != static_cast<std::uint32_t>(storage::StockReason::add))
      journal_[row.change.item] += row.change.delta;
    missing_stock(row.lsn);
    const auto& lsns = ledger_.stock_lsns();
    const bool expected = next_stock_ < lsns.size() && lsns[next_stock_] == row.lsn;
    if (expected) ++next_stock_;
    if (row.lsn <= ledger_.remembered_to()) return remembered_.add(row);
    const auto name = "stock_change " + storage::to_text(row.lsn);
    if (!expected) return out.findings.add(name + ": in the database, not in the log");
    const auto remembered = lsns.size() - ledger_.stock().size();
    const auto& change = ledger_.stock()[next_stock_ - 1 - remembered].change;
    if (row.change.item != change.item || row.change.delta != change.delta ||
        row.change.order != change.order || row.change.reason != change.reason ||
        row.change.decided_at_us != change.decided_at_us)
      out.findings.add(name + ": the row in the database differs from the log");
  }

  void end_of_stock() {
    missing_stock(std::numeric_limits<Lsn>::max());
    const auto& known = ledger_.remembered();
    remembered_.each_difference(
        known, [&](Lsn order, const RememberedHold& hold, std::int64_t sum) {
          out.findings.add(order_name(order) + " gave " + std::to_string(hold.units_back) +
                           " units of item " + std::to_string(hold.item) +
                           " back: its rows in stock_change sum up to " + std::to_string(sum));
        });
    remembered_.each_stranger(known, [&](Lsn order) {
      out.findings.add("stock_change of " + order_name(order) +
                       ": in the database, not in the log");
    });
  }

  // total + stock_journal = amount, of a drained system. What has a name is told already.
  void journal() {
    if (out.pending > 0 || out.findings.count() > 0) return;
    for (const auto& [id, item] : ledger_.items()) {
      const auto found = journal_.find(id);
      const auto sum = found == journal_.end() ? 0 : found->second;
      if (sum != item.journal)
        out.findings.add("item " + std::to_string(id) + ": stock_journal sums up to " +
                         std::to_string(sum) + " in the database, to " +
                         std::to_string(item.journal) + " in the log");
    }
  }

  BooksDifference out;

 private:
  // Those before this one.
  void missing_stock(Lsn end) {
    const auto& lsns = ledger_.stock_lsns();
    for (; next_stock_ < lsns.size() && lsns[next_stock_] < end; ++next_stock_) {
      const auto lsn = lsns[next_stock_];
      if (out.wait.stock == 0) out.wait.stock = lsn;
      behind("stock_change " + storage::to_text(lsn), ledger_.owed_stock(lsn), "is missing");
    }
  }

  // What the row says of its payment.
  void fulfilment(const StoredOrder& order) {
    const auto held = ledger_.held().find(order.order_id);
    LedgerHeld none;
    none.fulfilment = storage::Fulfilment::none;
    const auto& expected = held == ledger_.held().end() ? none : held->second;
    const auto name = order_name(order.order_id);
    // Of one that is settled a snapshot does not say it.
    const bool known_end =
        expected.pay_by_ms != 0 || expected.fulfilment == storage::Fulfilment::none;
    if (known_end && order.pay_by_ms != expected.pay_by_ms)
      out.findings.add(name + ": its time to pay ends at another moment in the database");
    if (order.lsn > up_to_) return;  // changed since
    if (order.lsn < std::max(expected.lsn, expected.owed_lsn)) {
      if (out.wait.order == 0) out.wait.order = order.order_id;
      return behind(name, ledger_.owed_update(order.order_id), "has an old state of payment");
    }
    if (order.fulfilment != to_text(expected.fulfilment))
      return out.findings.add(name + ": " + order.fulfilment + " in the database, " +
                              std::string(to_text(expected.fulfilment)) + " in the log");
    const auto payment = order.payment_id.empty() ? 0 : ledger_.hasher().id(order.payment_id)[0];
    if (payment != expected.payment)
      out.findings.add(name + ": the database has another payment id than the log");
    const bool remembered = expected.lsn == 0 && order.order_id <= ledger_.remembered_to();
    const auto at_us = remembered ? order.fulfilled_at_us / 1000 * 1000 : order.fulfilled_at_us;
    if (at_us != expected.changed_at_us)
      out.findings.add(name + ": " + order.fulfilment + " since another moment in the database");
  }

  void missing(std::size_t index) {
    const Lsn lsn = ledger_.orders()[index].lsn;
    const auto owed = ledger_.owed_order(lsn);
    if (owed == Ledger::Owed::no) {
      ++out.lost;
      out.findings.add(order_name(lsn) + ": executed according to the log, not in the database");
    } else if (owed == Ledger::Owed::failed) {
      out.findings.add(order_name(lsn) + ": the database refused it");
    } else {
      ++out.pending;
      if (out.wait.order == 0) out.wait.order = lsn;
    }
  }

  void stranger(const ItemRow& row) {
    if (row.put_lsn > up_to_) return;  // added since
    out.findings.add("item " + std::to_string(row.id) + ": in the database, not in the log");
  }

  void stranger(const storage::PromoRow& row) {
    if (std::max(row.put_lsn, row.lsn) > up_to_) return;  // added since
    out.findings.add("promo " + std::to_string(row.promo.put.promo) +
                     ": in the database, not in the log");
  }

  void item_behind(std::uint64_t id, Ledger::Owed owed, const char* what) {
    behind("item " + std::to_string(id), owed, what);
  }

  void behind(const std::string& name, Ledger::Owed owed, const char* what) {
    if (owed == Ledger::Owed::pending) {
      ++out.pending;
      return;
    }
    out.findings.add(name + ": its row " + what + " in the database" +
                     (owed == Ledger::Owed::failed ? ", which refused it" : ""));
  }

  static std::string tickets(std::uint64_t granted, Lsn lsn) {
    return std::to_string(granted) + " tickets (lsn " + storage::to_text(lsn) + ")";
  }

  void compare(const LedgerPromo& promo, const storage::PromoRow& row) {
    const auto id = promo.promo.put.promo;
    const std::string name = "promo " + std::to_string(id);
    if (row.lsn < promo.lsn)
      behind(name, ledger_.owed_grant(id), "has an old number of tickets");
    else if (row.lsn <= up_to_ && (row.lsn != promo.lsn || row.granted != promo.granted))
      out.findings.add(name + ": has given " + tickets(row.granted, row.lsn) +
                       " in the database, " + tickets(promo.granted, promo.lsn) + " in the log");
    if (row.put_lsn < promo.put_lsn)
      return behind(name, ledger_.owed_promo(id), "is older than the log's last change");
    if (row.put_lsn > up_to_) return;
    if (row.put_lsn != promo.put_lsn || !same_terms(row.promo.view(), promo.promo.view()))
      out.findings.add(name + ": item, name, price, window or limit differ from the log");
  }

  void compare(std::uint64_t id, const LedgerItem& item, const ItemRow& row) {
    const std::string name = "item " + std::to_string(id);
    if (row.amount < 0) {
      out.oversold += -row.amount;
      out.findings.add(name + ": " + std::to_string(row.amount) + " left in the database");
    }
    if (row.put_lsn < item.put_lsn) {
      item_behind(id, ledger_.owed_put(id), "is older than the log's last change");
    } else if (row.put_lsn <= up_to_) {
      const bool same =
          row.put_lsn == item.put_lsn && row.terms == item.terms && same_terms(row.sale, item.sale);
      if (!same)
        out.findings.add(name + ": name, price, total, limits or rules differ from the log");
    }
    if (row.lsn < item.lsn) {
      item_behind(id, ledger_.owed_amount(id), "has an old amount");
    } else if (row.lsn <= up_to_ && (row.lsn != item.lsn || row.amount != item.amount)) {
      out.findings.add(name + ": " + std::to_string(row.amount) + " left in the database, " +
                       std::to_string(item.amount) + " in the log");
    }
  }

  const Ledger& ledger_;
  Lsn up_to_;
  std::size_t next_ = 0;        // into the ledger's orders
  std::size_t next_stock_ = 0;  // into its stock_lsns()
  RememberedStock remembered_;
  std::unordered_map<std::uint64_t, std::int64_t> journal_;  // by item
};

bool promos_stored(const std::vector<storage::PromoRow>& rows, const Ledger& ledger) {
  auto row = rows.begin();
  for (const auto& [id, promo] : ledger.promos()) {
    while (row != rows.end() && row->promo.put.promo < id) ++row;
    if (row == rows.end() || row->promo.put.promo != id || row->put_lsn < promo.put_lsn ||
        row->lsn < promo.lsn)
      return false;
  }
  return true;
}

bool items_stored(const std::vector<ItemRow>& rows, const Ledger& ledger) {
  auto row = rows.begin();
  for (const auto& [id, item] : ledger.items()) {
    while (row != rows.end() && row->id < id) ++row;
    if (row == rows.end() || row->id != id) return false;
    if (row->put_lsn < item.put_lsn || row->lsn < item.lsn) return false;
  }
  return true;
}

// Each with what its payment became. `from` goes to the first that is not so.
storage::Result<bool> orders_stored(storage::Database& database, const Ledger& ledger, Lsn& from,
                                    Lsn up_to) {
  const auto& orders = ledger.orders();
  const auto before = [](const LedgerOrder& order, Lsn lsn) { return order.lsn < lsn; };
  auto next = std::lower_bound(orders.begin(), orders.end(), from, before);
  if (next != orders.end()) {
    const auto read = database.each_order(next->lsn - 1, up_to, [&](const StoredOrder& order) {
      const auto held = ledger.held().find(order.order_id);
      const bool old = held != ledger.held().end() &&
                       order.lsn < std::max(held->second.lsn, held->second.owed_lsn);
      if (next != orders.end() && next->lsn == order.order_id && !old) ++next;
    });
    if (!read) return read.error();
  }
  from = next != orders.end() ? next->lsn : up_to + 1;
  return next == orders.end();
}

constexpr std::ptrdiff_t kStockPerLook = 10'000;

// A piece at a time, and none behind the first that has a gap: another lane may be far ahead.
storage::Result<bool> stock_stored(storage::Database& database, const Ledger& ledger, Lsn& from) {
  const auto& stock = ledger.stock_lsns();
  auto next = std::lower_bound(stock.begin(), stock.end(), from);
  while (next != stock.end()) {
    const auto piece = next + std::min(kStockPerLook, stock.end() - next);
    const auto on_row = [&](const storage::StockChangeRow& row) {
      if (next != piece && *next == row.lsn) ++next;
    };
    const auto read = database.each_stock_change(*next - 1, *std::prev(piece), on_row);
    if (!read) return read.error();
    if (next != piece) {
      from = *next;
      return false;
    }
  }
  if (!stock.empty()) from = stock.back() + 1;
  return true;
}

}  // namespace

storage::Result<BooksDifference> compare_books(storage::Database& database, const Ledger& ledger,
                                               Lsn up_to) {
  Comparison comparison(ledger, up_to);
  // Items first: rows that come between the two reads are orders, which are compared up to L only.
  const auto rows = database.items();
  if (!rows) return rows.error();
  comparison.items(*rows);
  const auto promos = database.promos();
  if (!promos) return promos.error();
  comparison.promos(*promos);
  const auto read =
      database.each_order(0, up_to, [&](const StoredOrder& order) { comparison.row(order); });
  if (!read) return read.error();
  comparison.end_of_rows();
  const auto stock = database.each_stock_change(
      0, up_to, [&](const storage::StockChangeRow& row) { comparison.stock_change(row); });
  if (!stock) return stock.error();
  comparison.end_of_stock();
  comparison.journal();
  return std::move(comparison.out);
}

storage::Result<bool> all_stored(storage::Database& database, const Ledger& ledger, BooksWait& from,
                                 Lsn up_to) {
  if (const auto orders = orders_stored(database, ledger, from.order, up_to); !orders || !*orders)
    return orders;
  if (const auto stock = stock_stored(database, ledger, from.stock); !stock || !*stock)
    return stock;
  const auto rows = database.items();
  if (!rows) return rows.error();
  if (!items_stored(*rows, ledger)) return false;
  const auto promos = database.promos();
  if (!promos) return promos.error();
  return promos_stored(*promos, ledger);
}

}  // namespace stampede::tools
