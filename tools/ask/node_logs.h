#pragma once

// `stampede logs`: the event lines of the nodes, <run>/log/<node>.log and what was rotated of it,
// in the order of their times. Needs no running system. Blocks; one thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tools/ask/tool_options.h"

namespace stampede::tools {

struct LogsWish {
  std::string node;                      // empty: all of them
  bool follow = false;                   // goes on with what comes, until a signal ends it
  std::optional<std::int64_t> since_ms;  // since 1970
  std::string level = "trace";           // and what is worse
};

// One line of a log, as actors/node/node_log.h has it in either format. What is no such line (what
// a dying process prints) has neither time nor level.
struct LogLine {
  std::string time;  // RFC 3339
  std::string level;
  std::string node;
  std::string text;  // without control characters where the line was one of JSON
};
LogLine read_log_line(std::string_view line);

// 0 trace … 5 critical; nothing: there is no such level.
std::optional<int> log_level(std::string_view word);

// 0; 2 there is no such node's log, or none at all (it says where it looked).
int run_logs(const ToolOptions& options, const LogsWish& wish);

}  // namespace stampede::tools
