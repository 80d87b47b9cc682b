#include "config/settings/key_table.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <type_traits>

#include "config/settings/ip_address.h"

namespace stampede::config {

namespace {

// --- what texts are accepted -------------------------------------------------------------------

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_ipv4(std::string_view host) {
  for (int parts = 1;; ++parts) {
    const auto dot = host.find('.');
    const auto part = parse_integer(host.substr(0, dot));
    if (!part || *part < 0 || *part > 255) return false;
    if (dot == std::string_view::npos) return parts == 4;
    host.remove_prefix(dot + 1);
  }
}

bool is_loopback_host(std::string_view host) {
  return is_ipv4(host) && parse_integer(host.substr(0, host.find('.'))) == 127;
}

// Nodes also connect to it, so it has to be an address of this host and not "all of them".
bool is_host_address(const std::string& text) {
  return is_ipv4(text) && parse_integer(text.substr(0, text.find('.'))) != 0;
}

bool is_loopback_endpoint(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return false;
  const auto port = parse_integer(std::string_view(text).substr(colon + 1));
  return port && *port >= 1 && *port <= 65535 &&
         is_loopback_host(std::string_view(text).substr(0, colon));
}

bool is_mode(const std::string& text) {
  return text == "ipc" || text == "tcp";
}
bool is_auth_mode(const std::string& text) {
  return text == "off" || text == "required";
}
bool is_claim(const std::string& text) {
  return text.size() <= 256 && std::none_of(text.begin(), text.end(),
                                            [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}
bool is_level(const std::string& text) {
  return text == "info" || text == "warning" || text == "critical";
}
bool is_format(const std::string& text) {
  return text == "text" || text == "json";
}
bool is_sync(const std::string& text) {
  return text == "always";
}
bool is_path(const std::string& text) {
  return text.find('\0') == std::string::npos;
}

bool each_of(const std::string& text, bool (*accepts)(std::string_view)) {
  const auto all = list_of(text);
  return std::all_of(all.begin(), all.end(), accepts);
}

bool is_host_name(std::string_view text) {
  const bool brackets = text.size() > 2 && text.front() == '[' && text.back() == ']';
  if (brackets) return text.find_first_not_of("0123456789abcdefABCDEF:.", 1) == text.size() - 1;
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_';
  });
}

bool is_origin(std::string_view text) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!text.starts_with(scheme)) continue;
    auto host = text.substr(scheme.size());
    const auto colon = host.rfind(':');
    if (colon != std::string_view::npos && host.back() != ']') {
      const auto port = parse_integer(host.substr(colon + 1));
      if (!port || *port < 1 || *port > 65535) return false;
      host = host.substr(0, colon);
    }
    return is_host_name(host);
  }
  return false;
}

bool is_host_list(const std::string& text) {
  return each_of(text, is_host_name);
}
bool is_origin_list(const std::string& text) {
  return each_of(text, is_origin);
}

bool is_network_list(const std::string& text) {
  return each_of(text, [](std::string_view one) { return parse_network(one).has_value(); });
}

bool is_curve_key(const std::string& text) {
  return text.empty() || text.size() == 40;  // transport/zmq/curve looks at it closely
}

bool is_db_url(const std::string& text) {
  if (text.empty()) return true;
  const std::string scheme = "mysql://";
  if (!text.starts_with(scheme)) return false;
  const auto at = text.find('@');
  if (at == std::string::npos || at == scheme.size()) return false;
  if (text.find(':', scheme.size()) < at) return false;  // a password does not belong here
  const auto slash = text.find('/', at);
  return slash != std::string::npos && slash > at + 1 && slash + 1 < text.size() &&
         text[slash + 1] != '?';
}

// --- rows ----------------------------------------------------------------------------------------

constexpr Change kLive{ChangeClass::live, 0};
constexpr Change kSystem{ChangeClass::system, 0};
constexpr Change kWebapp{ChangeClass::node, role::kWebapp};
constexpr Change kBackend{ChangeClass::node, role::kBackend};
constexpr Change kWebappBackend{ChangeClass::node, role::kWebapp | role::kBackend};
constexpr Change kEveryNode{ChangeClass::node, role::kWebapp | role::kBroker | role::kBackend};

