#include "actors/supervisor/request_line.h"

#include <doctest/doctest.h>

#include <string>

using stampede::actors::read_request_line;

TEST_CASE("a line is one object, whole, and says nothing twice") {
  CHECK(read_request_line(R"( {"do":"status","a":{"x":1},"b":[{"x":1},{"x":2}]} )").has_value());
  CHECK(read_request_line("{}\r").has_value());
  const std::string whole = R"({"do":"stop"})";
  for (const std::string& wrong :
       {std::string(), std::string("[]"), std::string("\"do\""), whole + "x", whole + whole,
        whole + '\0', whole + std::string("\0{}", 3), std::string("{\"do\":\"\xff\"}"),
        std::string(R"({"do":"status","do":"stop"})"), std::string(R"({"do":1,"\u0064o":2})"),
        std::string(R"({"a":{"x":1,"y":2,"x":1}})"), std::string(60'000, '[')}) {
    CAPTURE(wrong);
    CHECK_FALSE(read_request_line(wrong).has_value());
  }
}
