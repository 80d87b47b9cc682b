#include "test/sim/sql_shape.h"

#include <doctest/doctest.h>

namespace stampede::sim {
namespace {

SqlText split(std::string_view sql) {
  SqlText text;
  split_sql(sql, text);
  return text;
}

}  // namespace

TEST_CASE("numbers, texts and bytes are literals; digits in names are not") {
  const auto text = split("UPDATE t1 SET a2=-17,b='it is 5 (x)',c=x'4a6B' WHERE max_x<9");
  CHECK(text.shape == "UPDATE t1 SET a2=?,b=?,c=? WHERE max_x<?");
  CHECK(text.literals == SqlCells{{-17, {}}, {0, "it is 5 (x)"}, {0, "Jk"}, {9, {}}});
}

TEST_CASE("a list of rows has the shape of its first") {
  const auto tail = std::string(" ON DUPLICATE KEY UPDATE a=IF(VALUES(b)>b,VALUES(a),a)");
  const auto text = split("INSERT INTO t(a,b) VALUES(1,'x'),(2,'y'),(3,x'7a')" + tail);
  CHECK(text.shape == "INSERT INTO t(a,b) VALUES(?,?)" + tail);
  CHECK(text.literals == SqlCells{{1, {}}, {0, "x"}, {2, {}}, {0, "y"}, {3, {}}, {0, "z"}});
  CHECK(split("INSERT INTO t(a,b) VALUES(1,'x')" + tail).shape == text.shape);
}

TEST_CASE("a NULL among values is a literal, and rows of a table of values are a list") {
  const auto text = split("INSERT INTO t(a,b) VALUES(NULL,'x'),(2,NULL)");
  CHECK(text.shape == "INSERT INTO t(a,b) VALUES(?,?)");
  CHECK(text.literals == SqlCells{{0, {}}, {0, "x"}, {2, {}}, {0, {}}});
  const auto joined =
      split("UPDATE (SELECT 7 AS k,NULL AS f UNION ALL SELECT 8,'y') AS u SET a=u.f");
  CHECK(joined.shape == "UPDATE (SELECT ? AS k,? AS f) AS u SET a=u.f");
  CHECK(joined.literals == SqlCells{{7, {}}, {0, {}}, {8, {}}, {0, "y"}});
}

TEST_CASE("what is no literal where one belongs is refused") {
  for (const char* sql :
       {"SELECT a FROM t WHERE b='x", "SELECT a FROM t WHERE b=12c", "INSERT INTO t VALUES(1),(a)",
        "INSERT INTO t VALUES(1),(2", "SELECT a FROM t WHERE b=99999999999999999999"})
    CHECK_THROWS_AS(split(sql), SqlFault);
}

}  // namespace stampede::sim
