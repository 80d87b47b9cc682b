// The peer: what a flash sale on Redis can do. A Lua script checks the stock, takes it and appends
// the order to a stream; the server runs with appendfsync always, so that a reply means durable.
// Two connections send pipelines of 1000 calls, the setting in which Redis does best. With --db a
// drain worker writes the orders into the contract's own tables meanwhile.
//
//   redis_peer --redis SOCKET [--requests N] [--items N] [--connections N] [--pipeline N] [--db
//   URL]
//
// Half of the orders are accepted. Prints one JSON object:
//   {offered, accepted, seconds, p50_us, p99_us, stored, stored_seconds, ok}

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <future>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "test/bench/redis_drain.h"
#include "test/bench/redis_link.h"

namespace {

using namespace stampede::bench;
using Clock = std::chrono::steady_clock;

constexpr const char* kScript =
    "local left=tonumber(redis.call('GET',KEYS[1]) or '0') local qty=tonumber(ARGV[4]) "
    "if left<qty then return 0 end redis.call('DECRBY',KEYS[1],qty) "
    "redis.call('XADD','orders','*','r',ARGV[1],'u',ARGV[2],'i',ARGV[3],'q',ARGV[4],'t',ARGV[5]) "
    "return 1";

struct Plan {
  std::string redis;
  std::string db;  // empty: no drain worker
  std::uint64_t requests = 200'000;
  std::uint64_t items = 1;
  std::uint64_t connections = 2;
  std::uint64_t pipeline = 1000;
  std::string script;
  [[nodiscard]] std::uint64_t stock_each() const { return requests / 2 / items; }
};

struct Tally {
  std::uint64_t answered = 0;
  std::uint64_t accepted = 0;
  std::vector<double> latencies_us;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void append_order(std::string& out, const Plan& plan, std::uint64_t order) {
  const auto item = std::to_string(order % plan.items);
  const auto key = "item:" + item;
  const auto id = std::to_string(order + 1);
  const auto user = std::to_string(order * 7 % 1'000'003);
  const auto time = std::to_string(1'790'000'000'000'000 + order);
  append_command(out, {"EVALSHA", plan.script, "1", key, id, user, item, "1", time});
}

void prepare_redis(Plan& plan) {
  RedisLink redis(plan.redis);
  static_cast<void>(redis.ask({"FLUSHALL"}));
  std::string commands;
  const auto stock = std::to_string(plan.stock_each());
  for (std::uint64_t item = 0; item < plan.items; ++item) {
    const auto key = "item:" + std::to_string(item);
    append_command(commands, {"SET", key, stock});
  }
  redis.send(commands);
  for (std::uint64_t item = 0; item < plan.items; ++item) static_cast<void>(redis.receive());
  static_cast<void>(redis.ask({"XGROUP", "CREATE", "orders", "drain", "0", "MKSTREAM"}));
  plan.script = redis.text(redis.ask({"SCRIPT", "LOAD", kScript})[0]);
}

// One connection: a pipeline out, all its replies in, the next.
Tally buy(const Plan& plan, std::atomic<std::uint64_t>& next) {
  RedisLink redis(plan.redis);
  Tally tally;
  std::string commands;
  for (;;) {
    const auto first = next.fetch_add(plan.pipeline);
    if (first >= plan.requests) return tally;
    const auto end = std::min(plan.requests, first + plan.pipeline);
    commands.clear();
    for (auto order = first; order < end; ++order) append_order(commands, plan, order);
    const auto sent = Clock::now();
    redis.send(commands);
    for (auto order = first; order < end; ++order) {
      tally.accepted += static_cast<std::uint64_t>(redis.receive()[0].number);
      ++tally.answered;
      tally.latencies_us.push_back(seconds_since(sent) * 1e6);
    }
  }
}

double percentile(std::vector<double>& values, double part) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::size_t>(part * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

Plan read_arguments(int count, char** words) {
  std::map<std::string, std::string> given;
  for (int i = 1; i + 1 < count; i += 2) given[words[i]] = words[i + 1];
  const auto number = [&](const char* name, std::uint64_t& value) {
    if (given.contains(name)) value = std::strtoull(given[name].c_str(), nullptr, 10);
  };
  Plan plan;
  plan.redis = given["--redis"];
  plan.db = given["--db"];
  number("--requests", plan.requests);
  number("--items", plan.items);
  number("--connections", plan.connections);
  number("--pipeline", plan.pipeline);
  return plan;
}

int measure(Plan plan) {
  const auto stock = plan.stock_each() * plan.items;
  if (!plan.db.empty()) prepare_tables(plan.db, plan.items, plan.stock_each());
  prepare_redis(plan);
  const auto start = Clock::now();
  std::future<std::uint64_t> drained;
  if (!plan.db.empty())
    drained = std::async(std::launch::async, drain, DrainTask{plan.redis, plan.db, stock});
  std::atomic<std::uint64_t> next{0};
  std::vector<std::future<Tally>> buyers;
  for (std::uint64_t i = 0; i < plan.connections; ++i)
    buyers.push_back(std::async(std::launch::async, [&] { return buy(plan, next); }));
  Tally all;
  for (auto& buyer : buyers) {
    const auto tally = buyer.get();
    all.answered += tally.answered;
    all.accepted += tally.accepted;
    all.latencies_us.insert(all.latencies_us.end(), tally.latencies_us.begin(),
                            tally.latencies_us.end());
  }
  const double seconds = seconds_since(start);
  const auto stored = drained.valid() ? drained.get() : 0;
  const double stored_seconds = seconds_since(start);
  bool ok = all.answered == plan.requests && all.accepted == stock;
  if (!plan.db.empty()) ok = ok && stored == stock && books_agree(plan.db, stored, stock);
  std::printf(
      "{\"offered\":%llu,\"accepted\":%llu,\"seconds\":%.6f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
      "\"stored\":%llu,\"stored_seconds\":%.6f,\"ok\":%s}\n",
      static_cast<unsigned long long>(all.answered), static_cast<unsigned long long>(all.accepted),
      seconds, percentile(all.latencies_us, 0.5), percentile(all.latencies_us, 0.99),
      static_cast<unsigned long long>(stored), stored_seconds, ok ? "true" : "false");
  return ok ? 0 : 4;
}

}  // namespace

int main(int count, char** words) {
  try {
    const auto plan = read_arguments(count, words);
    if (plan.redis.empty() || plan.items == 0 || plan.stock_each() == 0) {
      std::fprintf(stderr,
                   "usage: redis_peer --redis SOCKET [--requests N] [--items N] [--db URL]\n");
      return 2;
    }
    return measure(plan);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "redis_peer: %s\n", error.what());
    return 1;
  }
}
