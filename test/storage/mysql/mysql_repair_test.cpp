#include <doctest/doctest.h>

#include <algorithm>

#include "storage/mysql/migrations.h"
#include "storage/mysql/schema_columns.h"
#include "storage/mysql/schema_repair.h"
#include "test/storage/mysql/mysql_fixture.h"

using namespace stampede::test;
using namespace stampede::storage;

namespace {

std::vector<SchemaColumn> all_columns() {
  std::vector<SchemaColumn> columns;
  for (const auto& migration : migrations())
    for (auto& column : columns_made_by(migration.sql)) columns.push_back(column);
  return columns;
}

// Of all that a sale writes. A batch keeps its texts in place: it is not copied.
const Batch& sale() {
  static Batch batch;
  if (!batch.rows.puts.empty()) return batch;
  batch.put(1, "Phone", lsn(1)).amount(1, 93, lsn(7));
  batch.promo(7, "Eleven", lsn(2)).grant(7, 3, lsn(3));
  batch.order(lsn(4), "a", "ann")
      .sold(lsn(5), 7, 1'800'000'000'000)
      .order(lsn(6), "c", "eve", 1, 2);
  batch.update(lsn(5), Fulfilment::paid, lsn(8), "pay-1");
  batch.stock(1, 5, StockReason::add, lsn(9));
  return batch.stock(1, 1, StockReason::expired, lsn(10), lsn(6));
}

class Repair : public MysqlFixture {
 public:
  Repair() {
    auto lane = writer();
    REQUIRE(applied(lane, sale()).empty());
    run("INSERT INTO account(user_id,name,created_at) VALUES('ann','Ann','2030-01-01')");
    run("INSERT INTO meta VALUES(x'000102030405060708090a0b0c0d0e0f','2030-01-01')");
  }

  [[nodiscard]] std::string rows(const std::string& table) const {
    std::string names;
    for (const auto& column : all_columns())
      if (column.table == table) names += (names.empty() ? "" : ",") + column.name;
    return sql("SELECT " + names + " FROM " + table + " ORDER BY 1");
  }
  [[nodiscard]] std::string shape(const std::string& table) const {
    const auto of = " FROM information_schema.";
    const auto here = " WHERE table_schema=DATABASE() AND table_name='" + table + "' ORDER BY 1,2";
    return sql(std::string("SELECT column_name,column_type,is_nullable,column_default,"
                           "column_comment,generation_expression") +
               of + "columns" + here) +
           sql(std::string("SELECT index_name,column_name,non_unique") + of + "statistics" + here);
  }

  // `migrate up`, as start_all.sh calls it.
  [[nodiscard]] static std::string mended() {
    std::string said;
    const auto done = apply_migrations(server().admin(), [&](const auto& text) { said += text; });
    REQUIRE_MESSAGE(bool(done), done.error().message);
    return said;
  }
  // As `log replay --all` does it.
  void write_again() const {
    auto unfilled = unfilled_columns(server().node());
    REQUIRE(bool(unfilled));
    auto lane = writer();
    lane.fill(*unfilled);
    const auto failures = applied(lane, sale());
    CHECK_MESSAGE(failures.empty(), (failures.empty() ? "" : failures.front().message));
  }
  [[nodiscard]] bool have_witness() const {
    return number("SELECT MAX(applied_lsn) > 0 FROM lane") == 1;
  }
};

std::string drop_of(const SchemaColumn& column) {
  // What is computed from others goes first.
  const std::string computed = column.table == "item" ? "sold" : "total_cents";
  const bool with =
      (column.table == "item" && (column.name == "amount" || column.name == "total")) ||
      column.name == "qty" || column.name == "unit_price_cents";
  return "ALTER TABLE " + column.table + (with ? " DROP COLUMN " + computed + ',' : std::string()) +
         " DROP COLUMN " + column.name;
}

}  // namespace

TEST_CASE_FIXTURE(MysqlFixture, "the steps' texts name the columns that they make") {
  const auto columns = all_columns();
  REQUIRE(columns.size() > 50);
  const auto lost = [&] {
    auto session = connect_sql(server().admin(), SqlSession::Commit::each_statement);
    return lost_columns(**session, columns);
  }();
  REQUIRE(bool(lost));
  CHECK(lost->empty());
  CHECK(number("SELECT COUNT(*) FROM information_schema.columns WHERE table_schema=DATABASE() AND "
               "table_name NOT IN ('schema_version','stock_journal')") ==
        static_cast<long>(columns.size()));
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [](const auto& one) { return one.name == "fulfilment"; });
  REQUIRE(found != columns.end());
  CHECK(found->type() == "ENUM('none', 'unpaid', 'paid', 'expired', 'cancelled', 'refund_due')");
  CHECK(found->otherwise() == "'none'");
  CHECK_FALSE(found->is_nullable());
}

