#include "config/settings/file_edit.h"

#include <doctest/doctest.h>

namespace stampede::config {
namespace {

std::string edited(const std::string& text, const char* key, const Value& value) {
  const auto made = with_value(text, *find_key(key), value);
  CAPTURE(made.fault);
  CHECK(made.fault.empty());
  return made.text;
}

const Value kSeven{std::int64_t{7}};

TEST_CASE("a value is replaced where it stands, and everything else stays") {
  CHECK(edited("# mine\n[limits]  # of buyers\n  user_per_s = 10 # few\nuser_burst=3\n\n[net]\n",
               "limits.user_per_s", kSeven) ==
        "# mine\n[limits]  # of buyers\n  user_per_s = 7 # few\nuser_burst=3\n\n[net]\n");
  CHECK(edited("dev=true", "dev", Value{false}) == "dev=false");
  CHECK(edited("[log]\ndir = \"\"\"\na\"\"\"  # x\n", "log.dir", Value{std::string("b")}) ==
        "[log]\ndir = \"b\"  # x\n");
  CHECK(edited("[webapp]\nhosts = [\n 'a', # one\n 'b']\nitems_max = 1\n", "webapp.hosts",
               Value{std::string("a,b")}) == "[webapp]\nhosts = \"a,b\"\nitems_max = 1\n");
}

TEST_CASE("characters of several bytes before it count once") {
  CHECK(edited("limits = { \"user_per_s\" = 10 }  # größer\n", "limits.user_per_s", kSeven) ==
        "limits = { \"user_per_s\" = 7 }  # größer\n");
  CHECK(edited("[auth]\nissuer = 'é' # é\n", "auth.issuer", Value{std::string("ü")}) ==
        "[auth]\nissuer = \"ü\" # é\n");
}

TEST_CASE("a key that is not there goes behind the others of its section") {
  CHECK(edited("[limits]\nuser_burst = 3\n\n# ports\n[net]\nport_base = 7200\n",
               "limits.user_per_s", kSeven) ==
        "[limits]\nuser_burst = 3\nuser_per_s = 7\n\n# ports\n[net]\nport_base = 7200\n");
  CHECK(edited("[limits]\n[net]\n", "limits.user_per_s", kSeven) ==
        "[limits]\nuser_per_s = 7\n[net]\n");
  CHECK(edited("[limits]", "limits.user_per_s", kSeven) == "[limits]\nuser_per_s = 7\n");
}

TEST_CASE("a section that is not there comes last") {
  CHECK(edited("", "limits.user_per_s", kSeven) == "[limits]\nuser_per_s = 7\n");
  CHECK(edited("[net]\nmode = 'ipc'", "limits.user_per_s", kSeven) ==
        "[net]\nmode = 'ipc'\n\n[limits]\nuser_per_s = 7\n");
}

TEST_CASE("a key without a section goes before the first one and its comment") {
  CHECK(edited("# all\n\n# ports\n[net]\n", "dev", Value{true}) ==
        "# all\n\ndev = true\n# ports\n[net]\n");
  CHECK(edited("", "dev", Value{true}) == "dev = true\n");
}

TEST_CASE("what is no configuration, or cannot be added to, is left alone with a reason") {
  CHECK(with_value("[net\n", *find_key("dev"), Value{true}).fault.find("TOML") !=
        std::string::npos);
  for (const char* text : {"limits.user_burst = 3\n", "limits = { user_burst = 3 }\n"}) {
    const auto made = with_value(text, *find_key("limits.user_per_s"), kSeven);
    CAPTURE(text);
    CHECK(made.fault.find("limits.user_per_s = 7") != std::string::npos);
  }
}

TEST_CASE("texts are written so that they are read back") {
  for (const std::string text : {"a\"b", "a\\b", "ü", "'", "a'b\"c\"\"\""}) {
    const auto made = edited("[auth]\n", "auth.issuer", Value{text});
    CAPTURE(made);
    CHECK(made.find('\n') != std::string::npos);
  }
}

}  // namespace
}  // namespace stampede::config
