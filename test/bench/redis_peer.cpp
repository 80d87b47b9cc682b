// The peer: what a flash sale on Redis can do. A Lua script checks the stock, takes it and appends
// the order to a stream; the server runs with appendfsync always, so that a reply means durable.
// Two connections send pipelines of 1000 calls, the setting in which Redis does best. With --batch
// one call of a second script decides that many orders. With --db a drain worker writes the orders
// into the contract's own tables meanwhile.
//
//   redis_peer --redis SOCKET [--requests N] [--items N] [--connections N] [--pipeline N]
//              [--batch N] [--stock N] [--db URL] [--servers PID,PID]
//
// Without --stock half of the orders are accepted. Prints a PeerResult; cpu_s is that of this
// process and
// --servers.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <future>
#include <string>
#include <vector>

#include "test/bench/peer_run.h"
#include "test/bench/peer_tables.h"
#include "test/bench/redis_drain.h"
#include "test/bench/redis_link.h"

namespace {

using namespace stampede::bench;

constexpr const char* kScript =
    "local left=tonumber(redis.call('GET',KEYS[1]) or '0') local qty=tonumber(ARGV[4]) "
    "if left<qty then return 0 end redis.call('DECRBY',KEYS[1],qty) "
    "redis.call('XADD','orders','*','r',ARGV[1],'u',ARGV[2],'i',ARGV[3],'q',ARGV[4],'t',ARGV[5]) "
    "return 1";

// Five arguments for each order; the answer has a 1 or 0 for each.
constexpr const char* kBatchScript =
    "local answers={} for at=1,#ARGV,5 do local key='item:'..ARGV[at+2] "
    "local left=tonumber(redis.call('GET',key) or '0') local qty=tonumber(ARGV[at+3]) "
    "if left<qty then answers[#answers+1]='0' else redis.call('DECRBY',key,qty) "
    "redis.call('XADD','orders','*','r',ARGV[at],'u',ARGV[at+1],'i',ARGV[at+2],'q',ARGV[at+3],"
    "'t',ARGV[at+4]) answers[#answers+1]='1' end end return table.concat(answers)";

struct Plan {
  explicit Plan(const Arguments& given)
      : redis(given.text("redis")),
        db(given.text("db")),
        servers(given.text("servers")),
        requests(given.number("requests", 200'000)),
        items(given.number("items", 1)),
        connections(given.number("connections", 2)),
        pipeline(given.number("pipeline", 1000)),
        batch(given.number("batch", 1)),
        units(given.number("stock", requests / 2)) {}
  std::string redis;
  std::string db;  // empty: no drain worker
  std::string servers;
  std::uint64_t requests;
  std::uint64_t items;
  std::uint64_t connections;
  std::uint64_t pipeline;  // calls
  std::uint64_t batch;     // orders of a call
  std::uint64_t units;     // of all items; at most one for each order
  std::string script;      // its SHA1
  [[nodiscard]] std::uint64_t stock_each() const { return units / items; }
  [[nodiscard]] std::uint64_t stock() const { return stock_each() * items; }
};

struct Tally {
  std::uint64_t answered = 0;
  std::uint64_t accepted = 0;
  std::vector<double> latencies_us;
};

// The five arguments of one order, written once for both scripts.
struct OrderWords {
  OrderWords(const Plan& plan, std::uint64_t order)
      : id(std::to_string(order + 1)),
        user(std::to_string(order * 7 % 1'000'003)),
        item(std::to_string(order % plan.items)),
        time(std::to_string(1'790'000'000'000'000 + order)) {}
  std::string id, user, item, time;
};

void append_call(std::string& out, const Plan& plan, std::uint64_t first, std::uint64_t end) {
  if (plan.batch == 1) {
    const OrderWords order(plan, first);
    const auto key = "item:" + order.item;
    append_command(
        out, {"EVALSHA", plan.script, "1", key, order.id, order.user, order.item, "1", order.time});
    return;
  }
  std::vector<OrderWords> orders;
  for (auto order = first; order < end; ++order) orders.emplace_back(plan, order);
  std::vector<std::string_view> words{"EVALSHA", plan.script, "0"};
  for (const auto& order : orders)
    words.insert(words.end(), {order.id, order.user, order.item, "1", order.time});
  append_command(out, words);
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
  const auto* script = plan.batch == 1 ? kScript : kBatchScript;
  plan.script = redis.text(redis.ask({"SCRIPT", "LOAD", script})[0]);
}

std::uint64_t accepted_in(const RedisLink& redis, const RedisLink::Value& reply) {
  if (reply.type == ':') return static_cast<std::uint64_t>(reply.number);
  return static_cast<std::uint64_t>(std::ranges::count(redis.text(reply), '1'));
}

// One connection: a pipeline out, all its replies in, the next.
Tally buy(const Plan& plan, std::atomic<std::uint64_t>& next) {
  RedisLink redis(plan.redis);
  Tally tally;
  std::string commands;
  for (;;) {
    const auto first = next.fetch_add(plan.pipeline * plan.batch);
    if (first >= plan.requests) return tally;
    const auto end = std::min(plan.requests, first + plan.pipeline * plan.batch);
    commands.clear();
    for (auto order = first; order < end; order += plan.batch)
      append_call(commands, plan, order, std::min(end, order + plan.batch));
    const auto sent = Clock::now();
    redis.send(commands);
    for (auto order = first; order < end; order += plan.batch) {
      tally.accepted += accepted_in(redis, redis.receive()[0]);
      const auto orders = std::min(plan.batch, end - order);
      tally.answered += orders;
      tally.latencies_us.insert(tally.latencies_us.end(), orders, seconds_since(sent) * 1e6);
    }
  }
}

int measure(Plan plan) {
  if (!plan.db.empty()) prepare_tables(plan.db, plan.items, plan.stock_each());
  prepare_redis(plan);
  const CpuMeter cpu(plan.servers);
  const auto start = Clock::now();
  std::future<std::uint64_t> drained;
  if (!plan.db.empty())
    drained = std::async(std::launch::async, drain, DrainTask{plan.redis, plan.db, plan.stock()});
  std::atomic<std::uint64_t> next{0};
  std::vector<std::future<Tally>> buyers;
  for (std::uint64_t i = 0; i < plan.connections; ++i)
    buyers.push_back(std::async(std::launch::async, [&] { return buy(plan, next); }));
  PeerResult all;
  for (auto& buyer : buyers) {
    const auto tally = buyer.get();
    all.offered += tally.answered;
    all.accepted += tally.accepted;
    all.latencies_us.insert(all.latencies_us.end(), tally.latencies_us.begin(),
                            tally.latencies_us.end());
  }
  all.seconds = seconds_since(start);
  all.stored = drained.valid() ? drained.get() : 0;
  all.stored_seconds = seconds_since(start);
  all.cpu_seconds = cpu.seconds();
  all.ok = all.offered == plan.requests && all.accepted == plan.stock();
  if (!plan.db.empty())
    all.ok = all.ok && all.stored == plan.stock() && books_agree(plan.db, all.stored, plan.stock());
  return report(std::move(all));
}

}  // namespace

int main(int count, char** words) {
  try {
    const Plan plan(Arguments(count, words));
    if (plan.redis.empty() || plan.stock_each() == 0) {
      std::fprintf(stderr,
                   "usage: redis_peer --redis SOCKET [--requests N] [--items N] [--batch N]"
                   " [--db URL]\n");
      return 2;
    }
    return measure(plan);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "redis_peer: %s\n", error.what());
    return 1;
  }
}
