#include <doctest/doctest.h>

#include <algorithm>

#include "storage/mysql/command_sql.h"
#include "storage/mysql/sale_rows.h"
#include "storage/mysql/sql_text.h"

using namespace stampede::storage;

namespace {

std::string literal(std::string_view bytes) {
  std::string out;
  append_literal(out, bytes);
  return out;
}

std::string datetime(std::int64_t us) {
  std::string out;
  append_datetime(out, us);
  return out;
}

}  // namespace

TEST_CASE("harmless texts are quoted, all others become hex literals") {
  CHECK(literal("") == "''");
  CHECK(literal("abc-XYZ_09") == "'abc-XYZ_09'");
  CHECK(literal("ann@example.org") == "'ann@example.org'");
  CHECK(literal("O'Brien") == "x'4f27427269656e'");
  CHECK(literal("a\\b") == "x'615c62'");
  CHECK(literal(std::string_view("a\0b", 3)) == "x'610062'");
  CHECK(literal("€") == "x'e282ac'");
}

TEST_CASE("every byte value that could mean something to a server is written as hex") {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const std::string out = literal(std::string_view(&c, 1));
    if (c == '\'' || c == '"' || c == '\\' || c == '`' || c == '%' || byte < 32 || byte > 126) {
      CHECK(out.starts_with("x'"));
    }
    CHECK(out.find('\\') == std::string::npos);
  }
}

TEST_CASE("times come out as the server writes them") {
  CHECK(datetime(0) == "1970-01-01 00:00:00.000000");
  CHECK(datetime(1795257721203118) == "2026-11-21 10:42:01.203118");
  CHECK(datetime(-1) == "1969-12-31 23:59:59.999999");
  CHECK(datetime(253402300799999999) == "9999-12-31 23:59:59.999999");
  CHECK(datetime(253402300800000000) == "out of range");
}

TEST_CASE("a large batch becomes several statements below the packet limit") {
  const std::string name(2000, '\xc3');
  LaneBatch batch;
  for (Lsn i = 1; i <= 2000; ++i) batch.puts.push_back({i, {name, 1, 1, 0, 5}, i});
  std::size_t first = 0;
  int statements = 0;
  while (first < batch.puts.size()) {
    std::string sql;
    const auto next = append_put_upsert(sql, batch, first, batch.puts.size());
    CHECK(next > first);
    CHECK(sql.size() < (4U << 20) - 100000);
    first = next;
    ++statements;
  }
  CHECK(statements == 4);
}

TEST_CASE("an order without anything of the sale is written as ever") {
  LaneBatch batch;
  batch.orders.push_back({17, "r-1", 1, "ann", 2, 9900, 1795257721203118});
  batch.orders.push_back({18, "r-2", 1, "O'Brien", 1, 0, 0});
  std::string sql;
  CHECK(append_order_insert(sql, batch, 0, 2) == 2);
  const std::string plain =
      "INSERT INTO orders(order_id,request_id,item_id,user_id,qty,unit_price_cents,decided_at) "
      "VALUES(17,'r-1',1,'ann',2,9900,'2026-11-21 10:42:01.203118'),"
      "(18,'r-2',1,x'4f27427269656e',1,0,'1970-01-01 00:00:00.000000')"
      " ON DUPLICATE KEY UPDATE order_id=order_id";
  CHECK(sql == plain);
  batch.orders.push_back({19, "r-3", 1, "bob", 1, 990, 0, 7, 1795257781203});
  sql.clear();
  CHECK(append_order_insert(sql, batch, 0, 2) == 2);  // another statement has the third
  CHECK(sql == plain);
  sql.clear();
  CHECK(append_order_insert(sql, batch, 1, 3) == 3);
  CHECK(sql ==
        "INSERT INTO orders(order_id,request_id,item_id,user_id,qty,unit_price_cents,decided_at,"
        "promo_id,fulfilment,pay_by) VALUES"
        "(18,'r-2',1,x'4f27427269656e',1,0,'1970-01-01 00:00:00.000000',NULL,'none',NULL),"
        "(19,'r-3',1,'bob',1,990,'1970-01-01 00:00:00.000000',7,'unpaid',"
        "'2026-11-21 10:43:01.203') ON DUPLICATE KEY UPDATE order_id=order_id");
}

TEST_CASE("times of milliseconds have three digits behind the second") {
  std::string out;
  append_datetime_ms(out, 1795257781200);
  CHECK(out == "2026-11-21 10:43:01.200");
  for (const std::int64_t far : {253402300800000, INT64_MAX, INT64_MIN}) {
    out.clear();
    append_datetime_ms(out, far);
    CHECK(out == "out of range");
  }
}

TEST_CASE("times are read from columns that somebody made finer or coarser") {
  CHECK(parse_datetime_ms("2026-11-21 10:43:01.200") == 1795257781200);
  CHECK(parse_datetime_ms("2026-11-21 10:43:01.200000") == 1795257781200);
  CHECK(parse_datetime_ms("2026-11-21 10:43:01") == 1795257781000);
  for (const char* odd : {"", "2026-11-21", "2026-11-21 10:43:01.200100", "2026-11-31 10:43:01.200",
                          "2026-11-21 10:43:01.20x", "2026-11-21 10:43:01.200000000x"})
    CHECK(parse_datetime_ms(odd) == -1);
}

