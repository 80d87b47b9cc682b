#pragma once

// The configuration of one system: plain structs with their defaults, and the loader.
//
// Order of precedence, lowest first: the defaults below, the file, the environment
// (STAMPEDE_<SECTION>__<KEY>, STAMPEDE_DEV), flags. The file is the first that is given of: `file`
// (--config), $STAMPEDE_CONFIG, <run dir>/stampede.toml if it exists. Everything is checked: an
// unknown key, a wrong type, a value out of bounds is an error that names its place and says what
// is allowed. Every key with unit, default, bounds and effect: config/README.md.
//
// That is what a system starts with. One that runs has accepted it: accepted_text.h.
//
// Thread-safe: no state is kept. load() reads files and is meant for a process's start.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace stampede::config {

struct Net {
  std::string mode = "ipc";        // between nodes: "ipc" or "tcp"
  std::string bind = "127.0.0.1";  // beyond loopback only with CURVE
  int port_base = 7100;            // all tcp ports but the HTTP one are port_base + 0 ... 21
  bool tcp() const { return mode == "tcp"; }
};

struct Curve {
  std::filesystem::path key_file;    // this side's key pair; empty: no CURVE; absolute after load()
  std::string server_key;            // the system's public key; empty: the one of key_file
  std::filesystem::path allow_file;  // clients' public keys; empty: none; absolute after load()
};

struct Webapp {
  std::string http = "127.0.0.1:8080";              // host:port, always loopback
  std::string hosts = "127.0.0.1,localhost,[::1]";  // names it is known by; see list_of()
  std::string origins;                // of pages that may send requests; see list_of()
  std::string proxies;                // whose X-Forwarded-For is believed; see list_of()
  int result_cache_ttl_s = 60;        // how long a webapp remembers a final answer
  int items_refresh_ms = 1000;        // the backend is asked so often what items changed
  std::uint64_t items_max = 10'000;   // items of which a webapp holds a copy
  int resend_ms = 1000;               // an unanswered batch is sent again after this
  std::uint64_t waiting_max = 65536;  // open requests; beyond it: overloaded
  bool compat = false;                // the routes of springboot-seckill's pages are there
  std::uint64_t events_max = 10'000;  // connections that hear /v1/events
};

struct Limits {                      // of one webapp; 0: no such limit
  std::int64_t user_per_s = 0;       // orders and cancels of one user
  std::int64_t user_burst = 10;      // of them at once
  std::int64_t address_per_min = 0;  // requests from one address
  std::int64_t address_ban_s = 0;    // one that goes over it is refused for so long
  bool operator==(const Limits&) const = default;
};

