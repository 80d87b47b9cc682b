#include "tools/bench/bench_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tools/ask/grouped_digits.h"
#include "tools/bench/bench_scan.h"

namespace stampede::tools {
namespace {

using nlohmann::json;

std::string ms(std::uint64_t ns) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", ns < 9'950'000 ? 2 : 1, static_cast<double>(ns) / 1e6);
  return text;
}

std::uint64_t us(std::uint64_t ns) {
  return (ns + 500) / 1000;
}

std::string per_second(std::uint64_t count, double seconds) {
  if (seconds <= 0) return "-";
  return grouped(std::llround(static_cast<double>(count) / seconds)) + "/s";
}

std::string breakdown(const std::map<std::string, std::uint64_t>& counts) {
  std::string text;
  for (const auto& [name, count] : counts) {
    text += (text.empty() ? " (" : ", ") + name + " " + grouped(count);
  }
  return text.empty() ? text : text + ")";
}

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

// Why there were none.
std::map<std::string, std::uint64_t> reasons_of_tickets(const LoadResult& load) {
  auto reasons = load.reasons;
  if (load.for_now > 0) reasons[std::string(kForNowReason)] = load.for_now;
  return reasons;
}

// A line of their own: they are decisions, but no orders.
void print_tickets(const LoadResult& load) {
  std::printf(
      "tickets    %s in %.2f s   given %s   not given %s%s%s   p50 %s  p99 %s ms\n",
      grouped(load.tickets).c_str(), load.seconds, per_second(load.tickets, load.seconds).c_str(),
      grouped(load.offered - load.tickets).c_str(), breakdown(reasons_of_tickets(load)).c_str(),
      breakdown(load.codes).c_str(), ms(load.latency.percentile_ns(0.5)).c_str(),
      ms(load.latency.percentile_ns(0.99)).c_str());
  if (load.tickets < load.offered)
    std::printf("           nothing was ordered: each order needs a ticket\n");
}

json tickets_json(const LoadResult& load) {
  return {{"asked", load.offered},
          {"given", load.tickets},
          {"seconds", load.seconds},
          {"reasons", reasons_of_tickets(load)},
          {"codes", load.codes},
          {"no_answer", load.no_answer},
          {"p50_us", us(load.latency.percentile_ns(0.5))},
          {"p99_us", us(load.latency.percentile_ns(0.99))}};
}

void print_repeats(const LoadResult& load) {
  if (load.repeats + load.resent + load.contradictions == 0) return;
  std::printf("repeated   %s sent again on purpose, %s after trouble; %s answered differently\n",
              grouped(load.repeats).c_str(), grouped(load.resent).c_str(),
              grouped(load.contradictions).c_str());
  for (const auto& example : load.examples) std::printf("VIOLATION  %s\n", example.c_str());
}

void print_stored(const StoredRows& stored) {
  std::printf("stored     %s rows, the last one %.2f s after the last answer\n",
              grouped(stored.rows).c_str(), stored.after_last_answer);
  if (!stored.problem.empty()) std::printf("           %s\n", stored.problem.c_str());
}

void print_verify(const VerifyReport& verify) {
  if (verify.exit != kExitDone && verify.exit != kExitViolation) {
    std::printf("verify     no verdict: %s\n", verify.problem.c_str());
    return;
  }
  std::printf("verify     %s: %s oversold, %s lost, %s doubled, %s failed (%.1f s)\n",
              verify.ok() ? "OK" : "VIOLATIONS", grouped(verify.oversold).c_str(),
              grouped(verify.lost).c_str(), grouped(verify.doubled).c_str(),
              grouped(verify.failed).c_str(), verify.seconds);
  for (const auto& text : verify.violations) std::printf("VIOLATION  %s\n", text.c_str());
}

// CPU seconds per 100,000 orders: what a figure costs, and whether the generator is the limit.
double per_100k(double seconds, const LoadResult& load) {
  const auto orders = load.answered();
  return orders == 0 ? 0 : seconds * 1e5 / static_cast<double>(orders);
}

void print_cpu(const BenchResult& result) {
  const LoadResult& load = result.load;
  double system = 0;
  std::string parts;
  for (const auto& [name, seconds] : result.cpu) {
    system += seconds;
    char text[96];
    std::snprintf(text, sizeof text, "%s%s %.3f", parts.empty() ? "" : ", ", name.c_str(),
                  per_100k(seconds, load));
    parts += text;
  }
  std::printf("cpu        per 100,000 orders: system %.3f s (%s), generator %.3f s\n",
              per_100k(system, load), parts.empty() ? "not known" : parts.c_str(),
              per_100k(load.cpu_seconds, load));
}

void print_ramp(const BenchResult& result) {
  if (result.steps.empty()) return;
  if (result.knee == 0)
    std::printf("knee       below %s orders/s, the first rate\n",
                grouped(std::llround(result.steps.front().rate)).c_str());
  else
    std::printf("knee       %s orders/s\n", grouped(std::llround(result.knee)).c_str());
}

json step_json(const RampStep& step) {
  const auto& latency = step.load.latency;
  return {{"rate", step.rate},
          {"answered_per_s", step.answered},
          {"kept_up", step.kept_up},
          {"late_share", step.late_share},
          {"p50_us", us(latency.percentile_ns(0.5))},
          {"p99_us", us(latency.percentile_ns(0.99))},
          {"p999_us", us(latency.percentile_ns(0.999))},
          {"max_us", us(latency.max_ns())},
          {"generator_cpu_s", step.cpu_seconds}};
}

json cpu_json(const BenchResult& result) {
  double system = 0;
  for (const auto& [name, seconds] : result.cpu) system += seconds;
  return {{"generator_s", result.load.cpu_seconds},
          {"generator_per_100k_s", per_100k(result.load.cpu_seconds, result.load)},
          {"system_s", system},
          {"system_per_100k_s", per_100k(system, result.load)},
          {"nodes_s", result.cpu}};
}

}  // namespace

