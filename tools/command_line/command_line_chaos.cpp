// The part of the command line that breaks things on purpose.

#include "tools/chaos/chaos.h"
#include "tools/command_line/command_line.h"
#include "tools/command_line/command_line_arguments.h"

namespace stampede::tools {
namespace {

void add_duration(CLI::App* command, const char* flag, std::string& value, const char* about) {
  command->add_option(flag, value, about)->required()->check(check_duration);
}

}  // namespace

void CommandLine::add_chaos(CLI::App& app, Command& chosen) {
  auto* chaos = app.add_subcommand("chaos", "Break things on purpose (needs dev = true)");
  chaos->require_subcommand(1);
  auto* kill = chaos->add_subcommand("kill", "kill -9 a node, or kill one of its actors");
  kill->add_option("NODE", arguments_->node, "backend-1, broker-1, webapp-1")->required();
  kill->add_option("--actor", arguments_->actor, "port, core, log, lane-1, http");
  on_chosen(kill, chosen, [this](const ToolOptions& options) {
    return run_chaos_kill(options, arguments_->node, arguments_->actor);
  });
  auto* pause = chaos->add_subcommand("pause", "SIGSTOP a node, SIGCONT it later");
  pause->add_option("NODE", arguments_->node, "backend-1, broker-1, webapp-1")->required();
  add_duration(pause, "--for", arguments_->chaos_for, "how long, like 500ms or 3s");
  on_chosen(pause, chosen, [this](const ToolOptions& options) {
    return run_chaos_pause(options, arguments_->node, *parse_duration_ms(arguments_->chaos_for));
  });
  add_chaos_crash(*chaos, chosen);
  add_chaos_faults(*chaos, chosen);
  on_chosen(chaos->add_subcommand("list", "Crash points and faults"), chosen, run_chaos_list);
  on_chosen(chaos->add_subcommand("undo", "End every pause, failpoint and database stop"), chosen,
            run_chaos_undo);
}

void CommandLine::add_chaos_crash(CLI::App& chaos, Command& chosen) {
  ChaosCrash& args = arguments_->crash;
  auto* crash = chaos.add_subcommand("crash", "Crash the backend at a named point");
  crash->add_option("NODE", args.node, "backend")->required();
  crash->add_option("--at", args.point, "The point; see `stampede chaos list`")->required();
  crash->add_option("--nth", args.nth, "The N-th time it is passed (default 1)")
      ->check(CLI::Range(1u, 1'000'000'000u));
  crash->add_option("--repeat", args.repeat, "So many crashes, one after the other")
      ->capture_default_str()
      ->check(CLI::Range(1u, 100'000u));
  crash->add_option("--seed", args.seed, "Draws --nth from 1 to 5 when it is not given");
  crash->add_flag("--verify", args.verify, "End with the books' verdict");
  on_chosen(crash, chosen,
            [&args](const ToolOptions& options) { return run_chaos_crash(options, args); });
}

void CommandLine::add_chaos_faults(CLI::App& chaos, Command& chosen) {
  auto* db = chaos.add_subcommand("db", "The private database stands still");
  add_duration(db, "--stop", arguments_->chaos_for, "how long, like 500ms or 30s");
  on_chosen(db, chosen, [this](const ToolOptions& options) {
    return run_chaos_db(options, *parse_duration_ms(arguments_->chaos_for));
  });

  auto* disk = chaos.add_subcommand("disk", "The log's disk is full, or breaks");
  auto* kind = disk->add_option_group("fault");
  kind->add_flag("--full", arguments_->disk_full, "No room for another segment, until undo");
  kind->add_flag("--eio", arguments_->disk_eio, "The next sync of the log fails");
  kind->require_option(1);
  on_chosen(disk, chosen, [this](const ToolOptions& options) {
    return run_chaos_disk(options, arguments_->disk_full ? DiskFault::full : DiskFault::eio);
  });

  auto* monkey = chaos.add_subcommand("monkey", "Random faults for a while");
  add_duration(monkey, "--every", arguments_->chaos_every, "pause between two faults");
  add_duration(monkey, "--for", arguments_->chaos_for, "how long in all");
  monkey->add_option("--seed", arguments_->monkey.seed, "Repeats a plan")->capture_default_str();
  monkey->add_flag("--verify", arguments_->monkey.verify, "End with the books' verdict");
  on_chosen(monkey, chosen, [this](const ToolOptions& options) {
    ChaosMonkey& wish = arguments_->monkey;
    wish.every_ms = *parse_duration_ms(arguments_->chaos_every);
    wish.for_ms = *parse_duration_ms(arguments_->chaos_for);
    return run_chaos_monkey(options, wish);
  });
}

}  // namespace stampede::tools