template <auto Section, auto Member>
Value value_in(const Config& config) {
  const auto& field = (config.*Section).*Member;
  using Field = std::remove_cvref_t<decltype(field)>;
  if constexpr (std::is_same_v<Field, bool>) return Value{field};
  if constexpr (std::is_same_v<Field, std::string>) return Value{field};
  if constexpr (std::is_same_v<Field, std::filesystem::path>) return Value{field.string()};
  if constexpr (std::is_arithmetic_v<Field>) return Value{static_cast<std::int64_t>(field)};
}

template <auto Section, auto Member>
Key number(const char* name, Change change, const char* unit, std::int64_t min, std::int64_t max,
           const char* effect) {
  Key key{.name = name, .type = ValueType::integer, .unit = unit, .min = min, .max = max};
  key.change = change;
  key.effect = effect;
  key.default_value = std::to_string((Config{}.*Section).*Member);
  key.allowed = "a whole number from " + std::to_string(min) + " to " + std::to_string(max) +
                " (unit: " + unit + ")";
  key.get = value_in<Section, Member>;
  key.set = [](Config& config, const Value& value) {
    auto& field = (config.*Section).*Member;
    field = static_cast<std::remove_reference_t<decltype(field)>>(std::get<std::int64_t>(value));
  };
  return key;
}

template <auto Section, auto Member>
Key text(const char* name, Change change, const char* unit, bool (*accepts)(const std::string&),
         const char* allowed, const char* effect, const char* default_value = nullptr) {
  Key key{.name = name, .type = ValueType::text, .unit = unit, .accepts = accepts};
  key.change = change;
  key.allowed = allowed;
  key.effect = effect;
  key.get = value_in<Section, Member>;
  key.default_value = default_value ? default_value : std::get<std::string>(key.get(Config{}));
  key.set = [](Config& config, const Value& value) {
    (config.*Section).*Member = std::get<std::string>(value);
  };
  return key;
}

Key list_key(Key key) {
  key.list = true;
  return key;
}

// One that is off unless it is set.
template <auto Section, auto Member>
Key switch_key(const char* name, Change change, const char* effect) {
  Key key{.name = name, .type = ValueType::boolean, .unit = "switch"};
  key.change = change;
  key.allowed = "true or false";
  key.default_value = "false";
  key.effect = effect;
  key.get = value_in<Section, Member>;
  key.set = [](Config& config, const Value& value) {
    (config.*Section).*Member = std::get<bool>(value);
  };
  return key;
}

Key compat_switch() {
  return switch_key<&Config::webapp, &Webapp::compat>(
      "webapp.compat", kWebapp,
      "Serves the pages of springboot-seckill, too: `POST /user/login`, `POST /order/create`, "
      "`GET /item/get`, with its numbers and Chinese texts. Needs `auth.mode` required. The pages' "
      "own origin belongs into `webapp.origins`.");
}

Key dev_switch() {
  Key key{.name = "dev", .type = ValueType::boolean, .unit = "switch"};
  key.change = kWebapp;  // the shop's demonstration of a payment; of chaos the supervisor judges
  key.allowed = "true or false";
  key.default_value = "false";
  key.effect =
      "Allows the `stampede chaos` commands. Leave it off wherever real orders are taken; "
      "`start_all.sh` sets it for a system on its own private database.";
  key.get = [](const Config& config) { return Value{config.dev}; };
  key.set = [](Config& config, const Value& value) { config.dev = std::get<bool>(value); };
  return key;
}

Key single_session() {
  return switch_key<&Config::auth, &Auth::single_session>(
      "auth.single_session", kWebapp,
      "A login ends the older session of its user: the next use of that one is answered "
      "`session_replaced`. Of sessions that were opened while it was off nothing is known. For "
      "built-in accounts alone: not together with `auth.keys_file`.");
}

