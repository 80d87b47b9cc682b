#pragma once

// What the tools' flags are parsed into, and the checks that several of them share. For
// command_line*.cpp only.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "actors/protocol/node_messages.h"
#include "config/process/wall_clock.h"
#include "storage/mysql/db_options.h"
#include "tools/ask/duration.h"
#include "tools/ask/flag_names.h"
#include "tools/ask/item.h"
#include "tools/ask/moment.h"
#include "tools/ask/node_logs.h"
#include "tools/ask/order.h"
#include "tools/ask/promo.h"
#include "tools/bench/bench.h"
#include "tools/chaos/chaos.h"
#include "tools/command_line/command_line.h"
#include "tools/log/log_tool.h"
#include "tools/log/order_finder.h"
#include "tools/upgrade/upgrade.h"

namespace stampede::tools {

struct CommandLine::Arguments {
  bool watch = false;
  std::string watch_every = "1s";
  std::string health_wait = "0s";
  std::string node_wait = "30s";
  std::string drain_wait = "0s";
  std::string nodes;
  UpgradeWords upgrade;
  std::string upgrade_wait = "60s";
  int recoveries_max = 20;
  LogsWish logs;
  std::string logs_since;
  OrderListWish order_list;
  std::string list_since;
  std::string list_until;
  std::string list_timeout = "30s";
  PendingWish pending_wish;
  std::string pending_older;
  std::vector<std::string> pending_exclude;
  std::vector<std::string> help_topic;
  std::string shell;
  std::string verify_wait = "30s";
  ItemChange item;
  ItemChange item_set;  // the terms that are given
  PromoChange promo;
  std::string promo_starts;
  std::string promo_ends;
  std::string promo_ticket;
  UserChange user;
  std::string clock_request_id;
  std::string delta;
  std::string node;
  std::string actor;
  Order order;
  std::string order_timeout = "10s";
  std::string shown_id;
  std::string directory;  // of a log; empty: the configured one
  std::string lsn;
  std::string from;
  std::string to;
  bool pending = false;
  bool dry_run = false;
  bool all = false;
  std::string key_file;
  int schema_version = 0;
  bool schema_force = false;
  bool snapshot_verify = false;
  std::string import_file;
  std::string import_to;
  ChaosCrash crash;
  ChaosMonkey monkey;
  std::string chaos_for;
  std::string chaos_every;
  bool disk_full = false;
  bool disk_eio = false;
  Bench bench;
  std::string via = "zmq";
  std::string duration = "10s";
  std::string bench_timeout = "30s";
  bool no_drain = false;
  std::string config_key;
  std::string config_value;
  bool config_origin = false;
};

inline void on_chosen(CLI::App* command, Command& chosen,
                      std::function<int(const ToolOptions&)> run, bool with_config = true) {
  command->callback([&chosen, run = std::move(run), with_config] {
    chosen = {{}, run, with_config};
  });
}

// The database's options, or a message and the exit code 2.
int with_database(const ToolOptions& options,
                  const std::function<int(const storage::DbOptions&, bool json)>& run);

// The checks return an empty text, or what is wrong, as CLI11 wants it.

// Of a whole number, behind its sign if it has one; empty: it is none.
inline std::string digits_of(const std::string& text) {
  const auto digits = text.substr(text.find_first_of("+-") == 0 ? 1 : 0);
  return digits.find_first_not_of("0123456789") == std::string::npos ? digits : std::string{};
}

inline std::string check_duration(const std::string& text) {
  if (parse_duration_ms(text)) return {};
  return text + " is no duration; give one like 500ms, 30s or 2m";
}

inline std::string check_request_id(const std::string& text) {
  if (actors::valid_request_id(text)) return {};
  return "a request id is 1 to 64 characters of A-Z a-z 0-9 _ -";
}

inline std::string check_user(const std::string& text) {
  if (actors::valid_user(text)) return {};
  return "a user is 1 to 64 bytes of UTF-8 without control characters";
}

// Of a time that lies behind: 10m (ago), or a moment. Nothing where nothing was typed.
inline std::optional<std::int64_t> past_ms(const std::string& text) {
  return text.empty() ? std::nullopt : parse_past_ms(text, config::wall_ms());
}

inline std::string check_past(const std::string& text) {
  if (past_ms(text)) return {};
  return text + " is no time; give one like 10m (ago) or 2026-11-29T20:00:00+08:00";
}

// A line break or an escape sequence would spoil every list that shows the text.
inline std::string check_text(const std::string& text, const storage::Term& term) {
  if (text.empty() && term.min == 0) return {};
  if (actors::valid_text(text, static_cast<std::size_t>(term.max))) return {};
  return "a " + std::string(term.name) + " is " + std::to_string(term.min) + " to " +
         std::to_string(term.max) + " bytes of UTF-8 without control characters";
}

// Of a question, to which the id means nothing: whoever gives one to all commands may.
inline CLI::App* take_request_id(CLI::App* question, std::string& request_id) {
  question
      ->add_option("--request-id", request_id, "Accepted as changes have it; a question needs none")
      ->check(check_request_id);
  return question;
}

inline CLI::Range item_range() {
  return {std::uint64_t{0}, actors::kItemIdMax};
}

}  // namespace stampede::tools
