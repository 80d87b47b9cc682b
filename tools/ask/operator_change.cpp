#include "tools/ask/operator_change.h"

#include <cstdio>

#include "tools/ask/failure_report.h"
#include "tools/ask/flag_names.h"
#include "tools/ask/json_text.h"

namespace stampede::tools {

using nlohmann::json;

int report_failure(const ToolOptions& options, const char* name, const AdminFailure& failure,
                   const std::string& request_id) {
  const std::string message = in_flags(failure.message);
  if (options.json) std::printf("%s\n", failure_line(failure.exit, message, failure.code).c_str());
  std::fprintf(stderr, "stampede %s: %s\n", name, message.c_str());
  if (failure.exit == kExitTimedOut && !request_id.empty()) {
    std::fprintf(stderr, "to settle it, repeat the command with --request-id %s\n",
                 request_id.c_str());
  }
  return failure.exit;
}

int run_operator_change(const ToolOptions& options, const ChangedThing& thing, json request,
                        const std::string& given_id) {
  const std::string request_id = given_id.empty() ? mint_request_id() : given_id;
  request["request_id"] = request_id;
  const auto answer = ask_admin_for_operator(options.config, request);
  if (const auto* failure = std::get_if<AdminFailure>(&answer))
    return report_failure(options, thing.name, *failure, request_id);
  json map = std::get<json>(answer);
  map["request_id"] = request_id;
  if (options.json)
    std::printf("%s\n", map.dump().c_str());
  else
    std::printf("%s  %s   request %s\n", map.value("changed", true) ? "changed" : "unchanged",
                thing.described(map).c_str(), request_id.c_str());
  return kExitDone;
}

}  // namespace stampede::tools