constexpr std::int64_t kMillion = 1'000'000;

std::vector<Key> net_keys() {
  return {
      text<&Config::net, &Net::mode>(
          "net.mode", kSystem, "word", is_mode, "\"ipc\" or \"tcp\"",
          "How the nodes talk to each other: unix sockets under `<run>/sock`, or tcp on "
          "`net.bind`. Clients use tcp, and on this host also `<run>/sock/clients-<k>`."),
      text<&Config::net, &Net::bind>(
          "net.bind", kSystem, "IPv4 address", is_host_address,
          "127.x.y.z, or, with curve.key_file and curve.allow_file, another IPv4 address of this "
          "host (not 0.0.0.0)",
          "The address of every ZeroMQ socket on tcp: the client ports, and with `net.mode` tcp "
          "those between the nodes. HTTP ports stay on loopback."),
      number<&Config::net, &Net::port_base>(
          "net.port_base", kSystem, "port", 1024, 65000,
          "All tcp ports but the HTTP one are derived from it (base + 0 ... 21, webapp *k* adds "
          "100·(k−1)), so that systems can run side by side."),
  };
}

std::vector<Key> curve_keys() {
  return {
      text<&Config::curve, &Curve::key_file>(
          "curve.key_file", kSystem, "path", is_path,
          "a path (relative ones start at the run directory)",
          "File with this side's CURVE key pair, mode 0600; `stampede keys new FILE` makes one. "
          "Nodes: the system's, the same for all. A tool on a client's machine: the client's own. "
          "Empty: no CURVE; then whoever can connect can buy as anyone.",
          ""),
      text<&Config::curve, &Curve::server_key>(
          "curve.server_key", kSystem, "key", is_curve_key, "a public key of 40 characters",
          "The system's public key, for tools with another `curve.key_file` than the nodes'. "
          "Empty: the public key of `curve.key_file`."),
      text<&Config::curve, &Curve::allow_file>(
          "curve.allow_file", kSystem, "path", is_path,
          "a path (relative ones start at the run directory)",
          "The clients' public keys, one a line, each followed by `trusted` if its owner may pay "
          "and "
          "speak for every user, and by a name if you like; `# ` begins "
          "a comment. Read when a webapp starts, and at `stampede config reload`. They open the "
          "client ports only, nothing between the nodes. Empty: only holders of `curve.key_file` "
          "may connect.",
          ""),
  };
}

std::vector<Key> webapp_keys() {
  return {
      text<&Config::webapp, &Webapp::http>(
          "webapp.http", kSystem, "address:port", is_loopback_endpoint,
          "127.x.y.z:PORT: HTTP has no authentication of its own and stays on loopback",
          "Where webapp 1 serves HTTP; webapp *k* adds 100·(k−1) to the port. Customers of other "
          "hosts come through a proxy on this one that speaks TLS and knows who they are."),
      list_key(text<&Config::webapp, &Webapp::hosts>(
          "webapp.hosts", kLive, "host names", is_host_list,
          "host names without ports, divided by commas, or an array of them",
          "The names under which webapps and supervisor answer HTTP, with any port, beside "
          "loopback "
          "addresses and `localhost`, which always do; any other Host is refused (403), because a "
          "page could have bound it to this address. Add what a proxy passes on.")),
      list_key(text<&Config::webapp, &Webapp::origins>(
          "webapp.origins", kLive, "origins", is_origin_list,
          "origins like https://shop.example, divided by commas, or an array of them",
          "Pages of these origins may send requests from a browser and read the answers (CORS with "
          "credentials), beside the server's own; other pages are refused (403).")),
      list_key(text<&Config::webapp, &Webapp::proxies>(
          "webapp.proxies", kWebapp, "IP addresses", is_network_list,
          "IP addresses or networks like 10.0.0.0/8, divided by commas, or an array of them",
          "Whose X-Forwarded-For is believed: a request's address is then the last hop in it that "
          "is none of these. Empty: it is the peer's.")),
      number<&Config::webapp, &Webapp::result_cache_ttl_s>(
          "webapp.result_cache_ttl_s", kWebapp, "seconds", 0, 3600,
          "How long a webapp answers a known request id by itself; 0: it always asks the backend."),
      number<&Config::webapp, &Webapp::items_refresh_ms>(
          "webapp.items_refresh_ms", kWebapp, "milliseconds", 50, 60000,
          "How often a webapp asks the backend which items changed, so that lost news heal. What "
          "it knows of items is not used when no answer came for five times as long."),
      number<&Config::webapp, &Webapp::items_max>(
          "webapp.items_max", kWebapp, "items", 0, kMillion,
          "Items of which a webapp holds a copy at most; those not asked for longest go first. It "
          "answers questions about items, and turns orders of sold-out ones away, by itself. 0: it "
          "always asks the backend."),
      number<&Config::webapp, &Webapp::resend_ms>(
          "webapp.resend_ms", kWebapp, "milliseconds", 50, 60000,
          "A batch that has no answer after this is sent again, unchanged. Lower repairs lost "
          "messages sooner and costs double work when the backend is merely slow."),
      number<&Config::webapp, &Webapp::waiting_max>(
          "webapp.waiting_max", kWebapp, "requests", 1, kMillion,
          "Open requests in one webapp; beyond it the answer is `overloaded`."),
      compat_switch(),
      number<&Config::webapp, &Webapp::events_max>(
          "webapp.events_max", kWebapp, "connections", 0, 20'000,
          "Connections that hear `/v1/events` of one webapp, beside those of buyers; beyond it the "
          "answer is `overloaded`."),
  };
}

