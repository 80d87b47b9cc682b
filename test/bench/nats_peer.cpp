// The peer: NATS JetStream with a file store as the queue, a worker that decides in memory and
// drains into the contract's tables. Orders are published asynchronously, at most `window` without
// an answer, and every publish is acknowledged by the server; its acknowledgement does not mean
// fsync (the server syncs its files by the clock). The worker rebuilds no stock after a crash.
//
//   nats_peer --nats URL --db URL [--requests N] [--items N] [--window N] [--servers PID,PID]
//
// Half of the orders are accepted. Prints a PeerResult.

#include <nats/nats.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <exception>
#include <mutex>
#include <string>
#include <vector>

#include "test/bench/nats_worker.h"
#include "test/bench/peer_run.h"
#include "test/bench/peer_tables.h"

namespace {

using namespace stampede::bench;

constexpr auto kGiveUp = std::chrono::seconds(30);
constexpr int kGiveUpMs = 30'000;

// Publishes orders, and notes what comes back. publish() and wait belong to one thread; the library
// calls the two handlers on threads of its own.
class Client {
 public:
  Client(const std::string& url, std::uint64_t orders, std::uint64_t window)
      : window_(window), sent_(orders), latencies_us_(orders, 0), connection_(connect_nats(url)) {
    jsOptions options;
    jsOptions_Init(&options);
    options.PublishAsync.MaxPending = static_cast<std::int64_t>(window);
    options.PublishAsync.StallWait = kGiveUpMs;
    options.PublishAsync.AckHandler = acknowledged;
    options.PublishAsync.AckHandlerClosure = this;
    check(natsConnection_JetStream(&stream_, connection_.get(), &options), "JetStream");
    add_stream();
    check(natsConnection_Subscribe(&answers_, connection_.get(), kNatsAnswers, answered, this),
          "subscribing");
    check(natsSubscription_SetPendingLimits(answers_, -1, -1), "limits");
    check(natsConnection_Flush(connection_.get()), "flush");
  }
  ~Client() {
    natsSubscription_Destroy(answers_);
    jsCtx_Destroy(stream_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void publish(const PeerOrder& order) {
    {
      std::unique_lock lock(mutex_);
      const auto room = [&] { return order.number - answers_seen_ <= window_; };
      if (!came_.wait_for(lock, kGiveUp, room)) throw std::runtime_error("no answers from NATS");
    }
    sent_[order.number - 1] = Clock::now();
    check(js_PublishAsync(stream_, kNatsOrders, &order, sizeof order, nullptr), "publishing");
  }

  void wait_for_all() {
    jsPubOptions options;
    jsPubOptions_Init(&options);
    options.MaxWait = kGiveUpMs;
    check(js_PublishAsyncComplete(stream_, &options), "acknowledgements");
    std::unique_lock lock(mutex_);
    came_.wait_for(lock, kGiveUp, [&] { return answers_seen_ == sent_.size(); });
  }

  [[nodiscard]] PeerResult result() {
    const std::lock_guard lock(mutex_);
    PeerResult result;
    result.offered = answers_seen_;
    result.accepted = accepted_;
    result.latencies_us = latencies_us_;
    result.ok = answers_seen_ == sent_.size() && acknowledged_ == sent_.size();
    return result;
  }

 private:
  void add_stream() {
    jsErrCode code{};
    jsStreamConfig config;
    jsStreamConfig_Init(&config);
    const char* subjects[] = {kNatsOrders};
    config.Name = kNatsStream;
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.Storage = js_FileStorage;
    check(js_AddStream(nullptr, stream_, &config, nullptr, &code), "adding the stream");
  }

  static void acknowledged(jsCtx*, natsMsg* message, jsPubAck*, jsPubAckErr* error, void* self) {
    if (error == nullptr) ++static_cast<Client*>(self)->acknowledged_;
    natsMsg_Destroy(message);
  }

  static void answered(natsConnection*, natsSubscription*, natsMsg* message, void* self) {
    auto& client = *static_cast<Client*>(self);
    NatsAnswer answer;
    std::memcpy(&answer, natsMsg_GetData(message), sizeof answer);
    natsMsg_Destroy(message);
    const auto at = answer.order - 1;
    const std::lock_guard lock(client.mutex_);
    client.latencies_us_[at] = seconds_since(client.sent_[at]) * 1e6;
    client.accepted_ += answer.accepted;
    ++client.answers_seen_;
    client.came_.notify_one();
  }

  std::uint64_t window_;
  std::vector<Clock::time_point> sent_;
  std::vector<double> latencies_us_;  // guarded by mutex_
  NatsConnection connection_;
  jsCtx* stream_ = nullptr;
  natsSubscription* answers_ = nullptr;
  std::atomic<std::uint64_t> acknowledged_{0};
  std::mutex mutex_;
  std::condition_variable came_;
  std::uint64_t answers_seen_ = 0;  // guarded by mutex_
  std::uint64_t accepted_ = 0;      // guarded by mutex_
};

int measure(const Arguments& given) {
  const auto url = given.text("nats"), db = given.text("db");
  const auto requests = given.number("requests", 200'000), items = given.number("items", 1);
  const auto stock_each = requests / 2 / items, stock = stock_each * items;
  prepare_tables(db, items, stock_each);
  Client client(url, requests, given.number("window", 2000));
  NatsWorker worker({url, db, requests, items, stock_each});
  const CpuMeter cpu(given.text("servers"));
  const auto start = Clock::now();
  for (std::uint64_t order = 0; order < requests; ++order)
    client.publish({order + 1, order * 7 % 1'000'003, order % items});
  client.wait_for_all();
  const auto seconds = seconds_since(start);
  const auto stored = worker.finish();
  auto result = client.result();
  result.seconds = seconds;
  result.stored = stored;
  result.stored_seconds = seconds_since(start);
  result.cpu_seconds = cpu.seconds();
  result.ok =
      result.ok && result.accepted == stock && stored == stock && books_agree(db, stored, stock);
  return report(std::move(result));
}

}  // namespace

int main(int count, char** words) {
  try {
    const Arguments given(count, words);
    if (given.text("nats").empty() || given.text("db").empty()) {
      std::fprintf(
          stderr, "usage: nats_peer --nats URL --db URL [--requests N] [--items N] [--window N]\n");
      return 2;
    }
    return measure(given);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "nats_peer: %s\n", error.what());
    return 1;
  }
}
