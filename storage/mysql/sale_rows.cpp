#include "storage/mysql/sale_rows.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "storage/mysql/sale_columns.h"
#include "storage/mysql/sql_rows.h"

namespace stampede::storage {
namespace {

constexpr std::string_view kGrantHead = "INSERT INTO promo(id,item_id,granted,lsn) VALUES";
constexpr std::string_view kGrantTail =
    " ON DUPLICATE KEY UPDATE granted=IF(VALUES(lsn)>lsn,VALUES(granted),granted),"
    "lsn=GREATEST(lsn,VALUES(lsn))";

constexpr std::string_view kStockHead =
    "INSERT INTO stock_change(lsn,item_id,delta,reason,order_id,at) VALUES";
constexpr std::string_view kStockTail = " ON DUPLICATE KEY UPDATE lsn=lsn";

std::string make_promo_head() {
  std::string out = "INSERT INTO promo(id,";
  each_promo_column({}, [&](std::string_view name, auto) { out.append(name) += ','; });
  return out += "put_lsn) VALUES";
}

std::string make_promo_tail() {
  std::string out = " ON DUPLICATE KEY UPDATE ";
  each_promo_column({}, [&](std::string_view name, auto) { append_guarded(out, name, "put_lsn"); });
  append_guard(out, "put_lsn");
  return out;
}

std::string make_promo_select() {
  std::string out = "SELECT id,put_lsn";
  each_promo_column({}, [&](std::string_view name, auto) { (out += ',').append(name); });
  return out += " FROM promo WHERE id IN ";
}

void append_promo(std::string& out, const PromoPutRow& row) {
  out += '(';
  append_number(out, row.put.promo);
  each_promo_column(row.put,
                    [&](std::string_view, auto value) { append_value(out += ',', value); });
  out += ',';
  append_number(out, row.put_lsn);
  out += ')';
}

void append_grant(std::string& out, const TicketGrantRow& row) {
  out += '(';
  append_number(out, row.grant.promo);
  out += ',';
  append_number(out, row.grant.item);
  out += ',';
  append_number(out, row.grant.granted);
  out += ',';
  append_number(out, row.lsn);
  out += ')';
}

void append_stock(std::string& out, const StockChangeRow& row) {
  const auto& change = row.change;
  out += '(';
  append_number(out, row.lsn);
  out += ',';
  append_number(out, change.item);
  out += ',';
  append_number(out, change.delta);
  out += ',';
  append_literal(out, reason_text(change.reason));
  out += ',';
  if (change.order == kNoNumber)
    out += "NULL";
  else
    append_number(out, change.order);
  out += ",'";
  append_datetime(out, change.decided_at_us);
  out += "')";
}

// The new values are a table of their own, looked up by the order: half of what one statement for
// each order costs. It is read first, so that no order is locked beside those that are meant.
constexpr std::string_view kUpdateHead = "UPDATE (";
constexpr std::string_view kUpdateTail =
    ") AS u STRAIGHT_JOIN orders FORCE INDEX(PRIMARY) ON orders.order_id=u.k "
    "SET fulfilment=u.f,payment_id=u.p,fulfilled_at=u.t,lsn=u.l WHERE orders.lsn<u.l";
constexpr std::size_t kUpdatesMax = 1000;  // of a statement: each is a SELECT to the server

// `k`, `f` …: the columns' names, of the first row alone.
void append_update(std::string& out, const OrderUpdateRow& row, bool first) {
  const auto column = [&](std::string_view name) {
    if (first) (out += " AS ") += name;
  };
  const auto payment = payment_id(row.update);
  out += first ? "SELECT " : " UNION ALL SELECT ";
  append_number(out, row.update.order);
  column("k");
  append_literal(out += ',', fulfilment_text(row.update.fulfilment));
  column("f");
  out += ',';
  if (payment.empty())
    out += "NULL";
  else
    append_literal(out, payment);
  column("p");
  out += ",'";
  append_datetime(out, row.update.decided_at_us);
  out += '\'';
  column("t");
  append_number(out += ',', row.lsn);
  column("l");
}

}  // namespace

std::size_t append_promo_upsert(std::string& out, const LaneBatch& batch, std::size_t first,
                                std::size_t last, std::size_t bytes_max) {
  static const std::string head = make_promo_head();
  static const std::string tail = make_promo_tail();
  return append_rows(out, head, batch.promos, first, last, tail, bytes_max, append_promo);
}

std::size_t append_grant_upsert(std::string& out, const LaneBatch& batch, std::size_t first,
                                std::size_t last, std::size_t bytes_max) {
  return append_rows(out, kGrantHead, batch.grants, first, last, kGrantTail, bytes_max,
                     append_grant);
}

std::size_t append_stock_insert(std::string& out, const LaneBatch& batch, std::size_t first,
                                std::size_t last, std::size_t bytes_max) {
  return append_rows(out, kStockHead, batch.stock, first, last, kStockTail, bytes_max,
                     append_stock);
}

std::size_t append_order_update(std::string& out, const LaneBatch& batch, std::size_t first,
                                std::size_t last, std::size_t bytes_max) {
  std::unordered_set<Lsn> named;
  out += kUpdateHead;
  std::size_t next = first;
  for (; next < std::min(last, first + kUpdatesMax); ++next) {
    if (!named.insert(batch.updates[next].update.order).second) break;
    const auto before = out.size();
    append_update(out, batch.updates[next], next == first);
    if (next == first || out.size() + kUpdateTail.size() <= bytes_max) continue;
    out.resize(before);
    break;
  }
  out += kUpdateTail;
  return next;
}

void append_promo_select(std::string& out, const LaneBatch& batch, std::size_t first,
                         std::size_t last) {
  static const std::string head = make_promo_select();
  append_keys(out, head, batch.promos, first, last,
              [](const PromoPutRow& row) { return row.put.promo; });
}

void append_grant_select(std::string& out, const LaneBatch& batch, std::size_t first,
                         std::size_t last) {
  append_keys(out, "SELECT id,lsn,granted FROM promo WHERE id IN ", batch.grants, first, last,
              [](const TicketGrantRow& row) { return row.grant.promo; });
}

void append_update_select(std::string& out, const LaneBatch& batch, std::size_t first,
                          std::size_t last) {
  append_keys(out,
              "SELECT order_id,lsn,fulfilment,payment_id,fulfilled_at FROM orders "
              "WHERE order_id IN ",
              batch.updates, first, last,
              [](const OrderUpdateRow& row) { return row.update.order; });
}

void append_stock_select(std::string& out, const LaneBatch& batch, std::size_t first,
                         std::size_t last) {
  append_keys(out, "SELECT lsn,0,item_id,delta,reason,order_id,at FROM stock_change WHERE lsn IN ",
              batch.stock, first, last, [](const StockChangeRow& row) { return row.lsn; });
}

}  // namespace stampede::storage