std::vector<Key> limits_keys() {
  return {
      number<&Config::limits, &Limits::user_per_s>(
          "limits.user_per_s", kLive, "requests/s", 0, kMillion,
          "Orders, tickets and cancels of one user in one webapp, in the long run; beyond it the "
          "answer is "
          "`rate_limited`. Orders of an array count each. 0: no limit."),
      number<&Config::limits, &Limits::user_burst>(
          "limits.user_burst", kLive, "requests", 1, kMillion,
          "So many of them a user may send at once, having sent none for a while."),
      number<&Config::limits, &Limits::address_per_min>(
          "limits.address_per_min", kLive, "requests/min", 0, 60 * kMillion,
          "Requests of any kind but `ping` and health checks from one IP address (of IPv6: from "
          "one /64) to one webapp, over ZeroMQ and HTTP together, a minute's worth at once. Unix "
          "sockets have no address. Behind a proxy set `webapp.proxies`, or all its customers are "
          "one. 0: no limit."),
      number<&Config::limits, &Limits::address_ban_s>(
          "limits.address_ban_s", kLive, "seconds", 0, 86400,
          "An address that goes over `limits.address_per_min` is refused for so long, whatever it "
          "asks. 0: until it keeps to the limit."),
  };
}

std::vector<Key> auth_keys() {
  return {
      text<&Config::auth, &Auth::mode>(
          "auth.mode", kWebapp, "word", is_auth_mode, "\"off\" or \"required\"",
          "`required`: every order, cancel and `get` needs a session token, which says who the "
          "user "
          "is; payments are for tokens with the scope `service` and for trusted keys of "
          "`curve.allow_file`. The supervisor then writes `<run>/service.token` for the tools."),
      text<&Config::auth, &Auth::keys_file>(
          "auth.keys_file", kWebapp, "path", is_path,
          "a path (relative ones start at the run directory)",
          "A JWK set with the keys of those who log customers in (HS256, RS256 or ES256); mode "
          "0600 "
          "where one is a shared secret. Read when a webapp starts, at `stampede config reload`, "
          "and "
          "when a token names a key that is not in it. Empty: only the system's own tokens are "
          "taken, and customers log "
          "in "
          "with built-in accounts.",
          ""),
      text<&Config::auth, &Auth::issuer>(
          "auth.issuer", kWebapp, "text", is_claim,
          "a text of at most 256 bytes without control characters",
          "What the claim `iss` of their tokens must be. Empty: anything."),
      text<&Config::auth, &Auth::audience>("auth.audience", kWebapp, "text", is_claim,
                                           "a text of at most 256 bytes without control characters",
                                           "What the claim `aud` of their tokens must be or name. "
                                           "Empty: it must not be there, since "
                                           "such a token is for somebody else."),
      number<&Config::auth, &Auth::sessions_max>(
          "auth.sessions_max", kWebapp, "tokens", 4096, 10 * kMillion,
          "Verified tokens that one webapp remembers until they expire, about 250 bytes each; of "
          "more the oldest are verified again when they come."),
      number<&Config::auth, &Auth::session_s>(
          "auth.session_s", kWebapp, "seconds", 1, kSessionSecondsMax,
          "So long a session lasts that a built-in account opened by logging in. There are such "
          "accounts when `auth.mode` is `required` and `auth.keys_file` is empty. For new sessions "
          "only."),
      number<&Config::auth, &Auth::revoked_max>(
          "auth.revoked_max", kWebappBackend, "sessions", 1, 10 * kMillion,
          "Sessions that have ended before their tokens expire, and with `auth.single_session` "
          "newest sessions of users, each so many at once, and 10,000 more that `user lock` ends: "
          "about 200 bytes each in the backend, 120 in every webapp. None is forgotten early; "
          "beyond it the answer is `overloaded`."),
      single_session(),
  };
}

