#include "tools/ask/json_text.h"

#include <doctest/doctest.h>

namespace {

using nlohmann::json;
using stampede::tools::text_of;

TEST_CASE("a text of others begins no line and no column of its own") {
  CHECK(text_of(json("a\n2  Phone\t9")) == "a\\u000a2  Phone\\u00099");
  CHECK(text_of({{"name", "手机 😀"}}, "name") == "手机 😀");
}

TEST_CASE("what is no text, or not there") {
  CHECK(text_of(json()) == "-");
  CHECK(text_of(json(-5)) == "-5");
  CHECK(text_of(json::object(), "name") == "-");
}

}  // namespace
