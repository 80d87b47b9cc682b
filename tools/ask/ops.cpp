#include "tools/ask/ops.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "config/process/exit_codes.h"
#include "tools/ask/admin_client.h"

namespace stampede::tools {

namespace {

// Where the supervisor serves its page: on this host alone, whatever the nodes are bound to.
std::string page_address(const config::Config& config) {
  const auto& bind = config.net.bind;
  return "http://" + (bind.starts_with("127.") ? bind : std::string("127.0.0.1")) + ":" +
         std::to_string(config.net.port_base);
}

}  // namespace

int run_ops(const ToolOptions& options) {
  const auto answer = ask_admin_for_operator(options.config, {{"do", "ops_login"}});
  if (const auto* failure = std::get_if<AdminFailure>(&answer)) {
    std::fprintf(stderr, "stampede ops: %s\n", failure->message.c_str());
    return failure->exit;
  }
  const auto url =
      page_address(options.config) + std::get<nlohmann::json>(answer).value("path", std::string{});
  if (options.json) {
    std::printf("%s\n", nlohmann::json{{"url", url}, {"valid_s", 120}}.dump().c_str());
  } else {
    std::printf("%s\nOpens the operator's page, once, within two minutes.\n", url.c_str());
  }
  return kExitDone;
}

}  // namespace stampede::tools