std::vector<Key> backend_keys() {
  return {
      number<&Config::broker, &Broker::inflight_max>(
          "broker.inflight_max", kEveryNode, "orders", 16384, kMillion,
          "Orders between broker and backend; beyond it the answer is `overloaded`."),
      number<&Config::backend, &Backend::orders_max>(
          "backend.orders_max", kWebappBackend, "orders", 1, 1000 * kMillion,
          "Confirmed orders the backend remembers, at most 64 bytes of memory each; beyond it the "
          "answer is `overloaded`."),
      number<&Config::backend, &Backend::rejections_max>(
          "backend.rejections_max", kBackend, "rejections", 1, 1000 * kMillion,
          "The newest rejections remembered; an older request id may be decided anew."),
      number<&Config::backend, &Backend::orders_ahead_max>(
          "backend.orders_ahead_max", kBackend, "orders", 0, 1000 * kMillion,
          "Memory for so many orders more, about 210 bytes each, is made while nothing else is to "
          "be done: as many as a sale's first rush, which then waits for none. 0: none is."),
      number<&Config::backend, &Backend::hold_grace_s>(
          "backend.hold_grace_s", kBackend, "s", 0, 86400,
          "After a start no unpaid order expires for so long, so that payments that waited come "
          "in."),
      number<&Config::tickets, &Tickets::ahead_s>(
          "tickets.ahead_s", kBackend, "s", 0, 86400,
          "So long before its start a promo gives tickets, if it has any."),
  };
}

std::vector<Key> log_keys() {
  return {
      text<&Config::log, &Log::dir>(
          "log.dir", kSystem, "path", is_path, "a path (relative ones start at the run directory)",
          "The command log. Lives as long as the orders: back it up, never empty it by hand.",
          "<run>/commandlog"),
      number<&Config::log, &Log::segment_bytes>(
          "log.segment_bytes", kBackend, "bytes", 256 * 1024, 1024 * 1024 * 1024,
          "Size of one segment file, preallocated. Smaller ones rotate more often."),
      number<&Config::log, &Log::backlog_commands_max>(
          "log.backlog_commands_max", kWebappBackend, "commands", 1, 1000 * kMillion,
          "Commands owed to the database (order inserts plus changed items); beyond it the answer "
          "is `overloaded`. Decides how long the database may be away."),
      number<&Config::log, &Log::retain_s>(
          "log.retain_s", kBackend, "seconds", -1, 10ll * 365 * 86400,
          "A closed segment stays at least so long; then it goes when two snapshots stand for it, "
          "nothing in it is owed, and the database was seen to hold its orders. -1: none ever "
          "goes."),
      text<&Config::log, &Log::sync>(
          "log.sync", kBackend, "word", is_sync, "\"always\"",
          "`always`: no answer leaves before its record is on the disk (fdatasync)."),
      text<&Config::log, &Log::level>(
          "log.level", kLive, "word", is_level, "\"info\", \"warning\" or \"critical\"",
          "Which lines of their own the nodes write to `<run>/log`: all, from warnings on, or only "
          "why they ended."),
      text<&Config::log, &Log::format>(
          "log.format", kLive, "word", is_format, "\"text\" or \"json\"",
          "How those lines are written: `TIME LEVEL NODE TEXT`, or a map of JSON with the same "
          "four "
          "members, one a line. All else in this section is about the command log."),
      number<&Config::snapshot, &Snapshot::every_bytes>(
          "snapshot.every_bytes", kBackend, "bytes", 1, 1ll << 40,
          "A snapshot is made when closed segments of this size lie behind the newest one. Smaller "
          "restarts sooner and writes more; two are kept, the log before the older one may go."),
  };
}