inline constexpr std::int64_t kSessionSecondsMax = 366 * std::int64_t{86'400};

struct Auth {
  std::string mode = "off";              // "off" or "required"
  std::filesystem::path keys_file;       // JWK set; empty: none; absolute after load()
  std::string issuer;                    // of tokens signed by a key of keys_file; empty: any
  std::string audience;                  // that they are for; empty: they name none
  std::uint64_t sessions_max = 100'000;  // verified tokens remembered by one webapp
  std::int64_t session_s = 86'400;       // so long a session of a built-in account lasts
  std::uint64_t revoked_max = 100'000;   // sessions that have ended before their tokens expire
  bool single_session = false;           // a login ends the older session of its user
  bool required() const { return mode == "required"; }
  bool accounts() const { return required() && keys_file.empty(); }  // there are built-in ones
};

// The members of a text that is a list: "a, b" or, in the file, ["a", "b"].
std::vector<std::string> list_of(const std::string& text);

struct Broker {
  std::uint64_t inflight_max = 65536;  // orders between broker and backend; beyond it: overloaded
};

struct Log {
  std::filesystem::path dir;                       // absolute after load()
  std::uint64_t segment_bytes = 64ull << 20;       // size of one segment file
  std::uint64_t backlog_commands_max = 4'000'000;  // owed commands; beyond it: overloaded
  std::int64_t retain_s = 86400;                   // closed segments stay so long; -1: for ever
  std::string sync = "always";                     // fdatasync per batch
  std::string level = "info";                      // of the nodes' own lines, in <run>/log
  std::string format = "text";                     // of the same: "text" or "json"
};

struct Snapshot {
  std::uint64_t every_bytes = 512ull << 20;  // closed segments behind the newest one
};

struct Backend {
  std::uint64_t orders_max = 20'000'000;       // confirmed orders remembered; beyond: overloaded
  std::uint64_t rejections_max = 2'000'000;    // newest rejections remembered
  std::uint64_t orders_ahead_max = 2'000'000;  // memory for so many more is made while all is quiet
  std::int64_t hold_grace_s = 30;              // after a start no order expires for so long
};

struct Tickets {
  std::int64_t ahead_s = 60;  // so long before its start a promo gives tickets
};

struct Db {
  std::string url;                      // mysql://user@host:port/db or ...@localhost/db?socket=PATH
  std::filesystem::path password_file;  // absolute after load()
  int lanes = 2;                        // parallel connections that apply commands
  std::uint64_t batch_rows_max = 5000;  // order rows in one transaction
};

struct Supervisor {
  int heartbeat_ms = 250;            // every node reports this often
  int missed_heartbeats_max = 8;     // so many missing in a row: the node is taken for dead
  int stall_ms = 5000;               // work waits and nothing moved for so long: hung
  int restart_backoff_min_ms = 100;  // first wait before a restart; doubles up to the next line
  int restart_backoff_max_ms = 30000;
};

using Value = std::variant<bool, std::int64_t, std::string>;

enum class Origin { preset, file, environment, flag };

struct GivenValue {
  Value value;
  Origin origin = Origin::file;
  bool operator==(const GivenValue&) const = default;
};
using GivenValues = std::map<std::string, GivenValue>;  // by key; who is not there has its default

struct Config {
  Net net;
  Curve curve;
  Webapp webapp;
  Limits limits;
  Auth auth;
  Broker broker;
  Log log;
  Snapshot snapshot;
  Backend backend;
  Tickets tickets;
  Db db;
  Supervisor supervisor;
  bool dev = false;                             // allows chaos commands
  std::filesystem::path run_dir;                // absolute
  std::filesystem::path origin;                 // the file that was read; empty: none
  GivenValues given;                            // what it said, and the environment and flags
  std::map<std::string, std::string> contents;  // of files that keys name; see accepted_text.h
  std::string accepted;                         // which accepted text this is; empty: none
  std::vector<std::string> passed_over;         // of the caller's variables; see accepted_text.h
};

struct ConfigError {
  std::string file;  // path, "environment" or "command line"
  int line = 0;      // from 1; 0 where a line makes no sense
  int column = 0;
  std::string key;          // "net.port_base"; empty when the file cannot be read or parsed
  std::string message;      // what is wrong and what is allowed
  bool distrusted = false;  // the place is not to be believed: nothing may be written there either
};

// "run/stampede.toml:3:13: net.port_base: 99 is not allowed; give a port from 1024 to 65000 ..."
std::string describe(const ConfigError& error);

using Environment = std::map<std::string, std::string>;

struct LoadOptions {
  std::optional<std::filesystem::path> file;  // --config
  std::filesystem::path run_dir;              // --run-dir; empty: $STAMPEDE_RUN_DIR, then "run"
  Environment env;                            // usually environment()
  std::vector<std::pair<std::string, std::string>> flags;  // {"net.port_base", "7200"}
  // What a start would refuse beside the keys themselves, of the files that they name; null: not
  // asked. load() does not call it: who judges a configuration for a start does.
  std::function<std::string(const Config&)> fault_of_start{};
};

// The process's environment, STAMPEDE_* only.
Environment environment();

// --config or $STAMPEDE_CONFIG, absolute; empty: neither.
std::filesystem::path asked_file(const LoadOptions& options);

// Absolute; known even when the configuration is wrong.
std::filesystem::path run_directory(const LoadOptions& options);

// Makes no directory and writes nothing; the run directory need not exist.
[[nodiscard]] std::variant<Config, ConfigError> load(const LoadOptions& options);

// The password in db.password_file without its last newline; empty when the file is the default
// one (<run>/db.password) and does not exist. An error when others may read the file.
[[nodiscard]] std::variant<std::string, ConfigError> read_password(const Config& config);

// The token that the supervisor made for the tools of this system; empty where there is none. An
// error when it cannot be read, or others may read it.
[[nodiscard]] std::filesystem::path service_token_file(const Config& config);
[[nodiscard]] std::variant<std::string, ConfigError> read_service_token(const Config& config);

// One row per key, as config/README.md must show it.
struct KeyDescription {
  std::string name;  // "log.segment_bytes"
  std::string env;   // "STAMPEDE_LOG__SEGMENT_BYTES"
  std::string unit;
  std::string default_value;  // as written in TOML, without quotes
  std::string bounds;         // "262144 ... 1073741824"
  std::string change;         // "live", "system", "node: webapp, backend"
  std::string effect;
};
std::vector<KeyDescription> describe_keys();

}  // namespace stampede::config
