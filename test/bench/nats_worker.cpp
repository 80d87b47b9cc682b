#include "test/bench/nats_worker.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <utility>

namespace stampede::bench {

namespace {

constexpr int kUnacknowledgedMax = 1'000'000;
constexpr auto kNothingFor = std::chrono::seconds(30);
constexpr int kFlushMs = 5000;

void store(storage::MysqlSession& session, const std::vector<PeerOrder>& orders) {
  for (std::size_t first = 0; first < orders.size(); first += kRowsOfBatch) {
    OrderBatch batch(session);
    const auto end = std::min(orders.size(), first + kRowsOfBatch);
    for (auto at = first; at < end; ++at) batch.add(orders[at]);
    batch.store();
  }
}

}  // namespace

NatsConnection connect_nats(const std::string& url) {
  natsOptions* options = nullptr;
  check(natsOptions_Create(&options), "options");
  const std::unique_ptr<natsOptions, void (*)(natsOptions*)> kept(options, natsOptions_Destroy);
  check(natsOptions_SetURL(options, url.c_str()), "its address");
  check(natsOptions_SetAllowReconnect(options, false), "options");
  natsConnection* connection = nullptr;
  check(natsConnection_Connect(&connection, options), "connecting");
  return {connection, natsConnection_Destroy};
}

NatsWorker::NatsWorker(const Task& task)
    : task_(task), connection_(connect_nats(task.nats_url)), left_(task.items, task.stock_each) {
  check(natsConnection_JetStream(&stream_, connection_.get(), nullptr), "JetStream");
  jsSubOptions options;
  jsSubOptions_Init(&options);
  options.Stream = kNatsStream;
  options.ManualAck = true;
  options.Config.Durable = "worker";
  options.Config.AckPolicy = js_AckAll;
  options.Config.MaxAckPending = kUnacknowledgedMax;
  options.Config.DeliverPolicy = js_DeliverAll;
  jsErrCode code{};
  check(js_Subscribe(&orders_, stream_, kNatsOrders, take, this, nullptr, &options, &code),
        "subscribing");
  check(natsSubscription_SetPendingLimits(orders_, -1, -1), "limits");
  drain_ = std::thread([this] { drain(); });
}

NatsWorker::~NatsWorker() {
  if (drain_.joinable()) drain_.join();
  natsSubscription_Destroy(orders_);
  jsCtx_Destroy(stream_);
}

void NatsWorker::take(natsConnection* connection, natsSubscription* /*from*/, natsMsg* message,
                      void* self) {
  auto& worker = *static_cast<NatsWorker*>(self);
  PeerOrder order;
  std::memcpy(&order, natsMsg_GetData(message), sizeof order);
  auto& left = worker.left_[order.item];
  const bool accepted = left >= order.qty;
  if (accepted) left -= order.qty;
  const NatsAnswer answer{order.number, accepted ? 1U : 0U};
  const auto sent = natsConnection_Publish(connection, kNatsAnswers, &answer, sizeof answer);
  const std::lock_guard lock(worker.mutex_);
  if (sent != NATS_OK) worker.problem_ = natsStatus_GetText(sent);
  if (accepted) worker.accepted_.push_back(order);
  natsMsg_Destroy(std::exchange(worker.last_, message));
  ++worker.seen_;
  if (worker.accepted_.size() >= kRowsOfBatch || worker.seen_ == worker.task_.orders)
    worker.came_.notify_one();
}

void NatsWorker::drain() try {
  const auto session = open_session(task_.db_url, storage::MysqlSession::Commit::explicitly);
  constexpr auto kAtLeastEvery = std::chrono::milliseconds(2);
  std::vector<PeerOrder> batch;
  auto last_came = std::chrono::steady_clock::now();
  for (bool done = false; !done;) {
    natsMsg* last = nullptr;
    {
      std::unique_lock lock(mutex_);
      came_.wait_for(lock, kAtLeastEvery);
      batch.swap(accepted_);
      last = std::exchange(last_, nullptr);
      done = seen_ >= task_.orders;
    }
    store(*session, batch);
    const auto now = std::chrono::steady_clock::now();
    if (last != nullptr) {
      natsMsg_Ack(last, nullptr);
      natsMsg_Destroy(last);
      last_came = now;
    }
    const std::lock_guard lock(mutex_);
    rows_ += batch.size();
    batch.clear();
    if (now - last_came > kNothingFor) done = true;
  }
  natsConnection_FlushTimeout(connection_.get(), kFlushMs);
} catch (const std::exception& error) {
  const std::lock_guard lock(mutex_);
  problem_ = error.what();
}

std::uint64_t NatsWorker::finish() {
  drain_.join();
  const std::lock_guard lock(mutex_);
  if (!problem_.empty()) throw std::runtime_error(problem_);
  return rows_;
}

}  // namespace stampede::bench