std::vector<Key> db_keys() {
  return {
      text<&Config::db, &Db::url>(
          "db.url", kSystem, "URL", is_db_url,
          "mysql://USER@HOST:PORT/DB or mysql://USER@localhost/DB?socket=PATH, without a password "
          "(that goes into db.password_file)",
          "The database the orders are written to.",
          "mysql://stampede@localhost/stampede?socket=<run>/db/mysql.sock"),
      text<&Config::db, &Db::password_file>(
          "db.password_file", kSystem, "path", is_path,
          "a path (relative ones start at the run directory)",
          "File with the database password, mode 0600. Only the default one may be absent: then "
          "there is no password.",
          "<run>/db.password"),
      number<&Config::db, &Db::lanes>(
          "db.lanes", kSystem, "connections", 1, 64,
          "Parallel connections that write orders; more helps while the database waits for disks."),
      number<&Config::db, &Db::batch_rows_max>(
          "db.batch_rows_max", kSystem, "rows", 1, 9000,
          "Order rows in one transaction. More cost the database less; a statement that grows too "
          "large for a server is cut in two by itself."),
  };
}

std::vector<Key> supervisor_keys() {
  return {
      number<&Config::supervisor, &Supervisor::heartbeat_ms>(
          "supervisor.heartbeat_ms", kEveryNode, "milliseconds", 10, 10000,
          "How often every node reports its state and progress; half as often while it serves and "
          "nothing waits, if `missed_heartbeats_max` is 6 or more."),
      number<&Config::supervisor, &Supervisor::missed_heartbeats_max>(
          "supervisor.missed_heartbeats_max", kLive, "heartbeats", 2, 1000,
          "So many missing in a row and the node is taken for dead, killed and restarted."),
      number<&Config::supervisor, &Supervisor::stall_ms>(
          "supervisor.stall_ms", kBackend, "milliseconds", 500, 600000,
          "A node with waiting work that makes no progress for so long is hung: killed and "
          "restarted. A stalled disk is only shown."),
      number<&Config::supervisor, &Supervisor::restart_backoff_min_ms>(
          "supervisor.restart_backoff_min_ms", kLive, "milliseconds", 0, 60000,
          "The first wait before a restart; doubles with each quick death."),
      number<&Config::supervisor, &Supervisor::restart_backoff_max_ms>(
          "supervisor.restart_backoff_max_ms", kLive, "milliseconds", 1, 600000,
          "The longest wait before a restart."),
  };
}

