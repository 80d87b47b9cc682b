// The flags of `stampede item add`, as they are shown and checked.

#include <doctest/doctest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "tools/command_line/command_line.h"

using namespace stampede::tools;

namespace {

constexpr auto kWrongName = "--name: a name is 1 to 500 bytes of UTF-8 without control characters";

std::string error_of(std::vector<std::string> flags,
                     std::vector<std::string> command = {"item", "add", "7"}) {
  CLI::App app;
  Command chosen;
  CommandLine line(app, chosen);
  flags.insert(flags.begin(), command.begin(), command.end());
  std::reverse(flags.begin(), flags.end());
  try {
    app.parse(flags);
  } catch (const CLI::Error& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("the flags of an item are shown with bounds and defaults") {
  CLI::App app("", "stampede");
  Command chosen;
  CommandLine line(app, chosen);
  const std::string help = app.get_subcommand("item")->get_subcommand("add")->help();
  CHECK(help.substr(help.find("  --name")) ==
        "  --name TEXT REQUIRED        Name, 1 to 500 bytes of UTF-8\n"
        "  --stock INT:INT in [0 - 1000000000000] REQUIRED\n"
        "                              Units for sale\n"
        "  --price-cents INT:INT in [0 - 1000000000000]=0\n"
        "                              Price of one unit\n"
        "  --limit-per-user UINT:UINT in [0 - 1000000]=0\n"
        "                              Units one user may buy; 0: no limit\n"
        "  --max-qty UINT:UINT in [1 - 1000]=5\n"
        "                              Units in one order\n"
        "  --description TEXT          Description, up to 4000 bytes of UTF-8\n"
        "  --image-url TEXT            Address of a picture, up to 500 bytes\n"
        "  --hold-s UINT:UINT in [0 - 86400]=0\n"
        "                              Seconds in which an order must be paid; 0: none is needed\n"
        "  --hold-low-s UINT:UINT in [0 - 86400]=0\n"
        "                              The same while less than --low-stock-percent is left; 0: no "
        "other\n"
        "  --low-stock-percent UINT:UINT in [0 - 100]=0\n"
        "                              Percent of the total below which it is low\n"
        "  --unpaid-per-user-max UINT:UINT in [0 - 1000000]=0\n"
        "                              Units that one user may have unpaid at a time; 0: no bound\n"
        "  --sale always|promo_only    always, or promo_only: sold through promos alone\n\n"
        "Example:\n"
        "  stampede item add 1 --name Phone --stock 300 --limit-per-user 2\n");
}

TEST_CASE("flags out of bounds are refused") {
  const std::vector<std::string> least{"--name", "Phone", "--stock", "0"};
  CHECK(error_of(least).empty());
  CHECK(error_of({"--stock", "1"}) == "--name is required");
  CHECK(error_of({"--name", "Phone"}) == "--stock is required");
  const auto with = [&](const std::string& flag, const std::string& value) {
    auto flags = least;
    flags.insert(flags.end(), {flag, value});
    return error_of(flags);
  };
  CHECK(with("--price-cents", "1000000000000").empty());
  CHECK(with("--price-cents", "1000000000001") ==
        "--price-cents: Value 1000000000001 not in range 0 to 1000000000000");
  CHECK(with("--limit-per-user", "1000000").empty());
  CHECK(with("--limit-per-user", "1000001") ==
        "--limit-per-user: Value 1000001 not in range 0 to 1000000");
  CHECK(with("--max-qty", "1000").empty());
  CHECK(with("--max-qty", "0") == "--max-qty: Value 0 not in range 1 to 1000");
  CHECK(with("--max-qty", "x") == "--max-qty: Value x not in range 1 to 1000");
  for (const char* odd :
       {"010", "0x10", "1'0", "1_0", "00", "1e1", " 1", "+", "18446744073709551617"})
    CHECK(!with("--price-cents", odd).empty());
  CHECK(with("--price-cents", "010") ==
        "--price-cents: 010 is no whole number in decimal digits without leading zeros");
  CHECK(error_of({"--name", "line\nbreak", "--stock", "1"}) == kWrongName);
  CHECK(error_of({"--name", "", "--stock", "1"}) == kWrongName);
  CHECK(error_of({"--name", "n", "--stock", "1000000000001"}) ==
        "--stock: Value 1000000000001 not in range 0 to 1000000000000");
}

TEST_CASE("a word that is none of those a flag takes is told in the form of all flags") {
  const std::vector<std::string> set{"item", "set", "1"};
  for (const char* word : {"always", "promo_only"}) CHECK(error_of({"--sale", word}, set).empty());
  CHECK(error_of({"--sale=foo"}, set) == "--sale: \"foo\" is none of always, promo_only");
  CHECK(error_of({"--sale", "1"}, set) == "--sale: \"1\" is none of always, promo_only");
  CHECK(error_of({"--sale", ""}, set) == "--sale: \"\" is none of always, promo_only");
  CHECK(error_of({"--ticket=foo"}, {"promo", "set", "1"}) ==
        "--ticket: \"foo\" is none of none, required");
  CHECK(error_of({"--ticket"}, {"promo", "set", "1"}).empty());
  CHECK(error_of({"--via", "x"}, {"bench"}) == "--via: \"x\" is none of zmq, ipc, http, miaosha");
}

TEST_CASE("questions about items and promos take a request id, as their changes do") {
  for (const char* of : {"item", "promo"}) {
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{of, "list"}, std::vector<std::string>{of, "show", "7"}}) {
      CAPTURE(of);
      CAPTURE(command[1]);
      CHECK(error_of({"--request-id", "r-1"}, command).empty());
      CHECK(error_of({"--request-id", "no id"}, command) ==
            "--request-id: a request id is 1 to 64 characters of A-Z a-z 0-9 _ -");
      CHECK(error_of({}, command).empty());
    }
  }
}

TEST_CASE("help is that of the subcommand, wherever the word for it stands") {
  const auto help_of = [](std::vector<std::string> words) {
    CLI::App app("The whole", "stampede");
    std::string run_dir;
    app.add_option("--run-dir", run_dir);
    app.require_subcommand(1);
    app.fallthrough();
    Command chosen;
    CommandLine line(app, chosen);
    std::reverse(words.begin(), words.end());
    std::ostringstream out;
    try {
      app.parse(words);
    } catch (const CLI::CallForHelp& asked) {
      app.exit(asked, out, out);
    }
    return out.str().substr(0, out.str().find('\n'));
  };
  CHECK(help_of({"--help"}) == "The whole");
  CHECK(help_of({"--run-dir", "x", "user", "--help"}).starts_with("Built-in accounts"));
  CHECK(help_of({"--run-dir", "x", "--help", "user"}).starts_with("Built-in accounts"));
  CHECK(help_of({"user", "--run-dir", "x", "--help"}).starts_with("Built-in accounts"));
  CHECK(help_of({"promo", "--run-dir", "x", "add", "--help"}).starts_with("Add a promo"));
}
