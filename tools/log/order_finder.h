#pragma once

// `stampede order list`, `trace` and `pending`: what log and database say of single orders and
// commands. They read files and ask the database, and nothing of a running system, whose orders are
// not held up. Block; one thread. Results go to `out`, everything else to `err`. Return the
// process's exit code.

#include <cstdint>
#include <iostream>
#include <optional>
#include <set>
#include <string>

#include "storage/commands/command.h"
#include "storage/mysql/db_options.h"
#include "tools/ask/tool_options.h"

namespace stampede::tools {

struct OrderListWish {
  std::string user;  // empty: of all
  std::optional<std::uint64_t> item;
  std::string state;  // "confirmed", "rejected", "unpaid", …; empty: any
  std::optional<std::int64_t> since_ms;
  std::optional<std::int64_t> until_ms;
  std::size_t limit = 100;
  std::int64_t timeout_ms = 30'000;  // then it shows what it has found
};

// Newest first: confirmed orders of the database and of the log, and the rejections that the log
// still has (of which nobody keeps a request id, and the user only as a hash). 0; 4 the log is
// damaged; 7 no database, and the log's orders were shown; 5 the time was over before all of it was
// looked at, and what was found was shown.
int run_order_list(const ToolOptions& options, const storage::DbOptions& database,
                   const OrderListWish& wish, std::ostream& out = std::cout,
                   std::ostream& err = std::cerr);

// What became of a request, step by step. 0; 1 neither log nor database knows it; 4 the log is
// damaged.
int run_trace(const ToolOptions& options, const storage::DbOptions& database,
              const std::string& request_id, std::ostream& out = std::cout,
              std::ostream& err = std::cerr);

struct PendingWish {
  std::int64_t older_ms = 0;
  std::optional<std::uint64_t> item;
  std::set<storage::CommandKind> exclude;
  std::size_t limit = 100;
};

// The commands that the database still owes or has refused, oldest first. 0; 4 the log is damaged;
// 2 there is no log.
int run_pending(const ToolOptions& options, const PendingWish& wish, std::ostream& out = std::cout,
                std::ostream& err = std::cerr);

}  // namespace stampede::tools