TEST_CASE("the statements of an item") {
  LaneBatch batch;
  batch.puts.push_back({7, {"Phone", 1999, 300'000, 2, 5}, 70});
  batch.puts.push_back({8, {"名", 0, 1, 0, 1}, 71, {.description = "it's", .image_url = "/8.png"}});
  batch.puts.back().sale.hold_s = 900;
  batch.puts.back().sale.promo_only = 1;
  batch.puts.back().sale.closed = 1;
  std::string sql;
  CHECK(append_put_upsert(sql, batch, 0, 2) == 2);
  constexpr std::string_view kColumns =
      "name,price_cents,total,limit_per_user,max_qty,description,image_url,hold_s,hold_low_s,"
      "low_stock_percent,unpaid_per_user_max,sale,open";
  std::string expected = "INSERT INTO item(id," + std::string(kColumns) +
                         ",put_lsn) VALUES"
                         "(7,'Phone',1999,300000,2,5,'','',0,0,0,0,'always',1,70),"
                         "(8,_utf8mb4 x'e5908d',0,1,0,1,_utf8mb4 x'69742773','/8.png',900,0,0,0,"
                         "'promo_only',0,71) ON DUPLICATE KEY UPDATE ";
  for (std::string_view rest = kColumns; !rest.empty();) {
    const std::string name(rest.substr(0, rest.find(',')));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    expected += name + "=IF(VALUES(put_lsn)>put_lsn,VALUES(" + name + ")," + name + "),";
  }
  CHECK(sql == expected + "put_lsn=GREATEST(put_lsn,VALUES(put_lsn))");
  sql.clear();
  append_put_select(sql, batch, 0, 2);
  CHECK(sql == "SELECT id,put_lsn," + std::string(kColumns) + " FROM item WHERE id IN (7,8)");
}

TEST_CASE("orders are updated from a table of values, each once in a statement") {
  LaneBatch batch;
  batch.updates.push_back({{.order = 17, .fulfilment = 2, .action_id = "p-1"}, 40});
  batch.updates.push_back({{.order = 18, .fulfilment = 4, .action_id = "cancel"}, 41});
  batch.updates.push_back({{.order = 17, .fulfilment = 5, .action_id = "p'2"}, 42});
  std::string sql;
  CHECK(append_order_update(sql, batch, 0, 3) == 2);
  CHECK(sql ==
        "UPDATE (SELECT 17 AS k,'paid' AS f,'p-1' AS p,'1970-01-01 00:00:00.000000' AS t,40 AS l "
        "UNION ALL SELECT 18,'cancelled',NULL,'1970-01-01 00:00:00.000000',41"
        ") AS u STRAIGHT_JOIN orders FORCE INDEX(PRIMARY) ON orders.order_id=u.k "
        "SET fulfilment=u.f,payment_id=u.p,fulfilled_at=u.t,lsn=u.l WHERE orders.lsn<u.l");
  sql.clear();
  CHECK(append_order_update(sql, batch, 2, 3) == 3);
  CHECK(sql.starts_with("UPDATE (SELECT 17 AS k,'refund_due' AS f,x'702732' AS p,"));
}

TEST_CASE("the lane's statement holds the fence") {
  std::string sql;
  append_lane_update(sql, 77, 2, {9, 5, 3, {}});
  CHECK(sql ==
        "UPDATE lane SET batches=batches+1,applied_lsn=GREATEST(applied_lsn,77) "
        "WHERE lane=2 AND epoch=9 AND owner=5 AND batches=3");
  sql.clear();
  LaneFence fence{9, 5, 3, {}};
  fence.last[LastKind::order] = {70, 70};
  fence.last[LastKind::update] = {65, 72};
  fence.last[LastKind::amount] = {6, 71};
  fence.last[LastKind::promo] = {8, 73};
  fence.last[LastKind::stock] = {74, 74};
  fence.last[LastKind::grant] = {8, 75};
  append_lane_update(sql, 77, 2, fence);
  CHECK(sql ==
        "UPDATE lane SET batches=batches+1,applied_lsn=GREATEST(applied_lsn,77) "
        "WHERE lane=2 AND epoch=9 AND owner=5 AND batches=3"
        " AND EXISTS(SELECT 1 FROM orders WHERE order_id=70)"
        " AND EXISTS(SELECT 1 FROM orders WHERE order_id=65 AND lsn>=72)"
        " AND EXISTS(SELECT 1 FROM item WHERE id=6 AND lsn>=71)"
        " AND EXISTS(SELECT 1 FROM promo WHERE id=8 AND put_lsn>=73)"
        " AND EXISTS(SELECT 1 FROM stock_change WHERE lsn=74)"
        " AND EXISTS(SELECT 1 FROM promo WHERE id=8 AND lsn>=75)");
}

TEST_CASE("error numbers: faults of a row, transient ones, and everything unknown is retried") {
  for (const unsigned errnum : {1062U, 1264U, 1366U, 1406U, 3819U, 4025U}) {
    CHECK(classify_sql_error(errnum) == SqlErrorClass::row);
  }
  for (const unsigned errnum : {1021U, 1114U, 1205U, 1213U}) {
    CHECK(classify_sql_error(errnum) == SqlErrorClass::transient);
  }
  for (const unsigned errnum : {0U, 28U, 1040U, 1053U, 1146U, 1290U, 2002U, 2006U, 2013U, 9999U}) {
    CHECK(classify_sql_error(errnum) == SqlErrorClass::lost);
  }
}
