#include "tools/ask/migrate.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "storage/mysql/migrations.h"
#include "tools/ask/failure_report.h"

namespace stampede::tools {
namespace {

enum ExitCode {
  kDone = 0,
  kFailure = 1,
  kWrongConfiguration = 2,
  kNotReady = 3,
  kRefused = 6,
  kNoConnection = 7
};

int exit_of(storage::Errc code) {
  switch (code) {
    case storage::Errc::invalid:
      return kWrongConfiguration;
    case storage::Errc::unavailable:
      return kNoConnection;
    case storage::Errc::locked:
      return kRefused;
    default:
      return kFailure;
  }
}

int report(const storage::Error& error, bool as_json) {
  const int exit = exit_of(error.code);
  std::fprintf(stderr, "migrate: %s\n", error.message.c_str());
  if (as_json) {
    auto failure = failure_report(exit, error.message);
    failure["ok"] = false;
    std::printf("%s\n",
                failure.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  }
  return exit;
}

nlohmann::json to_json(const storage::MigrationState& state) {
  nlohmann::json entry{{"version", state.version}, {"name", state.name}};
  entry["applied_at"] = nullptr;
  if (!state.applied_at.empty()) {  // as SQL has it, but for two letters
    std::string time = state.applied_at + "Z";
    std::replace(time.begin(), time.end(), ' ', 'T');
    entry["applied_at"] = std::move(time);
  }
  return entry;
}

}  // namespace

int migrate_up(const storage::DbOptions& options, bool as_json) {
  std::vector<std::string> mended;
  const auto applied = storage::apply_migrations(
      options, [&](const std::string& sentence) { mended.push_back(sentence); });
  if (!applied) return report(applied.error(), as_json);
  if (as_json) {
    nlohmann::json result{{"ok", true}, {"version", storage::latest_schema_version()}};
    result["applied"] = nlohmann::json::array();
    for (const auto& state : *applied) result["applied"].push_back(to_json(state));
    result["mended"] = mended;
    std::printf("%s\n", result.dump().c_str());
    return kDone;
  }
  for (const auto& sentence : mended) std::printf("mended: %s\n", sentence.c_str());
  for (const auto& state : *applied) {
    std::printf("applied %03d %s\n", state.version, state.name.c_str());
  }
  std::printf("the schema is at version %d%s\n", storage::latest_schema_version(),
              applied->empty() && mended.empty() ? ", nothing to do" : "");
  return kDone;
}

int migrate_down(const storage::DbOptions& options, int version, bool force, bool as_json) {
  const auto taken = storage::take_back_migrations(options, version, force);
  if (!taken) return report(taken.error(), as_json);
  const bool refused = !taken->lost.empty() && !force;
  if (as_json) {
    nlohmann::json result{{"ok", !refused}, {"lost", taken->lost}};
    result["taken_back"] = nlohmann::json::array();
    for (const auto& state : taken->steps) result["taken_back"].push_back(to_json(state));
    std::printf("%s\n", result.dump().c_str());
  }
  for (const auto& lost : taken->lost)
    std::fprintf(stderr, "migrate: %s %s\n", refused ? "would be lost:" : "lost:", lost.c_str());
  if (refused) {
    std::fprintf(stderr,
                 "migrate: refused, nothing was changed; --force gives up what is named above\n");
    return kRefused;
  }
  if (as_json) return kDone;
  for (const auto& state : taken->steps)
    std::printf("taken back %03d %s\n", state.version, state.name.c_str());
  if (taken->steps.empty()) std::printf("no step above %d, nothing to do\n", version);
  return kDone;
}

int migrate_status(const storage::DbOptions& options, bool as_json) {
  const auto states = storage::migration_states(options);
  if (!states) return report(states.error(), as_json);
  bool missing = false;
  nlohmann::json result{{"migrations", nlohmann::json::array()}};
  for (const auto& state : *states) {
    missing = missing || state.applied_at.empty();
    result["migrations"].push_back(to_json(state));
    if (as_json) continue;
    const bool pending = state.applied_at.empty();
    std::printf("%03d %-30s %s\n", state.version, state.name.c_str(),
                pending ? "missing: run `stampede migrate up`" : state.applied_at.c_str());
  }
  if (as_json) {
    result["ok"] = !missing;
    std::printf("%s\n", result.dump().c_str());
  }
  return missing ? kNotReady : kDone;
}

}  // namespace stampede::tools
