#include "config/settings/config.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fstream>

#include "test/config/settings/run_dir.h"

namespace stampede::config {
namespace {

namespace fs = std::filesystem;

Config loaded(const LoadOptions& options) {
  auto result = load(options);
  if (const auto* error = std::get_if<ConfigError>(&result)) FAIL(describe(*error));
  return std::get<Config>(result);
}

ConfigError refused(const LoadOptions& options) {
  auto result = load(options);
  REQUIRE(std::holds_alternative<ConfigError>(result));
  return std::get<ConfigError>(result);
}

// What load() says about a file of this text.
ConfigError refused_file(const std::string& text) {
  const RunDir run;
  const auto file = run.write("stampede.toml", text);
  auto error = refused({.file = {}, .run_dir = run.path(), .env = {}, .flags = {}});
  CHECK(error.file == file.string());
  return error;
}

bool says(const ConfigError& error, const std::string& text) {
  CAPTURE(error.message);
  return error.message.find(text) != std::string::npos;
}

TEST_CASE("without a file the defaults hold and paths follow the run directory") {
  const RunDir run;
  const auto config = loaded({.file = {}, .run_dir = run.path(), .env = {}, .flags = {}});
  CHECK(config.net.port_base == 7100);
  CHECK(config.log.segment_bytes == 64u << 20);
  CHECK(config.backend.orders_max == 20'000'000);
  CHECK_FALSE(config.dev);
  CHECK(config.log.dir == run.path() / "commandlog");
  CHECK(config.db.password_file == run.path() / "db.password");
  CHECK(config.db.url ==
        "mysql://stampede@localhost/stampede?socket=" + run.path().string() + "/db/mysql.sock");
  CHECK(config.origin.empty());
}

TEST_CASE("flags beat the environment, the environment beats the file") {
  const RunDir run;
  run.write("stampede.toml",
            "dev = true\n[net]\nport_base = 7200\n[webapp]\nresend_ms = 111\nwaiting_max = 1\n");
  const auto config = loaded({.file = {},
                              .run_dir = run.path(),
                              .env = {{"STAMPEDE_WEBAPP__RESEND_MS", "222"},
                                      {"STAMPEDE_WEBAPP__WAITING_MAX", "2"},
                                      {"STAMPEDE_DEV", "false"}},
                              .flags = {{"webapp.waiting_max", "3"}}});
  CHECK(config.net.port_base == 7200);
  CHECK(config.webapp.resend_ms == 222);
  CHECK(config.webapp.waiting_max == 3);
  CHECK_FALSE(config.dev);
  CHECK(config.origin == run.path() / "stampede.toml");
}

TEST_CASE("the file is --config, else STAMPEDE_CONFIG, else the run directory's") {
  const RunDir run;
  run.write("stampede.toml", "[net]\nport_base = 7001\n");
  const auto by_env = run.write("env.toml", "[net]\nport_base = 7002\n");
  const auto by_flag = run.write("flag.toml", "[net]\nport_base = 7003\n");
  LoadOptions options{.file = {}, .run_dir = run.path(), .env = {}, .flags = {}};
  CHECK(loaded(options).net.port_base == 7001);
  options.env["STAMPEDE_CONFIG"] = by_env.string();
  CHECK(loaded(options).net.port_base == 7002);
  options.file = by_flag;
  CHECK(loaded(options).net.port_base == 7003);
}

TEST_CASE("the run directory comes from the option, else from STAMPEDE_RUN_DIR, else is run") {
  LoadOptions options{.file = {}, .run_dir = {}, .env = {}, .flags = {}};
  CHECK(loaded(options).run_dir == fs::current_path() / "run");
  options.env["STAMPEDE_RUN_DIR"] = "/nowhere/a/";
  CHECK(loaded(options).run_dir == "/nowhere/a");
  options.run_dir = "/nowhere/b";
  CHECK(loaded(options).run_dir == "/nowhere/b");
}

TEST_CASE("relative paths start at the run directory") {
  const auto config = loaded(
      {.file = {}, .run_dir = "/nowhere", .env = {{"STAMPEDE_LOG__DIR", "x/y"}}, .flags = {}});
  CHECK(config.log.dir == "/nowhere/x/y");
}

TEST_CASE("an unknown key is refused with line and column and the keys there are") {
  const auto error = refused_file("[net]\n  prot_base = 1\n");
  CHECK(error.line == 2);
  CHECK(error.column == 3);
  CHECK(error.key == "net.prot_base");
  CHECK(says(error, "port_base"));
}

TEST_CASE("an unknown section is refused") {
  const auto error = refused_file("dev = true\n[network]\nmode = \"ipc\"\n");
  CHECK(error.line == 2);
  CHECK(error.key == "network");
  CHECK(
      says(error,
           "known are [net], [curve], [webapp], [limits], [auth], [broker], [backend], [tickets], "
           "[log], [snapshot], [db], [supervisor] and dev"));
}

TEST_CASE("a value out of bounds is refused and told what is allowed") {
  const auto error = refused_file("[net]\nport_base = 99\n");
  CHECK(error.line == 2);
  CHECK(error.column == 13);
  CHECK(says(error, "99 is not allowed"));
  CHECK(says(error, "from 1024 to 65000"));
  CHECK(says(error, "default 7100"));
}

TEST_CASE("a value of the wrong type is refused with the type that is needed") {
  CHECK(says(refused_file("[net]\nport_base = \"7100\"\n"), "a whole number without quotes"));
  CHECK(says(refused_file("[net]\nmode = 1\n"), "a text in quotes"));
  CHECK(says(refused_file("dev = \"true\"\n"), "true or false without quotes"));
  CHECK(says(refused_file("[net]\nport_base = 7100.5\n"), "wrong type"));
  CHECK(says(refused_file("[net]\nport_base = [7100]\n"), "wrong type"));
  CHECK(says(refused_file("net = 3\n"), "unknown key"));
  CHECK(says(refused_file("[net.mode]\nx = 1\n"), "wrong type"));
}

TEST_CASE("text that is no TOML is refused with its place") {
  const auto error = refused_file("[net]\nport_base = = 1\n");
  CHECK(error.line == 2);
  CHECK(says(error, "no valid TOML"));
}

TEST_CASE("a file that is not there is refused") {
  const auto error =
      refused({.file = "/nowhere/s.toml", .run_dir = "/nowhere", .env = {}, .flags = {}});
  CHECK(describe(error).starts_with("/nowhere/s.toml: no such file"));
}

TEST_CASE("addresses beyond loopback are refused") {
  CHECK(says(refused_file("[net]\nbind = \"0.0.0.0\"\n"), "not 0.0.0.0"));
  CHECK(says(refused_file("[net]\nbind = \"127.0.0\"\n"), "IPv4 address"));
  CHECK(says(refused_file("[webapp]\nhttp = \"192.168.1.2:8080\"\n"), "loopback"));
  CHECK(says(refused_file("[webapp]\nhttp = \"127.0.0.1\"\n"), "127.x.y.z:PORT"));
  CHECK(says(refused_file("[webapp]\nhttp = \"127.0.0.1:0\"\n"), "127.x.y.z:PORT"));
}

TEST_CASE("net.bind beyond loopback needs keys and an allow-list, and says what is missing") {
  const std::string bind = "[net]\nbind = \"192.0.2.7\"\n";
  const auto open = refused_file(bind);
  CHECK(open.key == "net.bind");
  CHECK(says(open, "\"192.0.2.7\""));
  CHECK(says(open, "curve.key_file"));
  CHECK(says(open, "curve.allow_file"));
  CHECK(says(refused_file(bind + "[curve]\nkey_file = \"k\"\n"), "curve.allow_file"));
  CHECK(says(refused_file(bind + "[curve]\nallow_file = \"a\"\n"), "curve.key_file"));
  CHECK(says(refused_file("[curve]\nallow_file = \"a\"\n"), "protects nothing"));
  CHECK(says(refused_file("[curve]\nserver_key = \"" + std::string(40, 'a') + "\"\n"),
             "curve.key_file"));
  const RunDir run;
  run.write("stampede.toml", bind + "[curve]\nkey_file = \"k\"\nallow_file = \"/a\"\n");
  const auto closed = loaded({.file = {}, .run_dir = run.path(), .env = {}, .flags = {}});
  CHECK(closed.net.bind == "192.0.2.7");
  CHECK(closed.curve.key_file == closed.run_dir / "k");
  CHECK(closed.curve.allow_file == "/a");
}

TEST_CASE("sessions are asked for as a whole, and what would protect nothing is refused") {
  CHECK(says(refused_file("[auth]\nmode = \"on\"\n"), "\"off\" or \"required\""));
  CHECK(refused_file("[auth]\nkeys_file = \"k\"\n").key == "auth.keys_file");
  CHECK(says(refused_file("[auth]\nkeys_file = \"k\"\n"), "protects nothing"));
  const std::string required = "[auth]\nmode = \"required\"\n";
  for (const char* key : {"issuer", "audience"}) {
    const auto refused = refused_file(required + key + " = \"x\"\n");
    CHECK(refused.key == "auth." + std::string(key));
    CHECK(says(refused, "auth.keys_file"));
    CHECK(says(refused_file(required + key + " = \"" + std::string(257, 'x') + "\"\n"), "256"));
    CHECK(says(refused_file(required + key + " = \"a\\n\"\n"), "control characters"));
  }
  const std::string shop = required + "keys_file = \"shop.jwks\"\n";
  for (const std::string setting : {"single_session = true", "session_s = 600"}) {
    const auto key = "auth." + setting.substr(0, setting.find(' '));
    const auto refused = refused_file(shop + setting + "\n");
    CHECK(refused.key == key);
    CHECK(says(refused, "auth.keys_file"));
    CHECK(refused_file("[auth]\n" + setting + "\n").key == key);
    CHECK(says(refused_file("[auth]\n" + setting + "\n"), "auth.mode"));
  }
  CHECK(refused_file(required + "sessions_max = 4095\n").key == "auth.sessions_max");
  CHECK(refused_file(required + "session_s = 0\n").key == "auth.session_s");
  CHECK(refused_file(required + "session_s = 31622401\n").key == "auth.session_s");
  const RunDir run;
  run.write("stampede.toml",
            required + "keys_file = \"shop.jwks\"\nissuer = \"login\"\naudience = \"shop\"\n");
  const auto config = loaded({.file = {}, .run_dir = run.path(), .env = {}, .flags = {}});
  CHECK(config.auth.required());
  CHECK_FALSE(config.auth.accounts());
  CHECK(config.auth.keys_file == config.run_dir / "shop.jwks");
  CHECK(config.auth.audience == "shop");
  run.write("stampede.toml", required);
  CHECK(loaded({.file = {}, .run_dir = run.path(), .env = {}, .flags = {}}).auth.accounts());
}

TEST_CASE("limits that would hold nobody back are refused, the usual numbers are not") {
  const auto burst = refused_file("[limits]\nuser_burst = 5\n");
  CHECK(burst.key == "limits.user_burst");
  CHECK(says(burst, "limits.user_per_s"));
  CHECK(refused_file("[limits]\naddress_ban_s = 5\n").key == "limits.address_ban_s");
  const RunDir run;
  const auto taken = [&](const std::string& text) {
    run.write("stampede.toml", text);
    return loaded({.file = {}, .run_dir = run.path(), .env = {}, .flags = {}});
  };
  CHECK(taken("[limits]\nuser_burst = 10\n[auth]\nsession_s = 86400\n").limits.user_burst == 10);
  CHECK(taken("[limits]\nuser_burst = 5\nuser_per_s = 1\n").limits.user_burst == 5);
  CHECK(taken("[auth]\nmode = \"required\"\nsession_s = 600\nsingle_session = true\n")
            .auth.session_s == 600);
}

TEST_CASE("pages that sell to who is logged in are not served where nobody is") {
  CHECK(!loaded({.file = {}, .run_dir = RunDir().path(), .env = {}, .flags = {}}).webapp.compat);
  const auto refused = refused_file("[webapp]\ncompat = true\n");
  CHECK(refused.key == "webapp.compat");
  CHECK(says(refused, "auth.mode"));
  CHECK(refused_file("[webapp]\ncompat = 1\n").key == "webapp.compat");
  const RunDir run;
  run.write("stampede.toml", "[webapp]\ncompat = true\n[auth]\nmode = \"required\"\n");
  CHECK(loaded({.file = {}, .run_dir = run.path(), .env = {}, .flags = {}}).webapp.compat);
}

TEST_CASE("a service's token is read where there is one, if nobody else may read it") {
  const RunDir run;
  const auto config = loaded({.file = {}, .run_dir = run.path(), .env = {}, .flags = {}});
  CHECK(std::get<std::string>(read_service_token(config)).empty());
  run.write("service.token", "one\ntwo\n");
  fs::permissions(service_token_file(config), fs::perms::owner_read);
  CHECK(std::get<std::string>(read_service_token(config)) == "one");
  fs::permissions(service_token_file(config), fs::perms::owner_read | fs::perms::others_read);
  CHECK(says(std::get<ConfigError>(read_service_token(config)), "chmod 600"));
}

TEST_CASE("database addresses are checked and hold no password") {
  CHECK(says(refused_file("[db]\nurl = \"postgres://a@b/c\"\n"), "mysql://"));
  CHECK(says(refused_file("[db]\nurl = \"mysql://a@b/\"\n"), "mysql://"));
  const auto with_password = refused_file("[db]\nurl = \"mysql://a:secret@b/c\"\n");
  CHECK(says(with_password, "db.password_file"));
  CHECK_FALSE(says(with_password, "secret"));
  const auto config = loaded({.file = {},
                              .run_dir = "/nowhere",
                              .env = {{"STAMPEDE_DB__URL", "mysql://a@b:3306/c"}},
                              .flags = {}});
  CHECK(config.db.url == "mysql://a@b:3306/c");
}

TEST_CASE("a percent sign in the run directory is escaped in the database's address") {
  const auto config = loaded({.file = {}, .run_dir = "/nowhere/100%", .env = {}, .flags = {}});
  CHECK(config.db.url.ends_with("?socket=/nowhere/100%25/db/mysql.sock"));
}

TEST_CASE("variables that look like keys must be keys, others are left alone") {
  LoadOptions options{.file = {}, .run_dir = "/nowhere", .env = {}, .flags = {}};
  options.env = {{"STAMPEDE_TEST_SEED", "1"}, {"STAMPEDE_FAILPOINTS", "a=kill@1"}};
  loaded(options);
  options.env = {{"STAMPEDE_NET__PORTBASE", "1"}};
  CHECK(refused(options).key == "STAMPEDE_NET__PORTBASE");
  options.env = {{"STAMPEDE_NET__PORT_BASE", "many"}};
  CHECK(says(refused(options), "no whole number"));
  options.env = {{"STAMPEDE_DEV", "yes"}};
  CHECK(says(refused(options), "true or false"));
}

TEST_CASE("a flag that names no key is refused") {
  const auto error =
      refused({.file = {}, .run_dir = "/nowhere", .env = {}, .flags = {{"log.segment_mb", "64"}}});
  CHECK(error.file == "command line");
  CHECK(says(error, "segment_bytes"));
}

TEST_CASE("values that do not fit together are refused") {
  CHECK(refused_file("[webapp]\nhttp = \"127.0.0.1:7101\"\n").key == "webapp.http");
  CHECK(refused_file("[supervisor]\nheartbeat_ms = 5000\n").key == "supervisor.stall_ms");
  CHECK(refused_file("[supervisor]\nrestart_backoff_max_ms = 50\n").key ==
        "supervisor.restart_backoff_min_ms");
}

TEST_CASE("a password file is read without its newline and refused when others may read it") {
  const RunDir run;
  const auto config = loaded({.file = {}, .run_dir = run.path(), .env = {}, .flags = {}});
  CHECK(std::get<std::string>(read_password(config)).empty());
  const auto file = run.write("db.password", "secret\n");
  ::chmod(file.c_str(), 0640);
  CHECK(says(std::get<ConfigError>(read_password(config)), "chmod 600"));
  ::chmod(file.c_str(), 0600);
  CHECK(std::get<std::string>(read_password(config)) == "secret");
}

TEST_CASE("a password file that was named must exist") {
  auto config = loaded({.file = {},
                        .run_dir = "/nowhere",
                        .env = {{"STAMPEDE_DB__PASSWORD_FILE", "other"}},
                        .flags = {}});
  CHECK(std::holds_alternative<ConfigError>(read_password(config)));
}

}  // namespace
}  // namespace stampede::config
