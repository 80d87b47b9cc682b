#pragma once

// What every tool is given: the configuration of the system it speaks to, and how to report.
// Results go to stdout, everything else to stderr. Exit codes: contract §8.

#include "config/config.h"

namespace stampede::tools {

struct ToolOptions {
  config::Config config;
  bool json = false;  // one JSON document on stdout instead of text
};

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitWrongUse = 2;
inline constexpr int kExitNotReady = 3;
inline constexpr int kExitViolation = 4;
inline constexpr int kExitTimedOut = 5;
inline constexpr int kExitRefused = 6;
inline constexpr int kExitNoConnection = 7;
inline constexpr int kExitRejected = 8;

}  // namespace stampede::tools
