#include "storage/mysql/row_check.h"

#include <algorithm>
#include <string_view>

#include "storage/mysql/row_content.h"
#include "storage/mysql/sale_columns.h"
#include "storage/mysql/sql_text.h"

namespace stampede::storage {
namespace {

// Of an order what never changes; what it became is an OrderUpdate's.
std::string content(const OrderRow& row) {
  std::string time;
  append_datetime(time, row.decided_at_us);
  std::string promo;
  if (row.promo != kNoNumber) append_number(promo, row.promo);
  std::string pay_by;
  if (row.pay_by_ms != 0) append_datetime_ms(pay_by, row.pay_by_ms);
  return Content()
      .bytes("request_id", row.request_id)
      .number("item_id", row.item)
      .bytes("user_id", row.user)
      .number("qty", std::int64_t{row.qty})
      .number("unit_price_cents", row.unit_price_cents)
      .bytes("decided_at", time)
      .bytes_unless("promo_id", promo, {})
      .bytes_unless("pay_by", pay_by, {})
      .take();
}

std::string content_of_stored_order(const SqlRow& row) {
  return Content()
      .bytes("request_id", row.text(1))
      .number("item_id", row.u64(2))
      .bytes("user_id", row.text(3))
      .number("qty", row.i64(4))
      .number("unit_price_cents", row.i64(5))
      .bytes("decided_at", row.text(6))
      .bytes_unless("promo_id", row.text(7), {})  // NULL is read as empty
      .bytes_unless("pay_by", row.text(8), {})
      .take();
}

void add(Content& content, std::string_view name, std::string_view value) {
  content.bytes(name, value);
}
void add(Content& content, std::string_view name, std::int64_t value) {
  content.number(name, value);
}
void add_unless(Content& content, std::string_view name, std::string_view value,
                std::string_view otherwise) {
  content.bytes_unless(name, value, otherwise);
}
void add_unless(Content& content, std::string_view name, std::int64_t value,
                std::int64_t otherwise) {
  if (value != otherwise) content.number(name, value);
}

std::string content(const ItemPutRow& row) {
  Content content;
  each_term([&](const Term& term, const auto& value) { add(content, term.name, value); },
            row.terms);
  each_item_column(row.sale, [&](std::string_view name, auto value, auto otherwise) {
    add_unless(content, name, value, otherwise);
  });
  return content.take();
}

// Of a stored row, whose terms begin at `column`. Numbers as they are there: somebody else may have
// written some that no item can have.
struct StoredPut {
  const SqlRow& row;
  unsigned column;
  Content content;
  void operator()(const Term& term, std::string_view) {
    content.bytes(term.name, row.text(column++));
  }
  void operator()(const Term& term, std::int64_t) { content.number(term.name, row.i64(column++)); }
  void operator()(std::string_view name, std::string_view, std::string_view otherwise) {
    add_unless(content, name, row.text(column++), otherwise);
  }
  void operator()(std::string_view name, std::int64_t, std::int64_t otherwise) {
    add_unless(content, name, row.i64(column++), otherwise);
  }
};

std::string content_of_stored_put(const SqlRow& row, unsigned column) {
  StoredPut stored{row, column, {}};
  const ItemTerms types;
  each_term(stored, types);
  each_item_column(ItemSale{}, stored);
  return stored.content.take();
}

constexpr IfMissing kItemMissing{kErrnumDuplicate, "the item's row is not there after its upsert"};

std::string content(const AmountRow& row) {
  return Content().number("amount", row.amount).take();
}

}  // namespace

std::string row_name(const LaneBatch& batch, RowKind kind, std::size_t index) {
  std::string name;
  switch (kind) {
    case RowKind::order:
      name = "OrderInsert " + to_text(batch.orders[index].order_id) + " (request id ";
      append_literal(name, batch.orders[index].request_id);
      break;
    case RowKind::put:
      name = "ItemPut " + to_text(batch.puts[index].put_lsn) + " (item ";
      append_number(name, batch.puts[index].item);
      break;
    case RowKind::amount:
      name = "ItemAmountUpdate " + to_text(batch.amounts[index].lsn) + " (item ";
      append_number(name, batch.amounts[index].item);
      break;
    case RowKind::promo:
      name = "PromoPut " + to_text(batch.promos[index].put_lsn) + " (promo ";
      append_number(name, batch.promos[index].put.promo);
      break;
    case RowKind::grant:
      name = "TicketGrant " + to_text(batch.grants[index].lsn) + " (promo ";
      append_number(name, batch.grants[index].grant.promo);
      break;
    case RowKind::update:
      name = "OrderUpdate " + to_text(batch.updates[index].lsn) + " (order " +
             to_text(batch.updates[index].update.order);
      break;
    case RowKind::stock:
      name = "StockChange " + to_text(batch.stock[index].lsn) + " (item ";
      append_number(name, batch.stock[index].change.item);
      break;
  }
  return name + ")";
}

namespace {

// `if_missing`: what it means that there is no row.
SqlOutcome look_for_orders(SqlSession& session, const LaneBatch& batch, std::size_t first,
                           std::size_t last, std::string_view if_missing,
                           std::vector<RowFailure>& failures) {
  StoredRows stored;
  session.statement().clear();
  append_order_select(session.statement(), batch, first, last);
  auto read = session.query(
      [&](const SqlRow& row) { stored[row.u64(0)].content = content_of_stored_order(row); });
  if (read.failed) return read;
  for (std::size_t i = first; i < last; ++i) {
    const auto& row = batch.orders[i];
    const auto found = stored.find(row.order_id);
    const SentRow sent{RowKind::order, i, row.order_id, 0, content(row)};
    if (found != stored.end() && found->second.content == sent.content) continue;
    const std::string what = found == stored.end()
                                 ? std::string(if_missing)
                                 : "the database holds an order of other content under this id: " +
                                       found->second.content;
    failures.push_back(conflict(batch, sent, kErrnumDuplicate, what));
  }
  return read;
}

}  // namespace

SqlOutcome check_orders(SqlSession& session, const LaneBatch& batch, std::size_t first,
                        std::size_t last, std::vector<RowFailure>& failures) {
  return look_for_orders(session, batch, first, last,
                         "another order has this request id in the database", failures);
}

SqlOutcome compare_orders(SqlSession& session, const LaneBatch& batch,
                          std::vector<RowFailure>& failures) {
  constexpr std::size_t kRows = 1000;  // a statement of about 22 KB
  SqlOutcome read;
  for (std::size_t first = 0; first < batch.orders.size() && !read.failed; first += kRows) {
    read = look_for_orders(session, batch, first, std::min(first + kRows, batch.orders.size()),
                           "there is no row of this order", failures);
  }
  return read;
}

SqlOutcome check_puts(SqlSession& session, const LaneBatch& batch, std::size_t first,
                      std::size_t last, std::vector<RowFailure>& failures) {
  StoredRows stored;
  session.statement().clear();
  append_put_select(session.statement(), batch, first, last);
  auto read =
      read_stored(session, stored, [](const SqlRow& row) { return content_of_stored_put(row, 2); });
  for (std::size_t i = first; i < last && !read.failed; ++i) {
    const auto& row = batch.puts[i];
    check_guarded(batch, {RowKind::put, i, row.item, row.put_lsn, content(row)}, stored,
                  kItemMissing, failures);
  }
  return read;
}

SqlOutcome check_amounts(SqlSession& session, const LaneBatch& batch, std::size_t first,
                         std::size_t last, std::vector<RowFailure>& failures) {
  StoredRows stored;
  session.statement().clear();
  append_amount_select(session.statement(), batch, first, last);
  auto read = read_stored(session, stored, [](const SqlRow& row) {
    return Content().number("amount", row.i64(2)).take();
  });
  for (std::size_t i = first; i < last && !read.failed; ++i) {
    const auto& row = batch.amounts[i];
    check_guarded(batch, {RowKind::amount, i, row.item, row.lsn, content(row)}, stored,
                  kItemMissing, failures);
  }
  return read;
}

}  // namespace stampede::storage
