#include "tools/chaos.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "tools/admin_client.h"

namespace stampede::tools {
namespace {

using nlohmann::json;

int ask(const ToolOptions& options, const char* command, const json& request,
        const std::string& done) {
  const auto answer = ask_admin_or_fail(options.config, request);
  if (const auto* failure = std::get_if<AdminFailure>(&answer)) {
    std::fprintf(stderr, "stampede %s: %s\n", command, failure->message.c_str());
    return failure->exit;
  }
  std::printf("%s\n", options.json ? std::get<json>(answer).dump().c_str() : done.c_str());
  return kExitDone;
}

}  // namespace

int run_chaos_kill(const ToolOptions& options, const std::string& node, const std::string& actor) {
  json request = {{"do", "kill"}, {"node", node}};
  if (!actor.empty()) request["actor"] = actor;
  const std::string victim = actor.empty() ? node : "actor " + actor + " of " + node;
  return ask(options, "chaos", request, "killed " + victim);
}

int run_start(const ToolOptions& options, const std::string& node) {
  json request = {{"do", "start"}};
  if (!node.empty()) request["node"] = node;
  return ask(options, "start", request, "starting " + (node.empty() ? "all nodes" : node));
}

}  // namespace stampede::tools
