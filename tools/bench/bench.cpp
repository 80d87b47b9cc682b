#include "tools/bench/bench.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <memory>
#include <variant>

#include "actors/protocol/endpoint.h"
#include "actors/protocol/sf1.h"
#include "config/process/throughput.h"
#include "tools/ask/admin_client.h"
#include "tools/ask/sf1_client.h"
#include "tools/bench/bench_load.h"
#include "tools/bench/bench_plan.h"
#include "tools/bench/bench_ramp.h"
#include "tools/bench/bench_report.h"
#include "tools/bench/cpu_time.h"
#include "tools/bench/http_wire.h"
#include "tools/bench/sf1_wire.h"
#include "tools/bench/stored_rows.h"

namespace stampede::tools {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kRunNameBytes = 8;
constexpr int kZmqConnections = 2;
constexpr std::uint64_t kWindow = 256;
constexpr int kHttpConnections = 64;

constexpr std::uint64_t kTicketsMax = 4'000'000;  // that a system holds

constexpr std::size_t kBatchWithToken = 500;  // of more a frame would not be taken

// Where the load goes; the keys are for ZeroMQ.
struct Target {
  std::string address;
  transport::CurveOptions keys;
  std::string token{};  // that orders show; empty: none
};

bool over_http(BenchVia via) {
  return via == BenchVia::http || via == BenchVia::miaosha;
}

std::variant<Target, Sf1Failure> target_of(const config::Config& config, BenchVia via) {
  if (over_http(via)) return Target{config.webapp.http, {}};
  if (via == BenchVia::ipc) {
    const auto place = transport::local_clients_endpoint(transport::net_options(config));
    if (const auto* error = std::get_if<transport::EndpointError>(&place))
      return Sf1Failure{error->message, kExitWrongUse};
    return Target{std::get<std::string>(place), {}};
  }
  auto keys = client_keys(config);
  if (auto* failure = std::get_if<Sf1Failure>(&keys)) return std::move(*failure);
  return Target{client_endpoint(config), std::get<transport::CurveOptions>(std::move(keys))};
}

int complain(const std::string& message, int exit) {
  std::fprintf(stderr, "stampede bench: %s\n", message.c_str());
  return exit;
}

LoadOptions load_options(const Bench& bench) {
  LoadOptions load;
  load.batch = bench.batch;
  load.closed = bench.closed;
  load.window = bench.window;
  load.rate = bench.rate;
  load.requests = bench.requests;
  load.duration = milliseconds(bench.duration_ms);
  load.timeout = milliseconds(bench.timeout_ms);
  return load;
}

std::unique_ptr<OrderWire> make_wire(BenchPlan& plan, const Bench& bench, const Target& target) {
  if (!over_http(bench.via))
    return std::make_unique<Sf1Wire>(plan, target.address, bench.connections, bench.batch > 1,
                                     target.keys);
  const auto form = bench.via == BenchVia::http ? HttpForm::orders : HttpForm::miaosha;
  return std::make_unique<HttpWire>(plan, target.address, bench.connections, form);
}

using Look = std::function<void()>;  // is called when all are answered

BenchContent content_of(const Bench& bench, const std::string& run, const Target& target) {
  return {bench.seed,  run,          bench.items, bench.users,  bench.duplicates,
          bench.first, target.token, bench.promo, bench.tickets};
}

// One load under the given name, at the rate that `bench` says.
LoadResult run_load(const Bench& bench, const std::string& run, const Target& target,
                    const Look& on_answered) {
  BenchPlan plan(content_of(bench, run, target));
  const auto wire = make_wire(plan, bench, target);
  auto options = load_options(bench);
  options.on_answered = on_answered;
  return BenchLoad(plan, *wire, options, bench.ramp ? nullptr : print_second).run();
}

// First a ticket for each order, then the orders; nothing is ordered unless all were given.
void run_with_tickets(const Bench& bench, const Target& target, BenchResult& result,
                      const Look& on_tickets, const Look& on_answered) {
  BenchPlan plan(content_of(bench, bench.run, target));
  const auto wire = make_wire(plan, bench, target);
  auto options = load_options(bench);
  options.on_answered = on_tickets;
  result.tickets = BenchLoad(plan, *wire, options, print_second).run();
  result.load.connected = result.tickets->connected;
  if (!plan.order_with_tickets(bench.requests)) return;
  options.on_answered = on_answered;
  result.load = BenchLoad(plan, *wire, options, print_second).run();
}

void run_ramp(const Bench& bench, const Target& target, BenchResult& result,
              const Look& on_answered) {
  RampSearch search(bench.rate);
  while (const auto rate = search.next_rate()) {
    Bench step = bench;
    step.rate = *rate;
    const auto name = bench.run + "-" + std::to_string(result.steps.size() + 1);
    const LoadResult load = run_load(step, name, target, on_answered);
    if (!load.connected) return;
    result.steps.push_back(step_of(*rate, load));
    print_step(result.steps.back());
    search.tell(result.steps.back().kept_up);
    if (result.steps.size() == 1)
      result.load = load;
    else
      result.load.add(load);
  }
  result.knee = search.knee();
}

// Orders that got no answer, or one that invites to ask again, may be stored all the same.
bool stored_fits(const LoadResult& load, const StoredRows& stored) {
  return stored.rows <= load.confirmed + load.no_answer + load.errors;
}

int exit_code(const BenchResult& result) {
  const LoadResult& load = result.load;
  if (load.contradictions > 0) return kExitViolation;
  if (result.tickets && result.tickets->contradictions > 0) return kExitViolation;
  if (result.verify && result.verify->exit == kExitViolation) return kExitViolation;
  if (result.stored && !stored_fits(load, *result.stored)) return kExitViolation;
  if (load.no_answer > 0 || (result.stored && !result.stored->all)) return kExitTimedOut;
  if (result.verify && !result.verify->ok()) return result.verify->exit;
  if (result.tickets && result.tickets->tickets < result.tickets->offered) return kExitFailure;
  return load.errors + load.unreadable > 0 ? kExitFailure : kExitDone;
}

int measure(const ToolOptions& options, const Bench& bench) {
  auto found = target_of(options.config, bench.via);
  if (const auto* failure = std::get_if<Sf1Failure>(&found))
    return complain(failure->message, failure->exit);
  auto token = service_token(options.config);
  if (const auto* failure = std::get_if<Sf1Failure>(&token))
    return complain(failure->message, failure->exit);
  auto& target = std::get<Target>(found);
  target.token = std::get<std::string>(std::move(token));
  if (!target.token.empty() && bench.batch > kBatchWithToken)
    return complain("--batch: with session tokens (auth.mode) at most 500 orders fit a frame",
                    kExitWrongUse);
  // A file that cannot be written shall be known before the run, not after it.
  std::ofstream hdr;
  if (!bench.hdr_file.empty()) {
    hdr.open(bench.hdr_file);
    if (!hdr) return complain("--hdr " + bench.hdr_file + " cannot be written", kExitWrongUse);
  }
  StoredRowsWatch watch(options.config);
  if (bench.drain) {
    const std::string problem = watch.open();
    if (!problem.empty()) {
      return complain(
          "cannot look at the database: " + problem + "; --no-drain measures without it",
          kExitNoConnection);
    }
  }
  print_plan(bench, target.address);
  BenchResult result;
  result.closed = bench.closed;
  auto before = system_cpu_seconds(options.config);
  const auto begin = [&] { before = system_cpu_seconds(options.config); };
  const auto look = [&] { result.cpu = spent_since(before, system_cpu_seconds(options.config)); };
  if (bench.ramp)
    run_ramp(bench, target, result, look);
  else if (bench.tickets)
    run_with_tickets(bench, target, result, begin, look);
  else
    result.load = run_load(bench, bench.run, target, look);
  if (!result.load.connected) {
    return complain("nobody listens on " + target.address +
                        " for us: start the system with scripts/start_all.sh, name its --run-dir, "
                        "or look at curve.key_file",
                    kExitNoConnection);
  }
  if (bench.drain) {
    const bool named = bench.via != BenchVia::miaosha;
    const auto prefix = BenchPlan({bench.seed, bench.run, 1, 1, 0}).id_prefix();
    result.stored = watch.wait(result.load, named ? prefix : std::string{});
    result.verify = verify_books(options.config, kVerifyWaitMs);
  }
  if (hdr.is_open()) hdr << hdr_text(result.load.latency);
  if (hdr.is_open()) hdr.close();
  if (options.json) {
    std::printf("%s\n", to_json(result, bench).dump().c_str());
  } else {
    print_result(result);
  }
  if (!hdr) return complain("--hdr " + bench.hdr_file + " is not whole", kExitFailure);
  return exit_code(result);
}

}  // namespace

