#pragma once

// A change that an operator asks for, of whatever kind: sent with a request id, its outcome told.
// Blocks up to admin_client.h's time-out; prints.

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "tools/ask/admin_client.h"
#include "tools/ask/order.h"

namespace stampede::tools {

// Who asks, in what is printed; and what says on a terminal what it is about.
struct ChangedThing {
  const char* name;  // "item": the command is `stampede item`
  std::function<std::string(const nlohmann::json& answer)> described;
};

// Sends it, with the request id that was given or a new one. The exit code.
int run_operator_change(const ToolOptions& options, const ChangedThing& thing,
                        nlohmann::json request, const std::string& given_id);

// Says why it failed, and, if a change with this id may have been made, how to settle it. The exit
// code.
int report_failure(const ToolOptions& options, const char* name, const AdminFailure& failure,
                   const std::string& request_id = {});

}  // namespace stampede::tools
