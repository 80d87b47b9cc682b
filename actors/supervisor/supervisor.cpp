#include "actors/supervisor/supervisor.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
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

int allowed_max(const std::string& role) {
  return role == "webapp" ? 16 : 1;
}

std::string wrong_nodes(const std::string& text) {
  return "--nodes " + text +
         ": give a list like webapp=2,broker=1,backend=1 (webapp 0 to 16, the others 0 or 1)";
}

std::filesystem::path ops_token_file(const config::Config& config) {
  return config.run_dir / "ops.token";
}

// The token is another one at each start: who had an earlier one is nobody.
std::shared_ptr<OpsDoor> ops_door(NodeRuntime& node) {
  auto token = new_secret();
  const auto file = ops_token_file(node.config());
  if (!replace_file(file, token + "\n"))
    node.fail(kExitIo, "cannot write " + file.string() + ", the operator's token");
  return std::make_shared<OpsDoor>(std::move(token));
}

}  // namespace

std::variant<std::vector<NodeCount>, std::string> parse_nodes(const std::string& text) {
  std::vector<NodeCount> nodes{{"webapp", 0}, {"broker", 0}, {"backend", 0}};
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const auto end = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    const auto equals = part.find('=');
    const auto known = std::find_if(nodes.begin(), nodes.end(), [&](const NodeCount& node) {
      return node.role == part.substr(0, equals);
    });
    if (equals == std::string::npos || known == nodes.end()) return wrong_nodes(text);
    const char* first = part.data() + equals + 1;
    const char* last = part.data() + part.size();
    const auto [rest, error] = std::from_chars(first, last, known->count);
    const bool number = error == std::errc{} && rest == last && first != last;
    if (!number || known->count < 0 || known->count > allowed_max(known->role)) {
      return wrong_nodes(text);
    }
    begin = end + 1;
  }
  return nodes;
}

int run_supervisor(const config::Config& config, const std::vector<NodeCount>& nodes,
                   const EarlierSupervisor& earlier) {
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
    port = spawn_supervisor_port(node, nodes, earlier, running, door, server);
    made.set_value(port);
  };
  const int code =
      run_node(std::move(options), start, [&](NodeRuntime&) { stop_supervisor_port(port); });
  std::error_code ignored;
  if (code == 0) std::filesystem::remove(ops_token_file(config), ignored);
  return code;
}

}  // namespace stampede::actors