std::string_view to_text(BenchVia via) {
  switch (via) {
    case BenchVia::zmq:
      return "zmq";
    case BenchVia::ipc:
      return "ipc";
    case BenchVia::http:
      return "http";
    case BenchVia::miaosha:
      return "miaosha";
  }
  return "?";
}

// SF1 alone has many messages open on one connection.
static std::string check_window(const Bench& bench) {
  const auto connections =
      static_cast<std::uint64_t>(bench.connections != 0 ? bench.connections : kZmqConnections);
  const auto open = bench.window / bench.batch / connections;
  if (open <= actors::kSf1OpenMax) return {};
  return "--window " + std::to_string(bench.window) + " leaves " + std::to_string(open) +
         " messages open on each connection, and a webapp keeps answers to " +
         std::to_string(actors::kSf1OpenMax) + ": more --connections or a larger --batch";
}

// A promo is of one item. Tickets are SF1's, and each is another user's.
static std::string check_promo(const Bench& bench, const std::function<bool(const char*)>& given) {
  if (bench.promo != 0 && bench.via == BenchVia::miaosha)
    return "--promo is not for --via miaosha, which has none";
  if (bench.promo != 0 && bench.items > 1)
    return "--promo is of item 1, and --items " + std::to_string(bench.items) + " orders others";
  if (!bench.tickets) return {};
  if (bench.promo == 0) return "--tickets are of a promo: name it with --promo";
  if (over_http(bench.via))
    return "--tickets needs --via zmq or ipc, not --via " + std::string(to_text(bench.via));
  if (!given("--requests") || bench.requests > kTicketsMax)
    return "--tickets asks for one for each order: say how many with --requests, at most " +
           std::to_string(kTicketsMax);
  if (bench.batch > 1) return "--tickets sends one order a message, without --batch";
  if (given("--users")) return "--users is not for --tickets: each order has a user of its own";
  return {};
}

