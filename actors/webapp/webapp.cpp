#include "actors/webapp/webapp.h"

#include <sodium.h>

#include <future>

#include "actors/auth/account_keeper.h"
#include "actors/auth/key_files.h"
#include "actors/auth/password_clerk.h"
#include "actors/auth/token_clerk.h"
#include "actors/node/node_log.h"
#include "actors/node/shared_secret.h"
#include "actors/webapp/http/http_gateway.h"
#include "actors/webapp/webapp_port.h"
#include "config/settings/ip_address.h"

namespace stampede::actors {

namespace {

constexpr int kPortStep = 100;  // between the HTTP ports of webapp 1, 2, …

HttpSite site_of(const config::Webapp& webapp) {
  return {config::list_of(webapp.hosts), config::list_of(webapp.origins)};
}

HttpServerOptions http_options(const NodeRuntime& node) {
  const auto& address = node.config().webapp.http;  // host:port, checked by config
  const auto colon = address.rfind(':');
  HttpServerOptions options;
  options.host = address.substr(0, colon);
  options.port = std::stoi(address.substr(colon + 1)) + kPortStep * (node.options().index - 1);
  options.site = site_of(node.config().webapp);
  return options;
}

// A webapp that could not read tickets would refuse what others have given.
TicketKey ticket_key(NodeRuntime& node) {
  auto key = shared_secret(ticket_key_file(node.config().run_dir));
  if (const auto* wrong = std::get_if<std::string>(&key)) node.fail(kExitConfig, *wrong);
  return std::get<SharedSecret>(key);
}

// Null: nobody shows tokens. Ends the process with 78 where there are no keys to know them by.
caf::actor spawn_clerk(NodeRuntime& node) {
  const auto& config = node.config();
  if (!config.auth.required()) return nullptr;
  auto keys = read_token_keys(config);
  if (const auto* fault = std::get_if<std::string>(&keys)) node.fail(kExitConfig, *fault);
  TokenRules rules{config.auth.issuer, config.auth.audience};
  return node.spawn_actor<TokenClerk>({"tokens"}, std::get<TokenKeys>(std::move(keys)),
                                      std::move(rules),
                                      [config] { return read_token_keys(config); });
}

storage::DbOptions account_database(NodeRuntime& node) {
  storage::DbOptions options;
  options.url = node.config().db.url;
  auto password = config::read_password(node.config());
  if (const auto* error = std::get_if<config::ConfigError>(&password))
    node.fail(kExitConfig, config::describe(*error));
  options.password = std::get<std::string>(std::move(password));
  return options;
}

// Nobody: there are no built-in accounts. The webapp starts without the database.
AccountSettings spawn_accounts(NodeRuntime& node) {
  const auto& config = node.config();
  if (!config.auth.accounts()) return {};
  std::vector<caf::actor> clerks;
  const auto tries = std::make_shared<AccountTries>(RandomBits{}());
  for (const auto* name : {"passwords-1", "passwords-2"})
    clerks.push_back(node.spawn_actor<PasswordClerk>(
        {name}, [config] { return read_session_mint(config); }, config.auth.session_s, tries));
  const auto keeper =
      node.spawn_actor<AccountKeeper>({"accounts"}, account_database(node), std::move(clerks));
  return {keeper, RandomBits{}()};
}

// A demonstration pays with what the system's own tools may.
ShopSettings shop_settings(NodeRuntime& node) {
  const auto& config = node.config();
  if (!config.dev) return {};
  auto token = config.auth.required() ? config::read_service_token(config) : std::string{};
  if (const auto* error = std::get_if<config::ConfigError>(&token))
    node.fail(kExitConfig, config::describe(*error));
  auto text = std::get<std::string>(std::move(token));
  const bool possible = !config.auth.required() || !text.empty();
  return {possible, std::move(text)};
}

// The port's half of a reload: what the HTTP server is to know of it. `http` is told once, by
// whoever starts it.
WebappPort::Live tell_http(std::shared_future<caf::actor_addr> http) {
  return [http = std::move(http)](const config::Config& now,
                                  const std::shared_ptr<RateLimits>& rates) {
    const auto server = caf::actor_cast<caf::actor>(http.get());
    if (!server) return;
    caf::anon_send(server, std::make_shared<const HttpSite>(site_of(now.webapp)));
    caf::anon_send(server, RateLimitsPtr(rates));
  };
}

// Weak addresses: a strong handle would outlive the actor system.
class Webapp {
 public:
  void start(NodeRuntime& node) {
    // Chooses what suits this processor: a ticket's MAC takes a fifth less.
    if (sodium_init() < 0) node.fail(kExitInvariant, "libsodium cannot be initialised");
    const auto rates = rate_limits(node.config().limits);
    const auto counts = std::make_shared<HttpCounts>();
    std::promise<caf::actor_addr> http;
    const auto port = node.spawn_actor<transport::PortActor>(
        {"port"}, &node.context(),
        std::make_unique<WebappPort>(node, rates, ticket_key(node), spawn_clerk(node), counts,
                                     tell_http(http.get_future().share())));
    port_ = port.address();
    auto options = http_options(node);
    GatewaySettings settings{port,
                             rates,
                             config::networks_of(node.config().webapp.proxies),
                             Sessions{node.config().auth.required()},
                             spawn_accounts(node),
                             node.config().auth.single_session,
                             node.config().webapp.compat,
                             node.config().webapp.events_max,
                             counts,
                             shop_settings(node)};
    log_info("http on " + options.host + ":" + std::to_string(options.port));
    const auto server = node.spawn_actor<HttpServer>(
        {"http"}, with_gateway(std::move(options), std::move(settings)));
    http.set_value(server.address());
  }

  void drain() {
    if (const auto port = caf::actor_cast<caf::actor>(port_))
      caf::anon_send(port, DrainMail::value);
  }

 private:
  caf::actor_addr port_;
};

}  // namespace

int run_webapp(NodeOptions options) {
  Webapp webapp;
  return run_node(
      std::move(options), [&](NodeRuntime& node) { webapp.start(node); },
      [&](NodeRuntime&) { webapp.drain(); });
}

}  // namespace stampede::actors