void print_plan(const Bench& bench, const std::string& endpoint) {
  std::string load = bench.closed ? "closed loop, " + grouped(bench.window) + " orders open"
                                  : "open loop, " + grouped(std::llround(bench.rate)) + " orders/s";
  load += bench.requests != 0
              ? ", " + grouped(bench.requests) + " orders"
              : " for " + grouped(static_cast<std::int64_t>(bench.duration_ms)) + " ms";
  if (bench.ramp) load += " a step, rising until the system does not keep up";
  if (bench.promo != 0) load += ", in promo " + std::to_string(bench.promo);
  if (bench.tickets) load += ", a ticket for each before";
  if (bench.batch > 1) load += ", arrays of " + std::to_string(bench.batch);
  std::fprintf(stderr, "bench: %s, %d connections to %s (%s)\n", load.c_str(), bench.connections,
               endpoint.c_str(), std::string(to_text(bench.via)).c_str());
  if (bench.closed)
    std::fprintf(stderr,
                 "bench: a closed loop waits along with a system that stalls: its latencies leave "
                 "out who would have come meanwhile (coordinated omission); --rate counts them\n");
  std::fprintf(stderr, "bench: the same orders again: --seed %llu --run %s\n",
               static_cast<unsigned long long>(bench.seed), bench.run.c_str());
}

void print_second(const LoadSecond& second) {
  const auto for_now = second.for_now == 0 ? "" : "  sold out for now " + grouped(second.for_now);
  std::fprintf(
      stderr,
      "%4llus  sent %8s  confirmed %8s  rejected %8s%s  open %6s  late %5s   p50 %s  p99 %s"
      "  max %s ms\n",
      static_cast<unsigned long long>(second.number), grouped(second.sent).c_str(),
      grouped(second.confirmed).c_str(), grouped(second.rejected).c_str(), for_now.c_str(),
      grouped(second.open).c_str(), grouped(second.late).c_str(),
      ms(second.latency.percentile_ns(0.5)).c_str(), ms(second.latency.percentile_ns(0.99)).c_str(),
      ms(second.latency.max_ns()).c_str());
}

void print_step(const RampStep& step) {
  const auto& latency = step.load.latency;
  std::fprintf(stderr,
               "%12s/s planned  %12s/s answered  p50 %s  p99 %s  p99.9 %s  max %s ms  late %.0f %%"
               "  generator %.2f CPU s  %s\n",
               grouped(std::llround(step.rate)).c_str(),
               grouped(std::llround(step.answered)).c_str(), ms(latency.percentile_ns(0.5)).c_str(),
               ms(latency.percentile_ns(0.99)).c_str(), ms(latency.percentile_ns(0.999)).c_str(),
               ms(latency.max_ns()).c_str(), 100 * step.late_share, step.cpu_seconds,
               step.kept_up ? "ok" : "too much");
}

