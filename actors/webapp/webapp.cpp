#include "actors/webapp/webapp.h"

#include "actors/auth/key_files.h"
#include "actors/auth/token_clerk.h"
#include "actors/node/node_log.h"
#include "actors/node/shared_secret.h"
#include "actors/webapp/http/http_gateway.h"
#include "actors/webapp/webapp_port.h"
#include "config/settings/ip_address.h"

namespace stampede::actors {

namespace {

constexpr int kPortStep = 100;  // between the HTTP ports of webapp 1, 2, …

HttpServerOptions http_options(const NodeRuntime& node) {
  const auto& address = node.config().webapp.http;  // host:port, checked by config
  const auto colon = address.rfind(':');
  HttpServerOptions options;
  options.host = address.substr(0, colon);
  options.port = std::stoi(address.substr(colon + 1)) + kPortStep * (node.options().index - 1);
  options.site.hosts = config::list_of(node.config().webapp.hosts);
  options.site.origins = config::list_of(node.config().webapp.origins);
  return options;
}

// Null: none is set.
std::shared_ptr<RateLimits> rate_limits(const NodeRuntime& node) {
  const auto& limits = node.config().limits;
  const RateSettings settings{limits.user_per_s, limits.user_burst, limits.address_per_min,
                              limits.address_ban_s};
  return settings.any() ? std::make_shared<RateLimits>(settings, RandomBits{}()) : nullptr;
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

// A weak address: a strong handle would outlive the actor system.
class Webapp {
 public:
  void start(NodeRuntime& node) {
    const auto rates = rate_limits(node);
    const auto port = node.spawn_actor<transport::PortActor>(
        {"port"}, &node.context(),
        std::make_unique<WebappPort>(node, rates, ticket_key(node), spawn_clerk(node)));
    port_ = port.address();
    auto options = http_options(node);
    GatewaySettings settings{port, rates, config::networks_of(node.config().webapp.proxies),
                             Sessions{node.config().auth.required()}};
    log_info("http on " + options.host + ":" + std::to_string(options.port));
    node.spawn_actor<HttpServer>({"http"}, with_gateway(std::move(options), std::move(settings)));
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
