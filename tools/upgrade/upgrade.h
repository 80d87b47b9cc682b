#pragma once

// `stampede upgrade`: a running system goes on as another program, the sale with it. What could
// keep the new one from running is looked at before anything is touched; then the supervisor
// becomes it, and brings guard and nodes along (actors/supervisor/program_change.h).

#include <cstdint>
#include <string>

#include "tools/ask/tool_options.h"

namespace stampede::tools {

struct UpgradeWords {
  std::string binary;  // empty: what lies where the running program was started from
  std::int64_t wait_ms = 60'000;
};

// Blocks until every node runs the new program, prints, returns the process's exit code: 0 (also
// when it ran already), 5 not within wait_ms, 6 refused: nothing was touched, 7 no system runs.
int run_upgrade(const ToolOptions& options, const UpgradeWords& words);

}  // namespace stampede::tools