std::string check_bench(const Bench& bench, const std::function<bool(const char*)>& given) {
  const bool http = over_http(bench.via);
  const std::string via = "--via " + std::string(to_text(bench.via));
  const int connections = bench.connections != 0 ? bench.connections : kHttpConnections;
  if (given("--window") && !bench.closed)
    return "--window is for --closed; in the open loop --rate says when orders are sent";
  if (bench.ramp && bench.closed) return "--ramp raises the rate and --closed has none";
  if (bench.ramp && given("--requests"))
    return "--ramp sends for --duration at each rate, not --requests";
  if (http && bench.batch > 1)
    return "--batch needs --via zmq or ipc: an HTTP request holds one order, not " + via;
  if (http && bench.first) return "--first needs --via zmq or ipc, not " + via;
  if (given("--window") && bench.batch > bench.window)
    return "--batch " + std::to_string(bench.batch) + " never fits into --window " +
           std::to_string(bench.window);
  if (!http && bench.connections > 64) return "--connections over 64 are for --via http or miaosha";
  if (http && given("--window") && bench.window > static_cast<std::uint64_t>(connections))
    return "--window " + std::to_string(bench.window) + " needs as many --connections: over " +
           via + " each has one order open";
  if (bench.via == BenchVia::miaosha && (given("--duplicates") || given("--users")))
    return "--duplicates and --users are not for " + via + ": the webapp makes up ids and users";
  if (const auto wrong = check_promo(bench, given); !wrong.empty()) return wrong;
  if (!http && given("--window")) return check_window(bench);
  return {};
}

int run_bench(const ToolOptions& options, const Bench& given) {
  config::prefer_throughput();
  Bench bench = given;
  if (bench.run.empty()) bench.run = mint_request_id().substr(0, kRunNameBytes);
  const bool http = over_http(bench.via);
  if (bench.connections == 0) bench.connections = http ? kHttpConnections : kZmqConnections;
  if (bench.window == 0)
    bench.window = http ? static_cast<std::uint64_t>(bench.connections)
                        : std::max<std::uint64_t>(kWindow, bench.batch);
  try {
    return measure(options, bench);
  } catch (const std::exception& error) {
    return complain(error.what(), kExitFailure);
  }
}

}  // namespace stampede::tools
