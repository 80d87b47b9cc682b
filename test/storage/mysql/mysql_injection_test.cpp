// Nothing a client writes changes what a statement means: every text comes back byte for byte.

#include <doctest/doctest.h>

#include <random>
#include <set>

#include "test/storage/mysql/mysql_fixture.h"
#include "test/support/random_run.h"

using namespace stampede::test;

namespace {

std::string hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : bytes) {
    out += digits[static_cast<unsigned char>(c) >> 4];
    out += digits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

const std::vector<std::string> kHandWritten{"'",
                                            "''",
                                            "\"",
                                            "\\",
                                            "\\'",
                                            "\\\\'",
                                            "`",
                                            ";",
                                            "--",
                                            "-- ",
                                            "#",
                                            "/*",
                                            "*/",
                                            "%",
                                            "_",
                                            "?",
                                            "x'00'",
                                            "0x00",
                                            "NULL",
                                            "null",
                                            "'NULL'",
                                            "DEFAULT",
                                            "(SELECT 1)",
                                            "@@version",
                                            "' OR '1'='1",
                                            "' OR 1=1 -- ",
                                            "\" OR \"\"=\"",
                                            "') OR ('1'='1",
                                            "1; DROP TABLE orders",
                                            "'; DROP TABLE orders; -- ",
                                            "'); DROP TABLE item; -- ",
                                            "\\'; DROP TABLE lane; -- ",
                                            "' UNION SELECT 1,2,3 -- ",
                                            "admin'--",
                                            "admin' #",
                                            "' AND SLEEP(5) -- ",
                                            "1' WAITFOR '",
                                            "'||(SELECT user())||'",
                                            "' /*!50000OR*/ 1=1 -- ",
                                            "%27%20OR%201",
                                            "&#39; OR 1=1",
                                            "a','b','c",
                                            "'),(1,2,3,4,5,6,7",
                                            "',NOW(),'",
                                            "x' ON DUPLICATE KEY UPDATE qty=9 -- ",
                                            "O'Brien",
                                            "it''s",
                                            "Ümlaut",
                                            "日本語",
                                            "emoji 🐎💨",
                                            "e\xcc\x81 combining",
                                            "\xe2\x80\xae rtl",
                                            "\xef\xbc\x87 OR 1=1",  // fullwidth apostrophe
                                            "\xca\xbc OR 1=1",      // modifier apostrophe
                                            " leading",
                                            "trailing ",
                                            "  ",
                                            "tab\there",
                                            "line\nbreak",
                                            "cr\rhere",
                                            "\x1a",
                                            "{json:'x'}",
                                            "<script>alert(1)</script>",
                                            "${jndi:ldap://x}",
                                            "%s%n%x",
                                            "../../etc/passwd",
                                            "a=b&c=d"};

std::vector<std::string> corpus() {
  std::vector<std::string> texts = kHandWritten;
  const std::vector<std::string> quotes{"'", "\"", "\\'", "''", "`", "\\", "%bf'"};
  const std::vector<std::string> bodies{
      " OR 1=1", "; DROP TABLE orders", ") OR (1=1", " UNION SELECT 1", ",(1,2,3)", " AND 1=0",
      "||'x'"};
  const std::vector<std::string> ends{"", "--", " -- ", "#", "/*", ";", "'", "\"", "\\"};
  for (const auto& quote : quotes) {
    for (const auto& body : bodies) {
      for (const auto& end : ends) texts.push_back(quote + body + end);
    }
  }
  return texts;
}

// Distinct request ids whatever the corpus holds twice.
std::vector<std::string> distinct(const std::vector<std::string>& texts) {
  const std::set<std::string> sorted(texts.begin(), texts.end());
  return {sorted.begin(), sorted.end()};
}

void check_round_trip(const MysqlFixture& fixture, const std::vector<std::string>& orders,
                      const std::vector<std::string>& names) {
  Batch batch;
  for (std::size_t i = 0; i < orders.size(); ++i) batch.order(lsn(i + 1), orders[i], orders[i]);
  for (std::size_t i = 0; i < names.size(); ++i) batch.put(i + 1, names[i], lsn(i + 1));
  std::string wanted;
  for (const auto& text : orders) wanted += hex(text) + "\t" + hex(text) + "\n";
  for (const auto& text : names) wanted += hex(text) + "\n";
  wanted.pop_back();
  auto lane = fixture.writer();
  for (int pass = 0; pass < 2; ++pass) {  // the second pass compares instead of inserting
    CHECK(applied(lane, batch).empty());
    CHECK(fixture.sql("SELECT HEX(request_id),HEX(user_id) FROM orders ORDER BY order_id; "
                      "SELECT HEX(name) FROM item ORDER BY id") == wanted);
  }
}

}  // namespace

TEST_CASE_FIXTURE(MysqlFixture, "the injection corpus comes back byte for byte") {
  const auto texts = distinct(corpus());
  CHECK(texts.size() >= 490);
  check_round_trip(*this, texts, texts);
}

TEST_CASE_FIXTURE(MysqlFixture, "random bytes come back byte for byte") {
  const auto number = seed_of_run();
  MESSAGE("STAMPEDE_TEST_SEED=" << number);
  std::mt19937_64 random(number);
  std::vector<std::string> texts;
  for (int i = 0; i < 1000; ++i) {
    std::string text(8 + random() % 57, '\0');
    for (auto& c : text) c = static_cast<char>(random());
    texts.push_back(text);
  }
  check_round_trip(*this, distinct(texts), {});
}

TEST_CASE_FIXTURE(MysqlFixture, "a server with other escaping rules stores the same bytes") {
  const auto before = server().sql("SELECT @@GLOBAL.sql_mode");
  server().run("SET GLOBAL sql_mode='NO_BACKSLASH_ESCAPES,ANSI_QUOTES'");
  const auto texts = distinct(corpus());
  check_round_trip(*this, texts, texts);
  server().run("SET GLOBAL sql_mode='" + before + "'");
}
