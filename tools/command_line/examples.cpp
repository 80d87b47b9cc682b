#include "tools/command_line/examples.h"

#include <algorithm>
#include <iterator>

#include "tools/command_line/command_tree.h"

namespace stampede::tools {
namespace {

struct Example {
  std::string_view command;
  std::string_view words;  // behind "stampede "
};

constexpr Example kExamples[] = {
    {"supervisor", "--run-dir run supervisor --guard --nodes webapp=2,broker=1,backend=1"},
    {"webapp", "--run-dir run webapp --index 2"},
    {"broker", "--run-dir run broker"},
    {"backend", "--run-dir run backend"},
    {"status", "status --watch"},
    {"health", "health --wait 30s"},
    {"item add", "item add 1 --name Phone --stock 300 --limit-per-user 2"},
    {"item set", "item set 1 --price-cents 899 --description \"With charger\""},
    {"item open", "item open 1"},
    {"item close", "item close 1"},
    {"item list", "item list"},
    {"item show", "item show 1"},
    {"item stock", "item stock 1 +100"},
    {"promo add",
     "promo add 7 --item 1 --name \"Half price\" --price-cents 999 --starts +5m --ends +15m"},
    {"promo set", "promo set 7 --ends +10m"},
    {"promo end", "promo end 7"},
    {"promo list", "promo list"},
    {"promo show", "promo show 7"},
    {"clock accept", "clock accept"},
    {"order", "order 1 --user ann --request-id r-1"},
    {"order show", "order show r-1"},
    {"order list", "order list --user ann --since 1h"},
    {"trace", "trace r-1"},
    {"pending", "pending --older 30s --exclude ItemAmountUpdate"},
    {"migrate up", "migrate up"},
    {"migrate down", "migrate down --to 2"},
    {"migrate status", "migrate status"},
    {"log dump", "log dump --from 1.1 --to 1.100"},
    {"log verify", "log verify"},
    {"log import-text", "log import-text seed_example.txt --to /tmp/seed-log"},
    {"log snapshot", "log snapshot"},
    {"log replay", "log replay --dry-run"},
    {"log park", "log park 1.187402"},
    {"log unpark", "log unpark 1.187402"},
    {"log retry", "log retry"},
    {"snapshot verify", "snapshot verify"},
    {"verify", "verify --wait 30s"},
    {"bench", "bench --rate 20000 --duration 10s"},
    {"keys new", "keys new server.key"},
    {"user add", "user add ann --name Ann"},
    {"user password", "user password ann"},
    {"user lock", "user lock ann"},
    {"user unlock", "user unlock ann"},
    {"chaos kill", "chaos kill backend-1"},
    {"chaos pause", "chaos pause webapp-1 --for 3s"},
    {"chaos crash", "chaos crash backend --at after_log --verify"},
    {"chaos db", "chaos db --stop 60s"},
    {"chaos disk", "chaos disk --full"},
    {"chaos monkey", "chaos monkey --every 5s --for 1m --seed 1 --verify"},
    {"chaos list", "chaos list"},
    {"chaos undo", "chaos undo"},
    {"start", "start webapp-1"},
    {"stop", "stop webapp-1"},
    {"restart", "restart webapp-1"},
    {"nodes", "nodes webapp=3"},
    {"upgrade", "upgrade"},
    {"drain", "drain"},
    {"undrain", "undrain"},
    {"recoveries", "recoveries --limit 10"},
    {"logs", "logs backend-1 --since 10m --level warning"},
    {"doctor", "doctor"},
    {"ops", "ops"},
    {"config check", "config check"},
    {"config diff", "config diff"},
    {"config reload", "config reload"},
    {"config set", "config set limits.user_per_s 5"},
    {"config get", "config get webapp.http"},
    {"config show", "config show --origin"},
    {"help", "help item add"},
    {"completion", "completion bash"},
};

}  // namespace

std::string example_of(const CLI::App& command) {
  const auto path = path_of(command);
  const auto* found = std::find_if(std::begin(kExamples), std::end(kExamples),
                                   [&](const Example& example) { return example.command == path; });
  if (found != std::end(kExamples)) return "stampede " + std::string(found->words);
  const auto inner = subcommands_of(command);
  return inner.empty() ? std::string{} : example_of(*inner.front());
}

void add_examples(CLI::App& app) {
  const auto add = [](const auto& self, CLI::App& at) -> void {
    for (auto* command : at.get_subcommands([](CLI::App*) { return true; })) {
      if (command->get_name().empty()) continue;  // a group of flags
      const auto example = example_of(*command);
      auto footer = command->get_footer();
      if (!footer.empty()) footer += "\n\n";
      if (!example.empty()) command->footer(footer + "Example:\n  " + example);
      self(self, *command);
    }
  };
  add(add, app);
}

}  // namespace stampede::tools
