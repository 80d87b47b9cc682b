#pragma once

// `stampede doctor`: looks at all that a system needs to run, whether one runs or not, and says
// what is wrong and what to do. Changes nothing: what it writes to measure the disk has no name and
// is gone at its end. Blocks for some seconds at most; one thread.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tools/ask/tool_options.h"

namespace stampede::tools {

enum class Verdict { ok, warn, fail };
std::string_view to_text(Verdict verdict);

struct Finding {
  std::string check;  // "ports", "disk", …
  Verdict verdict = Verdict::ok;
  std::string text;    // what was found
  std::string advice;  // what to do; empty when all is well
};
using Findings = std::vector<Finding>;

// `config_fault`: why there is no configuration; then only what needs none is looked at. Empty:
// there is one. 0; 4 something fails.
int run_doctor(const ToolOptions& options, const std::string& config_fault);

// Each looks at one thing; none throws, none ends early.
Findings check_run_directory(const config::Config& config);
Findings check_disk(const config::Config& config);
Findings check_descriptors();
Findings check_clock(const config::Config& config);
// `status`: of the running system; null: none answers.
Findings check_nodes(const nlohmann::json& status);
Findings check_ports(const config::Config& config, const nlohmann::json& status);
Findings check_database(const config::Config& config, const nlohmann::json& status);

}  // namespace stampede::tools