TEST_CASE_FIXTURE(Repair, "a dropped column of the sale is made anew and written again") {
  for (const auto& column : all_columns()) {
    if (column.table != "orders" && column.table != "stock_change") continue;
    INFO(column.table << '.' << column.name);
    const auto rows_before = rows(column.table);
    const auto shape_before = shape(column.table);
    run(drop_of(column));
    CHECK(mended().find(column.table + " had lost ") == 0);
    CHECK(have_witness() == column.is_computed());
    write_again();
    CHECK(rows(column.table) == rows_before);
    CHECK(mended() == "");
    CHECK(shape(column.table) == shape_before);
    CHECK(mended() == "");
  }
}

TEST_CASE_FIXTURE(Repair, "all columns but the key of a table may be gone at once") {
  for (const std::string table : {"item", "promo", "orders", "stock_change"}) {
    INFO(table);
    const auto rows_before = rows(table);
    const auto shape_before = shape(table);
    std::string drops;
    for (const auto& column : all_columns())
      if (column.table == table && !column.is_key()) drops += ", DROP COLUMN " + column.name;
    run("ALTER TABLE " + table + drops.substr(1));
    CHECK(mended().find(table + " had lost ") == 0);
    CHECK_FALSE(have_witness());
    write_again();
    CHECK(mended() == "");
    CHECK(rows(table) == rows_before);
    CHECK(shape(table) == shape_before);
  }
}

TEST_CASE_FIXTURE(Repair, "the tables that no log writes get their columns back, too") {
  auto columns = all_columns();  // without its key a table is made anew, without rows
  std::stable_partition(columns.begin(), columns.end(),
                        [](const auto& one) { return !one.is_key(); });
  for (const auto& column : columns) {
    const bool of_log = column.table == "orders" || column.table == "stock_change" ||
                        column.table == "item" || column.table == "promo";
    if (of_log) continue;
    INFO(column.table << '.' << column.name);
    const auto shape_before = shape(column.table);
    run("ALTER TABLE " + column.table + " DROP COLUMN " + column.name);
    CHECK(mended().find(column.table + " had lost ") == 0);
    CHECK(shape(column.table) == shape_before);
    const long left = column.is_key() ? 0 : column.table == "lane" ? 2 : 1;
    CHECK(number("SELECT COUNT(*) FROM " + column.table) == left);
  }
  for (const char* name : {"version", "name", "applied_at"}) {
    INFO(name);
    run(std::string("ALTER TABLE schema_version DROP COLUMN ") + name);
    CHECK(mended().find("schema_version had lost ") == 0);
    CHECK(bool(Database::open(server().node())));
  }
}

TEST_CASE_FIXTURE(Repair, "rows that are older than the log are told, and stay without the value") {
  run("ALTER TABLE orders DROP COLUMN user_id");
  CHECK(mended().find("log replay --all") != std::string::npos);
  const auto unfilled = unfilled_columns(server().node());
  REQUIRE(bool(unfilled));
  {
    auto lane = writer();
    lane.fill(*unfilled);
    CHECK(applied(lane, Batch().order(lsn(6), "c", "eve", 1, 2)).empty());
  }
  CHECK(mended().find("orders.user_id is still empty in rows that are older") == 0);
  CHECK(sql("SELECT COALESCE(user_id,'-') FROM orders ORDER BY order_id") == "-\n-\neve");
  // What somebody else wrote meanwhile is not overwritten.
  run("UPDATE orders SET user_id='mallory' WHERE request_id='a'");
  auto lane = writer();
  lane.fill(*unfilled_columns(server().node()));
  const auto failures = applied(lane, sale());
  REQUIRE(failures.size() == 1);
  CHECK(failures[0].message.find("order of other content") != std::string::npos);
}

TEST_CASE_FIXTURE(Repair, "columns are not changed under a backend that runs") {
  auto lane = writer();
  REQUIRE(applied(lane, Batch().order(lsn(20), "z")).empty());  // its session stays open
  run("ALTER TABLE orders DROP COLUMN user_id");
  CHECK(apply_migrations(server().admin()).error().code == Errc::locked);
  CHECK(number("SELECT COUNT(*) FROM information_schema.columns WHERE table_schema=DATABASE() AND "
               "table_name='orders' AND column_name='user_id'") == 0);
}
