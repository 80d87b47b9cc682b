#include "tools/output/safe_output.h"

#include <doctest/doctest.h>

using stampede::tools::ControlEscaper;

namespace {

std::string whole(std::string_view text) {
  ControlEscaper escaper;
  std::string out = escaper.escape(text);
  return out += escaper.rest();
}

}  // namespace

TEST_CASE("what is no control character stays as it is") {
  for (const std::string_view text : {"", "a\tb\n", "手机 😀 ünï £ \xC2\xA0", "\"\\u001b\""}) {
    CHECK(whole(text) == text);
  }
}

TEST_CASE("control characters are written out") {
  CHECK(whole("a\x1b[2Jb") == "a\\u001b[2Jb");
  CHECK(whole("\r\x7f") == "\\u000d\\u007f");
  CHECK(whole(std::string_view("\0", 1)) == "\\u0000");
  CHECK(whole("\xC2\x9B"
              "31m") == "\\u009b31m");
  CHECK(whole("\xC2\xC2\x9B") == "\xC2\\u009b");
  CHECK(whole("\xC2") == "\xC2");
}

TEST_CASE("wherever the pieces are cut, the same is shown") {
  const std::string text = "n\xC2\x9B£\x1b\xC2\xA0\xC2\xC2\x85手\x7f";
  for (std::size_t first = 0; first <= text.size(); ++first) {
    for (std::size_t second = first; second <= text.size(); ++second) {
      ControlEscaper escaper;
      std::string out = escaper.escape(text.substr(0, first));
      out += escaper.escape(text.substr(first, second - first));
      out += escaper.escape(text.substr(second));
      CHECK(out + escaper.rest() == whole(text));
    }
  }
}
