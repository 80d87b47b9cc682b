// First lines, targets, hosts and dates; the grammar of header values.

#include "actors/http/http_head.h"

#include <doctest/doctest.h>

#include "actors/http/http_date.h"
#include "actors/http/http_fields.h"

using namespace stampede::actors;

TEST_CASE("a host is a name or an address, with or without a port") {
  for (const char* host : {"", "a", "a.b:1", "127.0.0.1:8080", "[::1]", "[::1]:", "a:", "a_b-c~",
                           "%41b", "a!$&'()*+;=b"})
    CHECK(is_authority(host));
  for (const char* host :
       {"a b", "a,b", "a/b", "a?b", "a#b",       "a@b",  "a:b", "a:1:2", "[::1", "::1", "[::1]x",
        "[]",  "[g]", "%4",  "%zz", "a\xc3\xa4", "a\"b", "<a>", "a\\b",  "a:-1", "a: 1"}) {
    INFO(std::string(host));
    CHECK_FALSE(is_authority(host));
  }
}

TEST_CASE("the four forms of a target") {
  const auto cut = [](std::string_view method, std::string_view target) {
    const auto found = cut_target(method, target);
    return found ? std::string(found->authority) + "|" + std::string(found->path) + "|" +
                       std::string(found->query)
                 : "none";
  };
  CHECK(cut("GET", "/a?b?c=/") == "|/a|b?c=/");
  CHECK(cut("GET", "//a") == "|//a|");
  CHECK(cut("GET", "http://h:1/a?b") == "h:1|/a|b");
  CHECK(cut("GET", "HTTP://h") == "h|/|");
  CHECK(cut("GET", "https://h?b") == "h|/|b");
  CHECK(cut("OPTIONS", "*") == "|*|");
  CHECK(cut("CONNECT", "h:1") == "h:1||");
  for (const char* wrong : {"*", "a", "h:1", "http:/a", "http://", "http:///a", "http://:1/a",
                            "http://u@h/a", "http://u:p@h/a", "ftp://h/a", "http://h:x/a", "?a"})
    CHECK(cut("GET", wrong) == "none");
  for (const char* wrong : {"/a", "http://h/", "h", ":1", "*"})
    CHECK(cut("CONNECT", wrong) == "none");
}

TEST_CASE("what need not be encoded in a path is decoded, and nothing else") {
  CHECK(normal_path("/a") == "/a");
  CHECK(normal_path("/%61%2d%2D%5f%7e%2E") == "/a--_~.");
  CHECK(normal_path("/a%2Fb%20%25%00") == "/a%2Fb%20%25%00");
  for (const char* wrong : {"/%", "/%4", "/%zz", "/%4g", "/a%"}) CHECK_FALSE(normal_path(wrong));
}

TEST_CASE("a first line is method, target and version") {
  CHECK(cut_request_line("GET / HTTP/1.1")->minor == 1);
  CHECK(cut_request_line("GET / HTTP/1.0")->minor == 0);
  CHECK(cut_request_line("get / HTTP/1.9")->minor == 9);
  CHECK(cut_request_line("GET / HTTP/2.0")->minor < 0);
  for (const char* wrong :
       {"", "GET", "GET /", "GET  / HTTP/1.1", "GET /  HTTP/1.1", " GET / HTTP/1.1",
        "GET / HTTP/1.1 ", "GET / http/1.1", "GET / HTTP/1", "GET / HTTP/11", "GET / HTTP/1.10",
        "GET / HTTP/x.1", "GET /a#b HTTP/1.1", "GET /\x80 HTTP/1.1", "GET /a b HTTP/1.1"})
    CHECK_FALSE(cut_request_line(wrong));
}

TEST_CASE("dates are told as every client reads them") {
  CHECK(http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
  CHECK(http_date(1709164799) == "Wed, 28 Feb 2024 23:59:59 GMT");
  CHECK(http_date(1709164800) == "Thu, 29 Feb 2024 00:00:00 GMT");
  CHECK(http_date_now().size() == 29);
}

TEST_CASE("lists go over lines, and commas in quotes do not divide them") {
  const std::string head = "A: x, \"y, \\\" z\" ,,\r\nB: no\r\na:w\r\n";
  const auto members = list_members(head, "A");
  REQUIRE(members.size() == 3);
  CHECK(members[0] == "x");
  CHECK(members[1] == "\"y, \\\" z\"");
  CHECK(members[2] == "w");
  CHECK(list_has(head, "a", "W"));
  CHECK_FALSE(list_has(head, "a", "y"));
  CHECK(list_members("A: \"open, x\r\n", "a").size() == 1);
}

TEST_CASE("parameters are tokens or quoted strings, and nothing may stand behind them") {
  const auto all = parse_parameters("Form-Data; NAME=\"a\\\"b\" ; c = d;;").value();
  REQUIRE(all.size() == 3);
  CHECK(all[0].name == "form-data");
  CHECK(all[1].name == "name");
  CHECK(all[1].value == "a\"b");
  CHECK(all[2].value == "d");
  for (const char* wrong :
       {"", "=", "a b", "a=\"b", "a=\"b\\", "a;=b", "a; b c", "a=b c", "a=,", "\"a\""})
    CHECK_FALSE(parse_parameters(wrong));
  CHECK(parse_media_type("Text/Plain ;Charset=utf-8")->name == "text/plain");
  CHECK(*parse_media_type("a/b; X=\"y z\"")->parameter("x") == "y z");
  for (const char* wrong : {"", "text", "text/", "/plain", "a/b/c", "a/b=c", "a/b c", "a /b"})
    CHECK_FALSE(parse_media_type(wrong));
}

TEST_CASE("queries are cut first and decoded then") {
  const auto pairs = parse_query("a=1&%61=x%20y+z&&b=%26=&c").value();
  REQUIRE(pairs.size() == 4);
  CHECK(pairs[1].name == "a");
  CHECK(pairs[1].value == "x y z");
  CHECK(pairs[2].value == "&=");
  CHECK(pairs[3].name == "c");
  for (const char* wrong : {"a=%", "a=%2", "a=%zz", "%=a", "a&b=%g0"})
    CHECK_FALSE(parse_query(wrong));
}
