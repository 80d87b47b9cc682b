#include <string>
#include <string_view>

#include "storage/mysql/database.h"
#include "storage/mysql/row_check.h"
#include "storage/mysql/row_content.h"
#include "storage/mysql/sale_columns.h"
#include "storage/mysql/sale_rows.h"

namespace stampede::storage {
namespace {

constexpr IfMissing kPromoMissing{kErrnumDuplicate,
                                  "the promo's row is not there after its upsert"};
constexpr IfMissing kOrderMissing{kErrnumNoRow, "there is no row of this order"};
constexpr IfMissing kStockMissing{kErrnumDuplicate, "the row is not there after its insert"};

struct AddColumn {
  Content& content;
  void operator()(std::string_view name, std::string_view value) { content.bytes(name, value); }
  void operator()(std::string_view name, std::int64_t value) { content.number(name, value); }
};

std::string content(const PromoPutRow& row) {
  Content content;
  each_promo_column(row.put, AddColumn{content});
  return content.take();
}

struct AddStored {
  const SqlRow& row;
  Content& content;
  unsigned column = 2;
  void operator()(std::string_view name, std::string_view) {
    content.bytes(name, row.text(column++));
  }
  void operator()(std::string_view name, std::int64_t) { content.number(name, row.i64(column++)); }
};

std::string content_of_stored_promo(const SqlRow& row) {
  Content content;
  each_promo_column({}, AddStored{row, content});
  return content.take();
}

std::string content_of_update(std::string_view fulfilment, std::string_view payment,
                              std::string_view at) {
  return Content()
      .bytes("fulfilment", fulfilment)
      .bytes_unless("payment_id", payment, {})  // NULL is read as empty
      .bytes("fulfilled_at", at)
      .take();
}

std::string content(const OrderUpdateRow& row) {
  std::string at;
  append_datetime(at, row.update.decided_at_us);
  return content_of_update(fulfilment_text(row.update.fulfilment), payment_id(row.update), at);
}

std::string content_of_stock(std::uint64_t item, std::int64_t delta, std::string_view reason,
                             std::string_view order, std::string_view at) {
  return Content()
      .number("item_id", item)
      .number("delta", delta)
      .bytes("reason", reason)
      .bytes_unless("order_id", order, {})
      .bytes("at", at)
      .take();
}

std::string content(const StockChangeRow& row) {
  std::string at;
  append_datetime(at, row.change.decided_at_us);
  std::string order;
  if (row.change.order != kNoNumber) append_number(order, row.change.order);
  return content_of_stock(row.change.item, row.change.delta, reason_text(row.change.reason), order,
                          at);
}

}  // namespace

SqlOutcome check_promos(SqlSession& session, const LaneBatch& batch, std::size_t first,
                        std::size_t last, std::vector<RowFailure>& failures) {
  StoredRows stored;
  session.statement().clear();
  append_promo_select(session.statement(), batch, first, last);
  auto read = read_stored(session, stored, content_of_stored_promo);
  for (std::size_t i = first; i < last && !read.failed; ++i) {
    const auto& row = batch.promos[i];
    check_guarded(batch, {RowKind::promo, i, row.put.promo, row.put_lsn, content(row)}, stored,
                  kPromoMissing, failures);
  }
  return read;
}

SqlOutcome check_grants(SqlSession& session, const LaneBatch& batch, std::size_t first,
                        std::size_t last, std::vector<RowFailure>& failures) {
  const auto content = [](std::uint64_t granted) {
    return Content().number("granted", granted).take();
  };
  StoredRows stored;
  session.statement().clear();
  append_grant_select(session.statement(), batch, first, last);
  auto read = read_stored(session, stored, [&](const SqlRow& row) { return content(row.u64(2)); });
  for (std::size_t i = first; i < last && !read.failed; ++i) {
    const auto& row = batch.grants[i];
    check_guarded(batch, {RowKind::grant, i, row.grant.promo, row.lsn, content(row.grant.granted)},
                  stored, kPromoMissing, failures);
  }
  return read;
}

SqlOutcome check_updates(SqlSession& session, const LaneBatch& batch, std::size_t first,
                         std::size_t last, std::vector<RowFailure>& failures) {
  StoredRows stored;
  session.statement().clear();
  append_update_select(session.statement(), batch, first, last);
  auto read = read_stored(session, stored, [](const SqlRow& row) {
    return content_of_update(row.text(2), row.text(3), row.text(4));
  });
  for (std::size_t i = first; i < last && !read.failed; ++i) {
    const auto& row = batch.updates[i];
    check_guarded(batch, {RowKind::update, i, row.update.order, row.lsn, content(row)}, stored,
                  kOrderMissing, failures);
  }
  return read;
}

SqlOutcome check_stock(SqlSession& session, const LaneBatch& batch, std::size_t first,
                       std::size_t last, std::vector<RowFailure>& failures) {
  StoredRows stored;
  session.statement().clear();
  append_stock_select(session.statement(), batch, first, last);
  auto read = read_stored(session, stored, [](const SqlRow& row) {
    return content_of_stock(row.u64(2), row.i64(3), row.text(4), row.text(5), row.text(6));
  });
  for (std::size_t i = first; i < last && !read.failed; ++i) {
    const auto& row = batch.stock[i];
    check_guarded(batch, {RowKind::stock, i, row.lsn, 0, content(row)}, stored, kStockMissing,
                  failures);
  }
  return read;
}

}  // namespace stampede::storage