std::vector<Key> make_keys() {
  std::vector<Key> all{dev_switch()};
  for (auto make : {net_keys, curve_keys, webapp_keys, limits_keys, auth_keys, backend_keys,
                    log_keys, db_keys, supervisor_keys}) {
    auto some = make();
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  return all;
}

const char* type_phrase(ValueType type) {
  switch (type) {
    case ValueType::boolean:
      return "true or false without quotes";
    case ValueType::integer:
      return "a whole number without quotes";
    case ValueType::text:
      return "a text in quotes";
  }
  return "";
}

ValueType type_of(const Value& value) {
  return static_cast<ValueType>(value.index());
}

std::string quoted(const Value& value) {
  const bool text = std::holds_alternative<std::string>(value);
  return text ? "\"" + to_text(value) + "\"" : to_text(value);
}

bool in_bounds(const Key& key, const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value))
    return *number >= key.min && *number <= key.max;
  if (const auto* text_value = std::get_if<std::string>(&value))
    return key.accepts == nullptr || key.accepts(*text_value);
  return true;
}

}  // namespace

std::string to_text(const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  return std::get<std::string>(value);
}

std::string describe(const Change& change) {
  if (change.needs == ChangeClass::live) return "live";
  if (change.needs == ChangeClass::system) return "system";
  std::string text = "node: ";
  for (const char* role : {"webapp", "broker", "backend"}) {
    if ((change.roles & role_bit(role)) != 0)
      text += (text.back() == ' ' ? "" : ", ") + std::string(role);
  }
  return text;
}

unsigned role_bit(std::string_view role) {
  if (role == "webapp") return role::kWebapp;
  if (role == "broker") return role::kBroker;
  return role == "backend" ? role::kBackend : 0;
}

std::string Key::section() const {
  const auto dot = name.find('.');
  return dot == std::string::npos ? "" : name.substr(0, dot);
}

std::string Key::env() const {
  std::string result = "STAMPEDE_";
  for (const char c : name) {
    if (c == '.')
      result += "__";
    else
      result += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return result;
}

bool is_loopback(const std::string& text) {
  return is_loopback_host(text);
}

std::vector<std::string> list_of(const std::string& text) {
  std::vector<std::string> all;
  for (std::size_t from = 0; from <= text.size();) {
    const auto end = std::min(text.find(',', from), text.size());
    auto first = text.find_first_not_of(" \t", from);
    auto last = end;
    while (last > from && (text[last - 1] == ' ' || text[last - 1] == '\t')) --last;
    if (first < last) all.push_back(text.substr(first, last - first));
    from = end + 1;
  }
  return all;
}

const std::vector<Key>& keys() {
  static const std::vector<Key> table = make_keys();
  return table;
}

const Key* find_key(std::string_view name) {
  const auto it =
      std::find_if(keys().begin(), keys().end(), [&](const Key& key) { return key.name == name; });
  return it == keys().end() ? nullptr : &*it;
}

std::string allowed_phrase(const Key& key) {
  return key.allowed + "; default " + (key.default_value.empty() ? "none" : key.default_value);
}

std::optional<std::string> apply_value(const Key& key, const Value& value, Config& config) {
  if (type_of(value) != key.type)
    return quoted(value) + " has the wrong type; give " + type_phrase(key.type) + ": " +
           allowed_phrase(key);
  if (!in_bounds(key, value)) {
    // A refused database address may hold a password: it is not repeated.
    const auto shown_value = key.accepts == is_db_url ? "this value" : quoted(value);
    return shown_value + " is not allowed; give " + allowed_phrase(key);
  }
  key.set(config, value);
  return std::nullopt;
}

std::variant<Value, WrongValue> value_of_text(const Key& key, const std::string& text) {
  if (key.type == ValueType::integer) {
    const auto number = parse_integer(text);
    if (!number)
      return WrongValue{quoted(Value{text}) + " is no whole number; give " + allowed_phrase(key)};
    return Value{*number};
  }
  if (key.type == ValueType::boolean) {
    if (text != "true" && text != "false")
      return WrongValue{quoted(Value{text}) + " is not allowed; give " + allowed_phrase(key)};
    return Value{text == "true"};
  }
  return Value{text};
}

std::optional<std::string> apply_text(const Key& key, const std::string& text, Config& config) {
  const auto value = value_of_text(key, text);
  if (const auto* wrong = std::get_if<WrongValue>(&value)) return wrong->why;
  return apply_value(key, std::get<Value>(value), config);
}

}  // namespace stampede::config
