#include "storage/mysql/row_check.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "storage/mysql/sql_text.h"

namespace stampede::storage {
namespace {

// The fields behind the key as one text, so that a difference can be compared and shown at once.
// Client texts appear as SQL literals: they cannot break a line of the log.
class Content {
 public:
  Content& number(std::string_view name, std::int64_t value) {
    begin(name);
    append_number(text_, value);
    return *this;
  }
  Content& number(std::string_view name, std::uint64_t value) {
    begin(name);
    append_number(text_, value);
    return *this;
  }
  Content& bytes(std::string_view name, std::string_view value) {
    begin(name);
    append_literal(text_, value);
    return *this;
  }
  std::string take() { return std::move(text_); }

 private:
  void begin(std::string_view name) {
    if (!text_.empty()) text_ += ' ';
    text_ += name;
    text_ += '=';
  }
  std::string text_;
};

std::string content(const OrderRow& row) {
  std::string time;
  append_datetime(time, row.decided_at_us);
  return Content()
      .bytes("request_id", row.request_id)
      .number("item_id", row.item)
      .bytes("user_id", row.user)
      .number("qty", std::int64_t{row.qty})
      .number("unit_price_cents", row.unit_price_cents)
      .bytes("decided_at", time)
      .take();
}

void add_term(Content& content, const Term& term, std::string_view value) {
  content.bytes(term.name, value);
}
void add_term(Content& content, const Term& term, std::int64_t value) {
  content.number(term.name, value);
}

std::string content(const ItemPutRow& row) {
  Content content;
  each_term([&](const Term& term, const auto& value) { add_term(content, term, value); },
            row.terms);
  return content.take();
}

// Of a stored row, whose terms begin at `column`. Numbers as they are there: somebody else may have
// written some that no item can have.
struct StoredTerms {
  const SqlRow& row;
  unsigned column;
  Content content;
  void operator()(const Term& term, std::string_view) {
    content.bytes(term.name, row.text(column++));
  }
  void operator()(const Term& term, std::int64_t) { content.number(term.name, row.i64(column++)); }
};

std::string content_of_stored(const SqlRow& row, unsigned column) {
  StoredTerms stored{row, column, {}};
  const ItemTerms types;
  each_term(stored, types);
  return stored.content.take();
}

std::string content(const AmountRow& row) {
  return Content().number("amount", row.amount).take();
}

struct Stored {
  Lsn guard = 0;
  std::string content;
};
using StoredRows = std::unordered_map<std::uint64_t, Stored>;

std::string alarm(const LaneBatch& batch, RowKind kind, std::size_t index, const std::string& what,
                  const std::string& sent) {
  return "ALARM: " + row_name(batch, kind, index) + ": " + what + "; sent " + sent +
         ". Nothing was changed; find out who else writes to this database";
}

// Upserts with a guard column: a stored guard above ours means a newer command was here.
template <class Row>
void check_guarded(const LaneBatch& batch, RowKind kind, const Row& row, Lsn guard,
                   std::size_t index, const StoredRows& stored, std::vector<RowFailure>& failures) {
  const auto found = stored.find(row.item);
  const std::string sent = content(row);
  if (found != stored.end()) {
    if (found->second.guard > guard) return;
    if (found->second.guard == guard && found->second.content == sent) return;
  }
  const std::string what = found == stored.end()
                               ? "the item's row is not there after its upsert"
                               : "the row holds other content under lsn " +
                                     to_text(found->second.guard) + ": " + found->second.content;
  failures.push_back({kind, index, kErrnumDuplicate, alarm(batch, kind, index, what, sent)});
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
  auto read = session.query([&](const SqlRow& row) {
    stored[row.u64(0)].content = Content()
                                     .bytes("request_id", row.text(1))
                                     .number("item_id", row.u64(2))
                                     .bytes("user_id", row.text(3))
                                     .number("qty", row.i64(4))
                                     .number("unit_price_cents", row.i64(5))
                                     .bytes("decided_at", row.text(6))
                                     .take();
  });
  if (read.failed) return read;
  for (std::size_t i = first; i < last; ++i) {
    const auto found = stored.find(batch.orders[i].order_id);
    const std::string sent = content(batch.orders[i]);
    if (found != stored.end() && found->second.content == sent) continue;
    const std::string what = found == stored.end()
                                 ? std::string(if_missing)
                                 : "the database holds an order of other content under this id: " +
                                       found->second.content;
    failures.push_back(
        {RowKind::order, i, kErrnumDuplicate, alarm(batch, RowKind::order, i, what, sent)});
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
  auto read = session.query([&](const SqlRow& row) {
    stored[row.u64(0)] = {row.u64(1), content_of_stored(row, 2)};
  });
  if (read.failed) return read;
  for (std::size_t i = first; i < last; ++i) {
    check_guarded(batch, RowKind::put, batch.puts[i], batch.puts[i].put_lsn, i, stored, failures);
  }
  return read;
}

SqlOutcome check_amounts(SqlSession& session, const LaneBatch& batch, std::size_t first,
                         std::size_t last, std::vector<RowFailure>& failures) {
  StoredRows stored;
  session.statement().clear();
  append_amount_select(session.statement(), batch, first, last);
  auto read = session.query([&](const SqlRow& row) {
    stored[row.u64(0)] = {row.u64(1), Content().number("amount", row.i64(2)).take()};
  });
  if (read.failed) return read;
  for (std::size_t i = first; i < last; ++i) {
    check_guarded(batch, RowKind::amount, batch.amounts[i], batch.amounts[i].lsn, i, stored,
                  failures);
  }
  return read;
}

}  // namespace stampede::storage
