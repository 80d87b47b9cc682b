#include "tools/ask/failure_report.h"

#include "config/process/exit_codes.h"

namespace stampede::tools {

using nlohmann::json;

std::string_view failure_word(int exit) {
  switch (exit) {
    case kExitWrongUse:
      return "wrong_use";
    case kExitNotReady:
      return "not_ready";
    case kExitViolation:
      return "violation";
    case kExitTimedOut:
      return "timed_out";
    case kExitRefused:
      return "refused";
    case kExitNoConnection:
      return "no_connection";
    case kExitRejected:
      return "rejected";
    case kExitIo:
      return "output_lost";
    default:
      return "failed";
  }
}

json failure_report(int exit, const std::string& message, const std::string& code) {
  return {{"error", code.empty() ? std::string(failure_word(exit)) : code},
          {"message", message},
          {"exit", exit}};
}

std::string failure_line(int exit, const std::string& message, const std::string& code) {
  return failure_report(exit, message, code).dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace stampede::tools
