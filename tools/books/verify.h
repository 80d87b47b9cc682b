#pragma once

// `stampede verify`: three books must say the same. The backend's memory at its present position L,
// the command log up to L, added up anew, and the database, waited for until L is stored. Sales may
// go on meanwhile: what is newer than L is left out.
//
// Blocks up to the wait and the time the reading takes (about a second for a million orders). One
// thread. Needs the log directory, so it runs on the backend's host. Changes nothing; run_verify()
// tells the supervisor the verdict, for the metrics.

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "storage/lsn.h"
#include "tools/ask/tool_options.h"

namespace stampede::tools {

inline constexpr std::int64_t kVerifyWaitMs = 30'000;

struct VerifyReport {
  int exit =
      kExitDone;  // 0 agrees; 4 a violation; 5 not stored in time; 3 no backend; 1 cannot tell
  std::string problem;  // why there is no verdict, when exit is none of 0 and 4
  storage::Lsn lsn = 0;
  std::uint64_t items = 0;
  std::int64_t start = 0;  // units: start = sold + left
  std::int64_t sold = 0;
  std::int64_t left = 0;
  std::uint64_t confirmed = 0;  // orders in the log
  std::uint64_t rows = 0;       // orders in the database
  std::int64_t oversold = 0;    // units
  std::uint64_t lost = 0;       // in the log as executed, not in the database
  std::uint64_t doubled = 0;    // request ids with two orders, and rows the log does not know
  std::uint64_t over_limit = 0;
  std::uint64_t failed = 0;   // commands the database refused
  std::uint64_t pending = 0;  // not stored in time
  std::uint64_t violation_count = 0;
  std::vector<std::string> violations;  // the first of them
  double seconds = 0;

  [[nodiscard]] bool ok() const { return exit == kExitDone; }
  [[nodiscard]] nlohmann::json to_json() const;
};

// Called with the reason when the database is to be waited for, and when that becomes another one.
using TellWaiting = std::function<void(const std::string& why)>;

VerifyReport verify_books(const config::Config& config, std::int64_t wait_ms,
                          const TellWaiting& tell = {});

// Prints the report, returns its exit code.
int run_verify(const ToolOptions& options, std::int64_t wait_ms);

}  // namespace stampede::tools
