// What is made from the command line's tree: examples, advice, completion, man pages.

#include "tools/command_line/command_tree.h"

#include <doctest/doctest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "tools/command_line/advice.h"
#include "tools/command_line/command_line.h"
#include "tools/command_line/completion.h"
#include "tools/command_line/examples.h"
#include "tools/command_line/man_page.h"

using namespace stampede::tools;

namespace {

// The program without its nodes.
struct Program {
  CLI::App app{"Sells", "stampede"};
  std::string run_dir;
  bool json = false;
  Command chosen;
  std::unique_ptr<CommandLine> line;

  Program() {
    app.add_option("--run-dir", run_dir, "Run directory");
    app.add_flag("--json", json, "Reports as JSON");
    app.require_subcommand(1);
    app.fallthrough();
    line = std::make_unique<CommandLine>(app, chosen);
  }
};

// As a shell takes it apart, as far as examples need it.
std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  bool quoted = false;
  for (const char c : text + " ") {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ' ' && !quoted) {
      if (!word.empty()) words.push_back(word);
      word.clear();
    } else {
      word += c;
    }
  }
  return words;
}

std::string parse(Program& program, std::vector<std::string> words) {
  std::reverse(words.begin(), words.end());
  try {
    program.app.parse(words);
  } catch (const CLI::Error& error) {
    return error.what();
  }
  return {};
}

std::string advice_for(const std::string& typed) {
  Program program;
  CHECK_FALSE(parse(program, words_of(typed)).empty());
  return advice(program.app);
}

}  // namespace

TEST_CASE("every command has an example that it takes, and shows it once in its help") {
  const Program program;
  const auto commands = commands_of(program.app);
  CHECK(commands.size() > 50);
  for (const auto* command : commands) {
    const auto path = path_of(*command);
    CAPTURE(path);
    const auto example = example_of(*command);
    REQUIRE(example.starts_with("stampede " + path));
    const auto footer = command->get_footer();
    const auto at = footer.find("Example:\n  " + example);
    CHECK(at != std::string::npos);
    CHECK(footer.find("Example:", at + 1) == std::string::npos);
    Program typed;
    auto words = words_of(example);
    words.erase(words.begin());
    CHECK(parse(typed, words) == "");
    CHECK(path_of(typed_command(typed.app)).starts_with(path));
  }
}

TEST_CASE("commands have names of their own, and say what they are about") {
  const Program program;
  std::set<std::string> paths;
  for (const auto* command : commands_of(program.app)) {
    CHECK(paths.insert(path_of(*command)).second);
    CHECK_FALSE(command->get_description().empty());
    CHECK(find_command(program.app, words_of(path_of(*command))) == command);
    for (const auto* option : options_of(*command)) {
      CAPTURE(path_of(*command) + " " + option->get_name());
      CHECK_FALSE(option->get_description().empty());
    }
  }
  CHECK(find_command(program.app, {"item", "nothing"}) == nullptr);
}

TEST_CASE("who mistypes is told what is near") {
  CHECK(advice_for("stauts") == "stampede: there is no stauts here; did you mean status?\n");
  CHECK(advice_for("item lst") == "stampede item: there is no lst here; did you mean list?\n");
  CHECK(advice_for("item add 1 --nme Phone --stock 3") ==
        "stampede item add: there is no --nme here; did you mean --name?\n");
  CHECK(advice_for("item list --jsno") ==
        "stampede item list: there is no --jsno here; did you mean --json?\n");
  CHECK(advice_for("status --wach=1") ==
        "stampede status: there is no --wach here; did you mean --watch?\n");
  CHECK(advice_for("xyzzy") == "stampede: there is no xyzzy here\n");
  CHECK(advice_for("item add 1") == "");
}

TEST_CASE("near is what differs in few letters, or begins so") {
  const std::vector<std::string> words{"status", "start", "stop", "restart", "recoveries"};
  CHECK(nearest("statsu", words) == "status");
  CHECK(nearest("strat", words) == "start");
  CHECK(nearest("stpo", words) == "stop");
  CHECK(nearest("reco", words) == "recoveries");
  CHECK(nearest("bench", words) == "");
  CHECK(nearest("", words) == "");
}

TEST_CASE("completion knows every command and every flag") {
  const Program program;
  const auto bash = bash_completion(program.app);
  const auto zsh = zsh_completion(program.app);
  for (const auto* command : commands_of(program.app)) {
    CHECK(bash.find("' " + path_of(*command) + "'") != std::string::npos);
    CHECK(zsh.find("' " + path_of(*command) + "'") != std::string::npos);
    for (const auto* option : options_of(*command)) {
      if (flag_name(*option).empty()) continue;
      CHECK(bash.find(flag_name(*option)) != std::string::npos);
    }
  }
  CHECK(bash.find("' bench --via') words='zmq ipc http miaosha'") != std::string::npos);
  CHECK(bash.find("' stop') words='webapp-1 broker-1 backend-1'") != std::string::npos);
}

TEST_CASE("a man page has what the help has") {
  const Program program;
  const auto* add = find_command(program.app, {"item", "add"});
  REQUIRE(add != nullptr);
  CHECK(man_page_name(*add) == "stampede-item-add");
  const auto page = man_page(*add);
  for (const char* part : {".TH STAMPEDE\\-ITEM\\-ADD 1", ".SH NAME\nstampede\\-item\\-add \\- Add",
                           "\\fB\\-\\-stock\\fR", "(required)", "(default 5)", ".SH EXAMPLE",
                           ".SH EXIT STATUS", ".BR stampede\\-item (1)"})
    CHECK(page.find(part) != std::string::npos);
  const auto whole = man_page(program.app);
  for (const auto* command : commands_of(program.app))
    CHECK(whole.find("\\fB" + man_text(path_of(*command)) + "\\fR") != std::string::npos);
}

TEST_CASE("no text of a page is taken for a request") {
  CHECK(man_text("a-b") == "a\\-b");
  CHECK(man_text(".so /etc/passwd") == "\\&.so /etc/passwd");
  CHECK(man_text("a\n'b") == "a\n\\&'b");
  CHECK(man_text("\\fB") == "\\efB");
}
