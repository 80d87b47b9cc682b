// The subcommands about orders and books: order, log, verify, bench.

#include <cstdio>
#include <string>
#include <vector>

#include "storage/lsn.h"
#include "tools/bench/bench_plan.h"
#include "tools/books/verify.h"
#include "tools/command_line/advice.h"
#include "tools/command_line/command_line_arguments.h"
#include "tools/command_line/command_tree.h"
#include "tools/command_line/one_of.h"

namespace stampede::tools {
namespace {

std::string check_lsn(const std::string& text) {
  if (storage::parse_lsn(text)) return {};
  return text + " is no lsn; give one like 1.187402";
}

// "5%" and "5" mean the same.
std::string strip_percent(std::string text) {
  if (text.ends_with('%')) text.pop_back();
  return text;
}

// Where a number may stand, too; empty: it is none of these commands mistyped.
std::string meant_command(const CLI::App& group, const std::string& word) {
  if (word.find_first_not_of("0123456789") == std::string::npos) return {};
  std::vector<std::string> names;
  for (const auto* command : subcommands_of(group)) names.push_back(command->get_name());
  const auto near = nearest(word, names);
  if (near.empty()) return {};
  return "there is no " + word + " here; did you mean " + near + "?";
}

}  // namespace

void CommandLine::add_order(CLI::App& app, Command& chosen) {
  auto* order = app.add_subcommand("order", "Buy an item, or look at orders");
  Order& args = arguments_->order;
  order->require_subcommand(0, 1);
  auto* item = order->add_option("ITEM", args.item, "Number of the item");
  item->check([order](const std::string& word) { return meant_command(*order, word); });
  item->check(item_range());
  auto* user = order->add_option("--user", args.user, "Who buys")->check(check_user);
  order->add_option("--qty", args.qty, "Units")
      ->capture_default_str()
      ->check(CLI::Range(1u, actors::kQtyMax));
  order->add_option("--promo", args.promo, "Buy as part of this promo")->check(item_range());
  order->add_option("--request-id", args.request_id, "The same id again gives the same answer")
      ->check(check_request_id);
  order->add_option("--timeout", arguments_->order_timeout, "Wait so long for the answer")
      ->capture_default_str()
      ->check(check_duration);
  order->callback([this, &chosen, order, item, user] {
    if (!order->get_subcommands().empty()) return;
    if (item->count() == 0) throw CLI::RequiredError("ITEM");
    if (user->count() == 0) throw CLI::RequiredError("--user");
    chosen = {{}, [this](const ToolOptions& options) {
                Order& typed = arguments_->order;
                typed.timeout_ms =
                    parse_duration_ms(arguments_->order_timeout).value_or(kOrderTimeoutMs);
                return run_order(options, typed);
              }};
  });
  auto* show = order->add_subcommand("show", "What became of an order");
  show->add_option("REQUEST_ID", arguments_->shown_id, "The id it was sent with")
      ->required()
      ->check(check_request_id);
  on_chosen(show, chosen, [this](const ToolOptions& options) {
    return run_order_show(options, arguments_->shown_id);
  });
  add_order_list(*order, chosen);
}

void CommandLine::add_log(CLI::App& app, Command& chosen) {
  auto* log = app.add_subcommand("log", "Read and judge the command log");
  log->require_subcommand(1);
  auto* dump = log->add_subcommand("dump", "Print records, one a line");
  dump->add_option("DIR", arguments_->directory, "Log directory (default: the configured one)");
  dump->add_option("--from", arguments_->from, "First lsn to print")->check(check_lsn);
  dump->add_option("--to", arguments_->to, "Last lsn to print")->check(check_lsn);
  dump->add_flag("--pending", arguments_->pending, "Only commands that are still owed");
  on_chosen(dump, chosen, [this](const ToolOptions& options) {
    LogDumpOptions what;
    what.from = storage::parse_lsn(arguments_->from);
    what.to = storage::parse_lsn(arguments_->to);
    what.pending = arguments_->pending;
    return run_log_dump(options, arguments_->directory, what);
  });
  auto* verify = log->add_subcommand("verify", "Check every record and the fate of every command");
  verify->add_option("DIR", arguments_->directory, "Log directory (default: the configured one)");
  on_chosen(verify, chosen, [this](const ToolOptions& options) {
    return run_log_verify(options, arguments_->directory);
  });
  auto* import = log->add_subcommand("import-text", "Make a log of a file in the dump's line form");
  import->add_option("FILE", arguments_->import_file, "Text to read")->required();
  import->add_option("--to", arguments_->import_to, "New log directory")->required();
  on_chosen(import, chosen, [this](const ToolOptions& options) {
    return run_log_import(options, arguments_->import_file, arguments_->import_to);
  });
  auto* snapshot = log->add_subcommand("snapshot", "Make a snapshot of the closed segments now");
  snapshot->add_option("DIR", arguments_->directory, "Log directory (default: the configured one)");
  snapshot->add_flag("--verify", arguments_->snapshot_verify,
                     "Make none; as `stampede snapshot verify`");
  on_chosen(snapshot, chosen, [this](const ToolOptions& options) {
    return arguments_->snapshot_verify ? run_snapshot_verify(options, arguments_->directory)
                                       : run_log_snapshot(options, arguments_->directory);
  });
  add_log_replay(*log, chosen);
  add_log_parking(*log, chosen);
}

void CommandLine::add_log_parking(CLI::App& log, Command& chosen) {
  const auto add = [&](const char* name, const char* about) {
    auto* command = log.add_subcommand(name, about);
    command->add_option("LSN", arguments_->lsn, "Of the decision, like 1.187402")
        ->required()
        ->check(check_lsn);
    command->add_option("DIR", arguments_->directory,
                        "Log directory (default: the configured one)");
    return command;
  };
  on_chosen(add("park", "Have replay pass over a decision; its item is closed"), chosen,
            [this](const ToolOptions& options) {
              return run_log_park(options, arguments_->directory,
                                  storage::parse_lsn(arguments_->lsn).value_or(0));
            });
  on_chosen(add("unpark", "Have the next start apply a parked decision"), chosen,
            [this](const ToolOptions& options) {
              return run_log_unpark(options, arguments_->directory,
                                    storage::parse_lsn(arguments_->lsn).value_or(0));
            });
  auto* retry = log.add_subcommand(
      "retry", "Try what is parked or was refused by the database again: restarts the backend");
  retry->add_option("LSN", arguments_->lsn, "One parked decision (default: all)")->check(check_lsn);
  on_chosen(retry, chosen, [this](const ToolOptions& options) {
    return run_log_retry(options, storage::parse_lsn(arguments_->lsn));
  });
}

void CommandLine::add_snapshot(CLI::App& app, Command& chosen) {
  auto* snapshot = app.add_subcommand("snapshot", "Judge the snapshots (log snapshot makes one)");
  snapshot->require_subcommand(1);
  auto* verify = snapshot->add_subcommand(
      "verify", "Replay the older one up to the newest and compare their hashes");
  verify->add_option("DIR", arguments_->directory, "Log directory (default: the configured one)");
  on_chosen(verify, chosen, [this](const ToolOptions& options) {
    return run_snapshot_verify(options, arguments_->directory);
  });
}

void CommandLine::add_log_replay(CLI::App& log, Command& chosen) {
  auto* replay = log.add_subcommand("replay", "What recovery would do, or do it for every command");
  auto* dry = replay->add_flag("--dry-run", arguments_->dry_run, "Change nothing, only tell");
  auto* all = replay->add_flag("--all", arguments_->all,
                               "Apply every command to the database again (nodes stopped)");
  auto* dir = replay->add_option("DIR", arguments_->directory,
                                 "Log directory (default: the configured one)");
  dry->excludes(all);
  all->excludes(dir);
  replay->callback([this, &chosen] {
    if (!arguments_->dry_run && !arguments_->all) throw CLI::RequiredError("--dry-run or --all");
    chosen = {{}, [this](const ToolOptions& options) {
                return arguments_->all ? run_log_replay_all(options)
                                       : run_log_replay_dry_run(options, arguments_->directory);
              }};
  });
}

void CommandLine::add_verify(CLI::App& app, Command& chosen) {
  auto* verify = app.add_subcommand("verify", "Memory, log and database must say the same");
  verify->add_option("--wait", arguments_->verify_wait, "Wait so long until all is stored")
      ->capture_default_str()
      ->check(check_duration);
  on_chosen(verify, chosen, [this](const ToolOptions& options) {
    return run_verify(options, parse_duration_ms(arguments_->verify_wait).value_or(kVerifyWaitMs));
  });
}

void CommandLine::add_bench_ways(CLI::App* bench) {
  Bench& args = arguments_->bench;
  bench->footer(
      "By default orders are sent by plan, at --rate, whatever the system does, and a latency "
      "counts\n"
      "from the planned time: who had to wait behind a stall is counted, too. With --closed the\n"
      "generator waits along with a system that stalls; latencies then leave out those who would\n"
      "have come meanwhile (coordinated omission). Percentiles are within 0.4 % of the true "
      "values.");
  bench
      ->add_option(
          "--via", arguments_->via,
          "zmq (SF1), ipc (SF1 over the run directory's socket), http (POST /v1/orders) or "
          "miaosha (POST /miaosha/order)")
      ->capture_default_str()
      ->check(one_of({"zmq", "ipc", "http", "miaosha"}))
      ->type_name("zmq|ipc|http|miaosha");
  bench->add_option("--batch", args.batch, "Orders of one message, with --via zmq or ipc")
      ->capture_default_str()
      ->check(CLI::Range(1u, static_cast<unsigned>(kBatchMax)));
  bench->add_flag("--ramp", args.ramp,
                  "Raise the rate from --rate on, --duration each, until it is too high");
  bench->add_option("--hdr", args.hdr_file,
                    "Write the distribution of latencies there, as HdrHistogram does, in ms");
}

void CommandLine::add_bench(CLI::App& app, Command& chosen) {
  auto* bench = app.add_subcommand("bench", "Send a load, wait until it is stored, verify");
  add_bench_ways(bench);
  Bench& args = arguments_->bench;
  auto* rate = bench->add_option("--rate", args.rate, "Orders a second, planned in advance");
  rate->capture_default_str()->check(CLI::Range(0.1, 10'000'000.0));
  bench->add_flag("--closed", args.closed, "Send when an answer came, not by plan")->excludes(rate);
  bench
      ->add_option("--window", args.window,
                   "Open orders with --closed (default: 256, over HTTP one a connection)")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000}));
  auto* requests = bench->add_option("--requests", args.requests, "Orders in all");
  requests->check(CLI::Range(std::uint64_t{1}, std::uint64_t{4'000'000'000}));
  bench->add_option("--duration", arguments_->duration, "Time to send")
      ->capture_default_str()
      ->check(check_duration)
      ->excludes(requests);
  bench->add_option("--items", args.items, "Items 1 to N")
      ->capture_default_str()
      ->check(CLI::Range(1u, 1'000'000u));
  bench->add_option("--users", args.users, "Users")
      ->capture_default_str()
      ->check(CLI::Range(1u, 100'000'000u));
  bench->add_option("--seed", args.seed, "The same seed sends the same")->capture_default_str();
  bench->add_option("--run", args.run, "Name of the run, part of the ids (default: a new one)")
      ->check([](const std::string& text) {
        const bool fits = text.size() <= 24 && check_request_id(text).empty();
        return fits ? std::string{} : "a run is 1 to 24 characters of A-Z a-z 0-9 _ -";
      });
  bench->add_option("--duplicates", args.duplicates, "Percent of orders that are sent again")
      ->capture_default_str()
      ->transform(strip_percent)
      ->check(CLI::Range(0.0, 100.0));
  bench->add_flag("--first", args.first,
                  "Say at the first try that it is one; whom a webapp turns away asks no more");
  bench->add_option("--promo", args.promo, "Order in this promo, of item 1")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{INT64_MAX}));
  bench->add_flag(
      "--tickets", args.tickets,
      "Ask for a ticket for each order first, measured by itself, then order with them");
  bench->add_option("--connections", args.connections, "Connections (default: 2, over HTTP 64)")
      ->check(CLI::Range(1, 4000));
  bench->add_option("--timeout", arguments_->bench_timeout, "Wait so long for one answer")
      ->capture_default_str()
      ->check(check_duration);
  bench->add_flag("--no-drain", arguments_->no_drain, "Do not wait for the database, no verify");
  on_chosen(bench, chosen, [this, bench](const ToolOptions& options) {
    Bench& typed = arguments_->bench;
    typed.via = arguments_->via == "http"      ? BenchVia::http
                : arguments_->via == "miaosha" ? BenchVia::miaosha
                : arguments_->via == "ipc"     ? BenchVia::ipc
                                               : BenchVia::zmq;
    const auto given = [bench](const char* flag) { return bench->get_option(flag)->count() > 0; };
    if (const auto wrong = check_bench(typed, given); !wrong.empty()) {
      std::fprintf(stderr, "stampede bench: %s\n", wrong.c_str());
      return kExitWrongUse;
    }
    typed.duration_ms = parse_duration_ms(arguments_->duration).value_or(typed.duration_ms);
    typed.timeout_ms = parse_duration_ms(arguments_->bench_timeout).value_or(typed.timeout_ms);
    typed.drain = !arguments_->no_drain;
    return run_bench(options, typed);
  });
}

}  // namespace stampede::tools
