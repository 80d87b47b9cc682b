#include "tools/bench.h"

#include <chrono>
#include <cstdio>
#include <exception>

#include "tools/admin_client.h"
#include "tools/bench_load.h"
#include "tools/bench_plan.h"
#include "tools/bench_report.h"
#include "tools/sf1_client.h"
#include "tools/stored_rows.h"

namespace stampede::tools {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kRunNameBytes = 8;

int complain(const std::string& message, int exit) {
  std::fprintf(stderr, "stampede bench: %s\n", message.c_str());
  return exit;
}

LoadOptions load_options(const Bench& bench, const std::string& endpoint) {
  LoadOptions load;
  load.endpoint = endpoint;
  load.connections = bench.connections;
  load.closed = bench.closed;
  load.window = bench.window;
  load.rate = bench.rate;
  load.requests = bench.requests;
  load.duration = milliseconds(bench.duration_ms);
  load.timeout = milliseconds(bench.timeout_ms);
  return load;
}

// Orders that got no answer, or one that invites to ask again, may be stored all the same.
bool stored_fits(const LoadResult& load, const StoredRows& stored) {
  return stored.rows <= load.confirmed + load.no_answer + load.errors;
}

int exit_code(const BenchResult& result) {
  const LoadResult& load = result.load;
  if (load.contradictions > 0) return kExitViolation;
  if (result.verify && result.verify->exit == kExitViolation) return kExitViolation;
  if (result.stored && !stored_fits(load, *result.stored)) return kExitViolation;
  if (load.no_answer > 0 || (result.stored && !result.stored->all)) return kExitTimedOut;
  if (result.verify && !result.verify->ok()) return result.verify->exit;
  return load.errors + load.unreadable > 0 ? kExitFailure : kExitDone;
}

int measure(const ToolOptions& options, const Bench& bench) {
  const std::string endpoint = client_endpoint(options.config);
  const auto keys = client_keys(options.config);
  if (const auto* failure = std::get_if<Sf1Failure>(&keys))
    return complain(failure->message, failure->exit);
  BenchPlan plan({bench.seed, bench.run, bench.items, bench.users, bench.duplicates});
  StoredRowsWatch watch(options.config);
  if (bench.drain) {
    const std::string problem = watch.open();
    if (!problem.empty()) {
      return complain(
          "cannot look at the database: " + problem + "; --no-drain measures without it",
          kExitFailure);
    }
  }
  print_plan(bench, endpoint);
  BenchResult result;
  LoadOptions load = load_options(bench, endpoint);
  load.keys = std::get<transport::CurveOptions>(keys);
  result.load = BenchLoad(plan, load, print_second).run();
  if (!result.load.connected) {
    return complain("nobody listens on " + endpoint +
                        " for us: start the system with scripts/start_all.sh, name its --run-dir, "
                        "or look at curve.key_file",
                    kExitNoConnection);
  }
  if (bench.drain) {
    result.stored = watch.wait(result.load, plan.id_prefix());
    result.verify = verify_books(options.config, kVerifyWaitMs);
  }
  if (options.json) {
    std::printf("%s\n", to_json(result, bench).dump().c_str());
  } else {
    print_result(result);
  }
  return exit_code(result);
}

}  // namespace

int run_bench(const ToolOptions& options, const Bench& given) {
  Bench bench = given;
  if (bench.run.empty()) bench.run = mint_request_id().substr(0, kRunNameBytes);
  try {
    return measure(options, bench);
  } catch (const std::exception& error) {
    return complain(error.what(), kExitFailure);
  }
}

}  // namespace stampede::tools