std::map<std::string, double> spent_since(const std::map<std::string, double>& before,
                                          const std::map<std::string, double>& now) {
  std::map<std::string, double> spent;
  for (const auto& [name, seconds] : now)
    if (const auto found = before.find(name); found != before.end())
      spent[name] = std::max(0.0, seconds - found->second);  // a new process starts from nothing
  return spent;
}

void print_result(const BenchResult& result) {
  const LoadResult& load = result.load;
  if (result.tickets) print_tickets(*result.tickets);
  std::printf("offered    %s orders in %.2f s   answered %s   errors %s%s\n",
              grouped(load.offered).c_str(), load.seconds,
              per_second(load.answered(), load.seconds).c_str(), grouped(load.errors).c_str(),
              breakdown(load.codes).c_str());
  const auto for_now = load.for_now == 0 ? "" : "   sold out for now " + grouped(load.for_now);
  std::printf("confirmed  %s   rejected %s%s%s   no answer %s\n", grouped(load.confirmed).c_str(),
              grouped(load.rejected).c_str(), breakdown(load.reasons).c_str(), for_now.c_str(),
              grouped(load.no_answer).c_str());
  std::printf(
      "latency    p50 %s  p90 %s  p99 %s  p99.9 %s  p99.99 %s  max %s ms   (from the %s)\n",
      ms(load.latency.percentile_ns(0.5)).c_str(), ms(load.latency.percentile_ns(0.9)).c_str(),
      ms(load.latency.percentile_ns(0.99)).c_str(), ms(load.latency.percentile_ns(0.999)).c_str(),
      ms(load.latency.percentile_ns(0.9999)).c_str(), ms(load.latency.max_ns()).c_str(),
      result.closed ? "sending: closed loop" : "planned send time");
  if (percent(load.late, load.offered) >= 1) {
    std::printf("           the generator was over 1 ms late for %.0f %% of the orders\n",
                percent(load.late, load.offered));
  }
  if (load.unreadable > 0) {
    std::printf("           %s answers could not be read\n", grouped(load.unreadable).c_str());
  }
  print_cpu(result);
  print_ramp(result);
  print_repeats(load);
  if (result.stored) print_stored(*result.stored);
  if (result.verify) print_verify(*result.verify);
}

json to_json(const BenchResult& result, const Bench& bench) {
  const LoadResult& load = result.load;
  json out{{"offered", load.offered},
           {"confirmed", load.confirmed},
           {"rejected", load.rejected},
           {"sold_out_for_now", load.for_now},
           {"no_answer", load.no_answer},
           {"errors", load.errors},
           {"p50_us", us(load.latency.percentile_ns(0.5))},
           {"p99_us", us(load.latency.percentile_ns(0.99))},
           {"p999_us", us(load.latency.percentile_ns(0.999))},
           {"max_us", us(load.latency.max_ns())},
           {"seconds", load.seconds},
           {"stored", nullptr},
           {"stored_seconds", nullptr},
           {"verify", nullptr},
           {"seed", bench.seed},
           {"run", bench.run},
           {"reasons", load.reasons},
           {"codes", load.codes},
           {"duplicates", load.repeats},
           {"resent", load.resent},
           {"contradictions", load.contradictions},
           {"late", load.late},
           {"via", to_text(bench.via)},
           {"batch", bench.batch},
           {"closed", bench.closed},
           {"p90_us", us(load.latency.percentile_ns(0.9))},
           {"p9999_us", us(load.latency.percentile_ns(0.9999))},
           {"latency_error", Latency::kErrorMax},
           {"cpu", cpu_json(result)}};
  if (load.accepted > 0) out["accepted"] = load.accepted;
  if (bench.promo != 0) out["promo"] = bench.promo;
  if (result.tickets) out["tickets"] = tickets_json(*result.tickets);
  if (!result.steps.empty()) {
    out["knee_per_s"] = result.knee;
    for (const auto& step : result.steps) out["steps"].push_back(step_json(step));
  }
  if (result.stored) {
    out["stored"] = result.stored->rows;
    out["stored_seconds"] = result.stored->seconds;
  }
  if (result.verify) out["verify"] = result.verify->to_json();
  return out;
}

}  // namespace stampede::tools
