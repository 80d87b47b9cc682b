#include "config/settings/config.h"

#include <sys/stat.h>

#include <fstream>

#include "config/settings/key_table.h"
#include "config/settings/lost_place.h"
#include "config/settings/sources.h"
#include "config/settings/trusted_place.h"

extern "C" char** environ;  // NOLINT: the C library's own name

namespace stampede::config {

namespace {

namespace fs = std::filesystem;

// --- paths and what only shows when all keys are known -------------------------------------------

std::string variable(const Environment& env, const std::string& name) {
  const auto it = env.find(name);
  return it == env.end() ? "" : it->second;
}

ConfigError lost(const fs::path& place, const char* key) {
  return ConfigError{place.string(), 0, 0, key, kWhyLost, true};
}

fs::path default_password_file(const Config& config) {
  return config.run_dir / "db.password";
}

// The reader of the url decodes %XX, so a % in a path must be one.
std::string escaped(const std::string& path) {
  std::string result;
  for (const char c : path) result += c == '%' ? std::string("%25") : std::string(1, c);
  return result;
}

// A key, and what is wrong with it beside others.
using WrongKey = std::optional<std::pair<const char*, std::string>>;

// Whoever can connect can buy as anyone, so beyond loopback every peer has to prove a known key.
WrongKey check_doors(const Config& config) {
  const auto& curve = config.curve;
  const bool keys = !curve.key_file.empty();
  using Wrong = std::pair<const char*, std::string>;
  if (!is_loopback(config.net.bind) && (!keys || curve.allow_file.empty()))
    return Wrong("net.bind",
                 "\"" + config.net.bind + "\" lies outside 127.0.0.0/8 and needs CURVE: set " +
                     (keys ? "" : "curve.key_file (make one: stampede keys new FILE) and ") +
                     "curve.allow_file, or stay on 127.0.0.1");
  if (!keys && !curve.allow_file.empty())
    return Wrong("curve.allow_file", "\"" + curve.allow_file.string() +
                                         "\" protects nothing without curve.key_file; set both");
  if (!keys && !curve.server_key.empty())
    return Wrong("curve.server_key",
                 "\"" + curve.server_key + "\" is of no use without curve.key_file; set both");
  return std::nullopt;
}

// Settings that would look as if they protected something. A number that is the usual one does not.
WrongKey check_auth(const Auth& auth) {
  const bool lasts = auth.session_s != Auth{}.session_s;
  const auto wrong = [](const char* key, const char* why) {
    return WrongKey(std::in_place, key, why);
  };
  constexpr auto kOff = "protects nothing while auth.mode is \"off\"; set that to \"required\"";
  if (!auth.required() && !auth.keys_file.empty()) return wrong("auth.keys_file", kOff);
  if (!auth.required() && auth.single_session) return wrong("auth.single_session", kOff);
  if (!auth.required() && lasts) return wrong("auth.session_s", kOff);
  constexpr auto kBuiltIn =
      "is about log-ins of built-in accounts, and with auth.keys_file there "
      "are none: its tokens come from elsewhere; unset one of the two";
  if (!auth.keys_file.empty() && auth.single_session) return wrong("auth.single_session", kBuiltIn);
  if (!auth.keys_file.empty() && lasts) return wrong("auth.session_s", kBuiltIn);
  constexpr auto kForeign =
      "is of no use without auth.keys_file, whose tokens it is about; set both";
  if (auth.keys_file.empty() && !auth.issuer.empty()) return wrong("auth.issuer", kForeign);
  if (auth.keys_file.empty() && !auth.audience.empty()) return wrong("auth.audience", kForeign);
  return std::nullopt;
}

WrongKey check_limits(const Limits& limits) {
  if (limits.address_ban_s > 0 && limits.address_per_min == 0)
    return {{"limits.address_ban_s", "bans nobody without limits.address_per_min; set both"}};
  if (limits.user_burst != Limits{}.user_burst && limits.user_per_s == 0)
    return {{"limits.user_burst", "holds nobody back without limits.user_per_s; set both"}};
  return std::nullopt;
}

Failure check_together(const Config& config) {
  const auto failure = [&](const char* key, std::string message) {
    const auto file = config.origin.empty() ? "configuration" : config.origin.string();
    return ConfigError{file, 0, 0, key, std::move(message)};
  };
  const auto& supervisor = config.supervisor;
  if (supervisor.restart_backoff_min_ms > supervisor.restart_backoff_max_ms)
    return failure("supervisor.restart_backoff_min_ms",
                   "must not be above supervisor.restart_backoff_max_ms");
  if (supervisor.stall_ms < 2 * supervisor.heartbeat_ms)
    return failure("supervisor.stall_ms",
                   "must be at least twice supervisor.heartbeat_ms, or every node looks hung");
  if (auto wrong = check_limits(config.limits)) return failure(wrong->first, wrong->second);
  if (auto wrong = check_auth(config.auth)) return failure(wrong->first, wrong->second);
  if (config.webapp.compat && !config.auth.required())
    return failure("webapp.compat",
                   "sells to whoever is logged in, and nobody is while auth.mode is \"off\"; set "
                   "that to \"required\"");
  if (auto wrong = check_doors(config)) return failure(wrong->first, wrong->second);
  const int http = std::stoi(config.webapp.http.substr(config.webapp.http.rfind(':') + 1));
  const int base = config.net.port_base;
  if (http >= base && http <= base + 21)
    return failure("webapp.http", "its port lies in net.port_base + 0 ... 21 (" +
                                      std::to_string(base) + " to " + std::to_string(base + 21) +
                                      "); choose another port or port_base");
  return std::nullopt;
}

Failure check_place(const fs::path& place, PlaceKind kind, const char* key) {
  if (place.empty()) return std::nullopt;
  const auto absolute = absolute_or_lost(place);
  if (!absolute.is_absolute()) return lost(place, key);
  auto wrong = distrust(absolute, kind);
  if (wrong.empty()) return std::nullopt;
  return ConfigError{place.string(), 0, 0, key, std::move(wrong)};
}

// Those that hold what is believed; the run directory and the configuration were looked at first.
Failure check_named_places(const Config& config) {
  auto failure = check_place(config.log.dir, PlaceKind::directory, "log.dir");
  if (!failure) failure = check_place(config.db.password_file, PlaceKind::file, "db.password_file");
  if (!failure) failure = check_place(config.curve.key_file, PlaceKind::file, "curve.key_file");
  if (!failure) failure = check_place(config.curve.allow_file, PlaceKind::file, "curve.allow_file");
  if (!failure) failure = check_place(config.auth.keys_file, PlaceKind::file, "auth.keys_file");
  return failure;
}

}  // namespace

std::string describe(const ConfigError& error) {
  std::string text = error.file;
  if (error.line > 0) text += ":" + std::to_string(error.line) + ":" + std::to_string(error.column);
  if (!error.key.empty()) text += ": " + error.key;
  return text + ": " + error.message;
}

Environment environment() {
  Environment result;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const auto equals = text.find('=');
    if (text.starts_with("STAMPEDE_") && equals != std::string::npos)
      result.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return result;
}

fs::path absolute_or_lost(const fs::path& path) {
  std::error_code error;
  auto absolute = fs::absolute(path, error);
  return error ? path : absolute;
}

fs::path run_directory(const LoadOptions& options) {
  fs::path run = options.run_dir;
  if (run.empty()) run = variable(options.env, "STAMPEDE_RUN_DIR");
  if (run.empty()) run = "run";
  auto absolute = absolute_or_lost(run).lexically_normal();
  return absolute.has_filename() ? absolute : absolute.parent_path();
}

fs::path asked_file(const LoadOptions& options) {
  if (options.file) return absolute_or_lost(*options.file).lexically_normal();
  const auto given = variable(options.env, "STAMPEDE_CONFIG");
  return given.empty() ? fs::path{} : absolute_or_lost(given).lexically_normal();
}

std::optional<ConfigError> lost_place(const LoadOptions& options) {
  for (const auto& place : {run_directory(options), asked_file(options)})
    if (!place.empty() && !place.is_absolute()) return lost(place, "");
  return std::nullopt;
}

fs::path usual_file(const fs::path& run_dir) {
  const auto file = run_dir / "stampede.toml";
  std::error_code error;
  return fs::exists(file, error) ? file : fs::path{};
}

Failure start_reading(const fs::path& run_dir, Config& config) {
  config.run_dir = run_dir;
  auto failure = check_place(run_dir, PlaceKind::directory, "");
  if (failure) failure->distrusted = true;
  return failure;
}

Failure read_trusted_file(const fs::path& file, Config& config, TextNotes* notes) {
  if (file.empty()) return std::nullopt;
  auto failure = check_place(file, PlaceKind::file, "");
  return failure ? failure : read_file(file, config, notes);
}

void make_absolute(Config& config) {
  const auto resolve = [&](fs::path& path, const fs::path& usual) {
    path = path.empty() ? usual : (config.run_dir / path).lexically_normal();
  };
  resolve(config.log.dir, config.run_dir / "commandlog");
  resolve(config.db.password_file, default_password_file(config));
  if (!config.curve.key_file.empty()) resolve(config.curve.key_file, {});
  if (!config.curve.allow_file.empty()) resolve(config.curve.allow_file, {});
  if (!config.auth.keys_file.empty()) resolve(config.auth.keys_file, {});
  if (config.db.url.empty())
    config.db.url = "mysql://stampede@localhost/stampede?socket=" +
                    escaped((config.run_dir / "db/mysql.sock").string());
}

Failure judge_whole(Config& config) {
  if (auto failure = check_together(config)) return failure;
  make_absolute(config);
  return check_named_places(config);
}

Failure finish_reading(const LoadOptions& options, Config& config) {
  auto failure = read_environment(options.env, config);
  if (!failure) failure = read_flags(options.flags, config);
  return failure ? failure : judge_whole(config);
}

std::variant<Config, ConfigError> load(const LoadOptions& options) {
  Config config;
  auto failure = start_reading(run_directory(options), config);
  if (failure) return *failure;
  config.origin = asked_file(options);
  if (config.origin.empty()) config.origin = usual_file(config.run_dir);
  failure = read_trusted_file(config.origin, config);
  if (!failure) failure = finish_reading(options, config);
  if (failure) return *failure;
  return config;
}

namespace {

// The first line of a file that holds a secret.
std::variant<std::string, ConfigError> read_secret(const fs::path& file, const char* key,
                                                   bool may_be_absent, const char* absent) {
  const auto failure = [&](const char* message) {
    return ConfigError{file.string(), 0, 0, key, message};
  };
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) {
    if (errno == ENOENT && may_be_absent) return std::string{};
    return failure(absent);
  }
  if (!S_ISREG(status.st_mode)) return failure("is no regular file");
  if ((status.st_mode & 077) != 0) return failure("others may read it; chmod 600 it");
  std::ifstream stream(file);
  std::string secret;
  if (!stream) return failure("cannot be read; check its owner");
  std::getline(stream, secret);
  return secret;
}

}  // namespace

std::variant<std::string, ConfigError> read_password(const Config& config) {
  const auto& file = config.db.password_file;
  return read_secret(file, "db.password_file", file == default_password_file(config),
                     "cannot be read; write the database password into it (mode 0600)");
}

fs::path service_token_file(const Config& config) {
  return config.run_dir / "service.token";
}

std::variant<std::string, ConfigError> read_service_token(const Config& config) {
  return read_secret(service_token_file(config), "", true, "cannot be read; check its owner");
}

std::vector<KeyDescription> describe_keys() {
  std::vector<KeyDescription> result;
  for (const auto& key : keys()) {
    const auto bounds = key.type == ValueType::integer
                            ? std::to_string(key.min) + " ... " + std::to_string(key.max)
                            : key.allowed;
    result.push_back({key.name, key.env(), key.unit, key.default_value, bounds,
                      describe(key.change), key.effect});
  }
  return result;
}

}  // namespace stampede::config
