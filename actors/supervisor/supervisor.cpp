#include "actors/supervisor/supervisor.h"

#include <unistd.h>

#include <filesystem>
#include <future>
#include <memory>
#include <optional>

#include "actors/auth/key_files.h"
#include "actors/http/http_server.h"
#include "actors/node/node.h"
#include "actors/node/node_log.h"
#include "actors/node/shared_secret.h"
#include "actors/node/small_file.h"
#include "actors/supervisor/ops_door.h"
#include "actors/supervisor/ops_face.h"
#include "actors/supervisor/status_page.h"
#include "actors/supervisor/supervisor_role.h"
#include "config/process/wall_clock.h"

namespace stampede::actors {
namespace {

constexpr int kStopMaxMs = 120'000;  // three stages of 35 s and a little

std::filesystem::path ops_token_file(const config::Config& config) {
  return config.run_dir / "ops.token";
}

// The token is another one at each start: who had an earlier one is nobody. No token, on a disk
// that is full, is no reason to leave the nodes alone.
std::shared_ptr<OpsDoor> ops_door(NodeRuntime& node) {
  auto token = new_secret();
  const auto file = ops_token_file(node.config());
  if (!replace_file(file, token + "\n"))
    log_warning("cannot write " + file.string() +
                ": until the next start the operator's page is for who comes by `stampede ops`");
  return std::make_shared<OpsDoor>(std::move(token));
}

}  // namespace

std::variant<std::vector<NodeCount>, std::string> parse_nodes(const std::string& text) {
  auto counts = parse_counts(text);
  if (auto* wrong = std::get_if<std::string>(&counts)) return std::move(*wrong);
  std::vector<NodeCount> nodes{{"webapp", 0}, {"broker", 0}, {"backend", 0}};
  for (const auto& given : std::get<std::vector<RoleCount>>(counts)) {
    for (auto& node : nodes)
      if (node.role == given.role) node.count = given.count;
  }
  return nodes;
}

int run_supervisor(const config::Config& config, const SupervisorWords& words) {
  const auto running = std::make_shared<RunningProcesses>();
  NodeOptions options;
  options.role = "supervisor";
  options.config = config;
  options.drain_max_ms = kStopMaxMs;
  caf::actor port;
  options.hangup = [&port] { reload_supervisor_port(port); };
  options.at_once = [running] { running->kill_all(); };
  const auto start = [&](NodeRuntime& node) {
    if (const auto fault = prepare_key_files(node.config(), config::wall_ms()); !fault.empty())
      node.fail(kExitConfig, fault);
    // The HTTP port first: when it is taken this process ends, and no node may have been started.
    std::promise<caf::actor> made;
    HttpServerOptions http;
    const auto face = std::make_shared<std::optional<StatusFace>>();
    const auto ops = std::make_shared<std::optional<OpsFace>>();
    const auto door = ops_door(node);
    http.on_start = [face, ops, door, number = config.net.port_base,
                     ready = made.get_future().share(),
                     log_dir = node.config().log.dir](const caf::actor& self) {
      face->emplace(ready.get(), log_dir);
      (*face)->on_start(self);
      ops->emplace(ready.get(), door, number);
      (*ops)->on_start(self);
    };
    http.handler = [face, ops](HttpRequest request, HttpRespond respond) {
      if ((*ops)->take(request, respond)) return;
      (*face)->on_request(std::move(request), std::move(respond));
    };
    http.urgent = is_health_path;
    http.on_mail = {[face](const StatusPagePtr& page) { (*face)->on_page(page); },
                    [face](const MetricsPagePtr& page) { (*face)->on_page(page); },
                    [ops](const OpsDonePtr& done) { (*ops)->on_done(*done); }};
    // Status has no key of its own to ask for, so it stays on this host.
    if (config.net.bind.starts_with("127.")) http.host = config.net.bind;
    http.port = config.net.port_base;
    http.site.hosts = config::list_of(config.webapp.hosts);
    http.site.origins = config::list_of(config.webapp.origins);
    const auto server = node.spawn_actor<HttpServer>({"http"}, std::move(http)).address();
    const auto secret = shared_secret(ticket_key_file(config.run_dir));
    if (const auto* wrong = std::get_if<std::string>(&secret)) node.fail(kExitConfig, *wrong);
    port = spawn_supervisor_port(node, words, running, door, server);
    made.set_value(port);
  };
  const int code =
      run_node(std::move(options), start, [&](NodeRuntime&) { stop_supervisor_port(port); });
  std::error_code ignored;
  if (code == 0) std::filesystem::remove(ops_token_file(config), ignored);
  return code;
}

}  // namespace stampede::actors
