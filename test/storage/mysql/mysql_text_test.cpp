#include <doctest/doctest.h>

#include "storage/mysql/command_sql.h"
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

TEST_CASE("the statements of an item") {
  LaneBatch batch;
  batch.puts.push_back({7, {"Phone", 1999, 300'000, 2, 5}, 70});
  batch.puts.push_back({8, {"名", 0, 1, 0, 1}, 71});
  std::string sql;
  CHECK(append_put_upsert(sql, batch, 0, 2) == 2);
  CHECK(sql ==
        "INSERT INTO item(id,name,price_cents,total,limit_per_user,max_qty,put_lsn) VALUES"
        "(7,'Phone',1999,300000,2,5,70),(8,_utf8mb4 x'e5908d',0,1,0,1,71)"
        " ON DUPLICATE KEY UPDATE name=IF(VALUES(put_lsn)>put_lsn,VALUES(name),name),"
        "price_cents=IF(VALUES(put_lsn)>put_lsn,VALUES(price_cents),price_cents),"
        "total=IF(VALUES(put_lsn)>put_lsn,VALUES(total),total),"
        "limit_per_user=IF(VALUES(put_lsn)>put_lsn,VALUES(limit_per_user),limit_per_user),"
        "max_qty=IF(VALUES(put_lsn)>put_lsn,VALUES(max_qty),max_qty),"
        "put_lsn=GREATEST(put_lsn,VALUES(put_lsn))");
  sql.clear();
  append_put_select(sql, batch, 0, 2);
  CHECK(sql ==
        "SELECT id,put_lsn,name,price_cents,total,limit_per_user,max_qty FROM item "
        "WHERE id IN (7,8)");
}

TEST_CASE("the lane's statement holds the fence") {
  std::string sql;
  append_lane_update(sql, 77, 2, {9, 5, 3});
  CHECK(sql ==
        "UPDATE lane SET batches=batches+1,applied_lsn=GREATEST(applied_lsn,77) "
        "WHERE lane=2 AND epoch=9 AND owner=5 AND batches=3");
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
