#include "config/settings/accepted_text.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/settings/key_changes.h"
#include "config/settings/key_table.h"
#include "config/settings/running_nodes.h"
#include "test/config/settings/run_dir.h"

namespace stampede::config {
namespace {

// A node's lock in a run directory, for as long as this lives.
class RunningNode {
 public:
  explicit RunningNode(const RunDir& run)
      : fd_(::open((run.path() / "backend-1.lock").c_str(), O_RDWR | O_CREAT, 0600)) {
    REQUIRE(::flock(fd_, LOCK_EX | LOCK_NB) == 0);
  }
  ~RunningNode() { ::close(fd_); }
  RunningNode(const RunningNode&) = delete;
  RunningNode& operator=(const RunningNode&) = delete;

 private:
  int fd_;
};

LoadOptions in(const RunDir& run, Environment env = {}) {
  return {.file = {}, .run_dir = run.path(), .env = std::move(env), .flags = {}};
}

Config right(const std::variant<Config, ConfigError>& loaded) {
  if (const auto* error = std::get_if<ConfigError>(&loaded)) FAIL(describe(*error));
  return std::get<Config>(loaded);
}

// What a supervisor does at the start of a stopped system.
Config accept(const RunDir& run, Environment env = {}) {
  auto config = right(load(in(run, std::move(env))));
  note_contents(config);
  const auto text = accepted_text(config);
  REQUIRE(write_durably(accepted_file(run.path()), text).empty());
  config.accepted = text_id(text);
  return config;
}

TEST_CASE("an accepted text says every value again, and who gave it") {
  const RunDir run;
  run.write("stampede.toml",
            "dev = true\n[log]\ndir = 'a \"b\" \\\\ c'\n[webapp]\norigins = ['http://a', "
            "'http://b']\nresend_ms = 111\n");
  const auto config = accept(run, {{"STAMPEDE_WEBAPP__RESEND_MS", "222"}});
  const auto again = right(load_accepted(run.path()));
  CHECK(again.given == config.given);
  CHECK(again.origin == config.origin);
  CHECK(again.accepted == config.accepted);
  for (const auto& key : keys()) {
    CAPTURE(key.name);
    CHECK(key.get(again) == key.get(config));
  }
  CHECK(again.given.at("webapp.resend_ms").origin == Origin::environment);
  CHECK(again.given.at("dev").origin == Origin::file);
  CHECK(accepted_text(again) == accepted_text(config));
  struct stat status {};
  REQUIRE(::stat(accepted_file(run.path()).c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("a whole configuration of every key comes back as it was") {
  const RunDir run;
  const auto sample = std::string(CONFIG_FOLDER) + "/stampede.toml";
  run.write("stampede.toml", text_of(sample));
  const auto config = accept(run);
  CHECK(config.given.size() == keys().size());
  const auto again = right(load_accepted(run.path()));
  CHECK(again.given == config.given);
  CHECK(changes(config, again).empty());
  CHECK(changes(right(load({.file = {}, .run_dir = run.path() / "x", .env = {}, .flags = {}})),
                config)
            .empty());
}

TEST_CASE("while a system runs a tool reads what was accepted, whatever becomes of the file") {
  const RunDir run;
  run.write("stampede.toml", "[db]\nlanes = 3\n");
  accept(run);
  const RunningNode node(run);
  CHECK(a_node_runs(run.path()));
  for (const char* text : {"[db]\nlanes = 4\n", "[db\n", "nonsense = 1\n"}) {
    run.write("stampede.toml", text);
    CHECK(right(load_beside(in(run))).db.lanes == 3);
  }
}

TEST_CASE("a caller's variables turn no running system into another one") {
  const RunDir run;
  run.write("stampede.toml", "[db]\nlanes = 3\n");
  accept(run);
  const RunningNode node(run);
  const auto beside = [&](Environment env) { return load_beside(in(run, std::move(env))); };
  auto config = right(beside({{"STAMPEDE_DB__LANES", "5"}, {"STAMPEDE_LOG__DIR", "elsewhere"}}));
  CHECK(config.db.lanes == 3);
  CHECK(config.log.dir == run.path() / "commandlog");
  REQUIRE(config.passed_over.size() == 2);
  CHECK(config.passed_over[0] ==
        "STAMPEDE_DB__LANES is passed over: the system runs with db.lanes = 3");
  CHECK(config.passed_over[1].starts_with("STAMPEDE_LOG__DIR is passed over"));
  // What says the same is no other word, and what is wrong is told as ever.
  const auto log_dir = (run.path() / "commandlog").string();
  config = right(beside({{"STAMPEDE_DB__LANES", "3"}, {"STAMPEDE_LOG__DIR", log_dir}}));
  CHECK(config.passed_over.empty());
  CHECK(std::holds_alternative<ConfigError>(beside({{"STAMPEDE_DB__LANES", "0"}})));
  CHECK(std::holds_alternative<ConfigError>(beside({{"STAMPEDE_DB__LANE", "1"}})));
}

TEST_CASE("a caller's variables say who calls: another user of the same database, a client's key") {
  const RunDir run;
  run.write("stampede.toml", "[db]\nurl = 'mysql://shop@db.example:3306/shop'\n");
  accept(run);
  const RunningNode node(run);
  run.write("root.password", "");
  run.write("ann.key", "");
  const auto beside = [&](Environment env) { return right(load_beside(in(run, std::move(env)))); };
  const std::string root = "mysql://root@db.example:3306/shop";
  auto config =
      beside({{"STAMPEDE_DB__URL", root}, {"STAMPEDE_DB__PASSWORD_FILE", "root.password"}});
  CHECK(config.db.url == root);
  CHECK(config.db.password_file == run.path() / "root.password");
  CHECK(config.passed_over.empty());
  config = beside({{"STAMPEDE_DB__URL", "mysql://shop@db.example:3306/other"},
                   {"STAMPEDE_DB__PASSWORD_FILE", "root.password"}});
  CHECK(config.db.url == "mysql://shop@db.example:3306/shop");
  CHECK(config.db.password_file == run.path() / "db.password");
  CHECK(config.passed_over.size() == 2);
  CHECK(beside({{"STAMPEDE_CURVE__KEY_FILE", "ann.key"}}).curve.key_file == run.path() / "ann.key");
}

TEST_CASE("a tool may ask for another file than the system's own") {
  const RunDir run;
  const auto own = run.write("stampede.toml", "[db]\nlanes = 3\n");
  accept(run);
  const RunningNode node(run);
  run.write("stampede.toml", "[db]\nlanes = 4\n");
  const auto other = run.write("other.toml", "[db]\nlanes = 6\n");
  auto options = in(run);
  options.file = other;
  CHECK(right(load_beside(options)).db.lanes == 6);
  options.file = own;
  CHECK(right(load_beside(options)).db.lanes == 3);
}

TEST_CASE("what is no file has no text, and nobody is waited for") {
  const RunDir run;
  const auto pipe = run.path() / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(text_of(pipe).empty());
  CHECK(text_of(run.path()).empty());
  CHECK(text_of(run.path() / "absent").empty());
}

TEST_CASE("of a system that does not run the file counts") {
  const RunDir run;
  run.write("stampede.toml", "[db]\nlanes = 3\n");
  accept(run);
  run.write("stampede.toml", "[db]\nlanes = 4\n");
  CHECK_FALSE(a_node_runs(run.path()));
  CHECK(right(load_beside(in(run))).db.lanes == 4);
}

TEST_CASE("a reload reads the file anew and keeps environment and flags of the start") {
  const RunDir run;
  run.write("stampede.toml", "[db]\nlanes = 3\n[webapp]\nresend_ms = 500\n");
  const auto now = accept(run, {{"STAMPEDE_WEBAPP__RESEND_MS", "222"}});
  run.write("stampede.toml", "[limits]\nuser_per_s = 7\n[webapp]\nresend_ms = 600\n");
  const auto anew = right(load_anew(now));
  CHECK(anew.limits.user_per_s == 7);
  CHECK(anew.db.lanes == 2);
  CHECK(anew.webapp.resend_ms == 222);
  CHECK(anew.accepted != now.accepted);
  CHECK(anew.accepted == text_id(accepted_text(anew)));
  CHECK(right(load_anew(anew)).accepted == anew.accepted);
}

TEST_CASE("a reload refuses a wrong file as a whole, with its place") {
  const RunDir run;
  const auto file = run.write("stampede.toml", "[db]\nlanes = 3\n");
  const auto now = accept(run);
  run.write("stampede.toml", "[limits]\nuser_per_s = 7\n[db]\nlanes = 0\n");
  const auto error = std::get<ConfigError>(load_anew(now));
  CHECK(error.file == file.string());
  CHECK(error.line == 4);
  CHECK(error.key == "db.lanes");
  // Right each alone, wrong together.
  run.write("stampede.toml", "[limits]\naddress_ban_s = 7\n");
  CHECK(std::get<ConfigError>(load_anew(now)).key == "limits.address_ban_s");
}

TEST_CASE("other contents of a file that is read again are a difference that counts at once") {
  const RunDir run;
  run.write("system.key", "");
  run.write("allowed", "one\n");
  run.write("stampede.toml", "[curve]\nkey_file = 'system.key'\nallow_file = 'allowed'\n");
  const auto now = accept(run);
  CHECK(changes(now, right(load_anew(now))).empty());
  run.write("allowed", "one\ntwo\n");
  const auto anew = right(load_anew(now));
  const auto differences = changes(now, anew);
  REQUIRE(differences.size() == 1);
  CHECK(differences[0].key == "curve.allow_file");
  CHECK(differences[0].change.needs == ChangeClass::live);
  CHECK(anew.accepted != now.accepted);
}

TEST_CASE("what is no accepted text is refused, and a file has no section [accepted]") {
  const RunDir run;
  run.write("config.accepted.toml", "[accepted]\nfile = 1\n");
  CHECK(std::holds_alternative<ConfigError>(load_accepted(run.path())));
  run.write("config.accepted.toml", "[db]\nlanes = 0\n");
  CHECK(std::holds_alternative<ConfigError>(load_accepted(run.path())));
  run.write("stampede.toml", "[accepted]\nfile = 'x'\n");
  CHECK(std::holds_alternative<ConfigError>(load(in(run))));
}

TEST_CASE("a text is written as a whole, and moved over another") {
  const RunDir run;
  const auto one = run.path() / "one";
  CHECK(write_durably(one, "first").empty());
  CHECK(write_durably(one, "second").empty());
  CHECK(text_of(one) == "second");
  CHECK(move_durably(one, run.path() / "two").empty());
  CHECK(text_of(run.path() / "two") == "second");
  CHECK(move_durably(run.path() / "two", {}).empty());
  CHECK_FALSE(move_durably(run.path() / "two", {}).empty());
  CHECK(write_durably(run.path() / "no/where", "x").find("no/where") != std::string::npos);
  const auto mine = run.write("mine", "x");
  REQUIRE(::chmod(mine.c_str(), 0640) == 0);
  CHECK(write_over(mine, "y").empty());
  struct stat status {};
  REQUIRE(::stat(mine.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0640);
}

}  // namespace
}  // namespace stampede::config
