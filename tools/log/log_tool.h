#pragma once

// `stampede log …` (contract §7): reading, judging, applying and importing a command log. Block;
// one thread. Results go to `out`, everything else to `err`. Return the process's exit code.
//
// dump, verify and replay --dry-run change nothing, take no lock and need no database; they may
// run beside a working backend and then see the log up to some moment. An empty `dir` means the
// configured log.dir. Memory: 24 bytes per command of the log, and one segment.

#include <iostream>
#include <optional>
#include <string>

#include "storage/lsn.h"
#include "tools/ask/tool_options.h"

namespace stampede::tools {

struct LogDumpOptions {
  std::optional<storage::Lsn> from;  // first and last lsn of the decisions to print
  std::optional<storage::Lsn> to;
  bool pending = false;  // only commands that are neither executed nor superseded
};

// 0; 4 the log is damaged (what is before the damage was printed); 2 no such directory.
int run_log_dump(const ToolOptions& options, const std::string& dir, const LogDumpOptions& dump,
                 std::ostream& out = std::cout, std::ostream& err = std::cerr);

// 0 sound; 4 damaged, or commands that the database refused, or outcomes that fit no command, or a
// parked record.
int run_log_verify(const ToolOptions& options, const std::string& dir,
                   std::ostream& out = std::cout, std::ostream& err = std::cerr);

// What recovery would do. 0; 4 the log is damaged.
int run_log_replay_dry_run(const ToolOptions& options, const std::string& dir,
                           std::ostream& out = std::cout, std::ostream& err = std::cerr);

// Applies every command of the configured log to the configured database again, whatever EXEC says;
// items also from the newest snapshot. Orders whose segments are gone are looked for in the
// database. Repeating it changes no row. 0; 4 rows refused, or orders missing that the log cannot
// give any more (named), or log and database do not fit; 6 a backend owns the log or the database;
// 7 no database. Durable on return as the server promises.
int run_log_replay_all(const ToolOptions& options, std::ostream& out = std::cout,
                       std::ostream& err = std::cerr);

// Makes a snapshot of the closed segments; nodes may run. 0 (also when there is nothing to do); 4
// the log is damaged; 2 a record is parked; 6 one is being made. Durable on return.
int run_log_snapshot(const ToolOptions& options, const std::string& dir,
                     std::ostream& out = std::cout, std::ostream& err = std::cerr);

// Replays the older snapshot (or the log from its start) up to the newest and compares hashes. 0
// the same; 4 not, or something is damaged; 1 there is nothing to compare.
int run_snapshot_verify(const ToolOptions& options, const std::string& dir,
                        std::ostream& out = std::cout, std::ostream& err = std::cerr);

// Replay passes over the decision from the backend's next start on. 0; 1 no start would meet it
// (the log has none of that lsn, or a snapshot stands for it). Durable on return.
int run_log_park(const ToolOptions& options, const std::string& dir, storage::Lsn lsn,
                 std::ostream& out = std::cout, std::ostream& err = std::cerr);

// The backend's next start applies it. 0; 1 it is not parked. Durable on return.
int run_log_unpark(const ToolOptions& options, const std::string& dir, storage::Lsn lsn,
                   std::ostream& out = std::cout, std::ostream& err = std::cerr);

// Unparks the decision, or all, and has the supervisor start the backend anew, which also tries
// again what the database has refused; without a supervisor the next start does. 0; 1 it is not
// parked.
int run_log_retry(const ToolOptions& options, std::optional<storage::Lsn> lsn,
                  std::ostream& out = std::cout, std::ostream& err = std::cerr);

// Makes a new log in `dir` (absent or empty) of a file in the line form. 0; 2 a line cannot be read
// (named with line and column; nothing is written then); 6 `dir` is in use. Durable on return.
int run_log_import(const ToolOptions& options, const std::string& file, const std::string& dir,
                   std::ostream& out = std::cout, std::ostream& err = std::cerr);

}  // namespace stampede::tools
