#pragma once

// The exit codes as people are told them: `stampede help exit-codes`, the man pages.

#include <string_view>

#include "config/process/exit_codes.h"

namespace stampede::tools {

struct ExitCodeInfo {
  int code;
  std::string_view of;  // who ends with it
  std::string_view meaning;
};

inline constexpr ExitCodeInfo kExitCodes[] = {
    {kExitDone, "tools, nodes", "done; a node was stopped"},
    {kExitFailure, "tools", "failure: refused, an error code, a second SIGTERM"},
    {kExitWrongUse, "tools", "wrong use or configuration"},
    {kExitNotReady, "tools", "not ready"},
    {kExitViolation, "tools", "a check found a violation"},
    {kExitTimedOut, "tools", "timed out: of an order that means unknown, ask with the same id"},
    {kExitRefused, "tools, nodes", "refused: a port is taken, a lock is held, dev is off"},
    {kExitNoConnection, "tools", "could not connect"},
    {kExitRejected, "tools", "the business said no: the order is rejected"},
    {kExitCorrupt, "nodes", "the log is damaged, or log and database do not fit; waits for you"},
    {kExitInvariant, "nodes", "broken invariant, or an exception in an actor"},
    {kExitIo, "tools, nodes",
     "input or output error: of nodes on the log, of tools on their output"},
    {kExitOtherWriter, "nodes", "another writer owns the log or the database; waits for you"},
    {kExitConfig, "nodes", "configuration, or a format of another version; waits for you"},
};

}  // namespace stampede::tools
