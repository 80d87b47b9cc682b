#pragma once

// What every tool is given: the configuration of the system it speaks to, and how to report.
// Results go to stdout, everything else to stderr.

#include "config/process/exit_codes.h"
#include "config/settings/config.h"

namespace stampede::tools {

struct ToolOptions {
  config::Config config;
  bool json = false;  // one JSON document on stdout instead of text
  // Why `config` has the defaults: it could not be read. Only for who judges it; empty: it is
  // right.
  std::string config_fault = {};
};

}  // namespace stampede::tools
