#pragma once

// The worker of the NATS peer: takes the orders of the stream, decides them in memory, answers each
// on a subject of its own and writes the accepted ones into the contract's tables; the stream is
// acknowledged after the database's commit.

#include <nats/nats.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "test/bench/peer_tables.h"

namespace stampede::bench {

inline constexpr const char* kNatsStream = "ORDERS";
inline constexpr const char* kNatsOrders = "orders.in";
inline constexpr const char* kNatsAnswers = "answers";

struct NatsAnswer {
  std::uint64_t order = 0;
  std::uint64_t accepted = 0;
};

inline void check(natsStatus status, const char* what) {
  if (status != NATS_OK)
    throw std::runtime_error(std::string("NATS, ") + what + ": " + natsStatus_GetText(status));
}

using NatsConnection = std::unique_ptr<natsConnection, void (*)(natsConnection*)>;
NatsConnection connect_nats(const std::string& url);

// Works from its making on; the stream must be there. The library calls take() on a thread of its
// own; a second thread writes to the database.
class NatsWorker {
 public:
  struct Task {
    std::string nats_url, db_url;
    std::uint64_t orders = 0;  // then it ends
    std::uint64_t items = 1, stock_each = 0;
  };
  explicit NatsWorker(const Task& task);
  ~NatsWorker();
  NatsWorker(const NatsWorker&) = delete;
  NatsWorker& operator=(const NatsWorker&) = delete;

  // Blocks until every order is decided and every accepted one a row, or until nothing came for
  // half a minute. Returns the rows.
  std::uint64_t finish();

 private:
  static void take(natsConnection*, natsSubscription*, natsMsg* message, void* self);
  void drain();

  Task task_;
  NatsConnection connection_;
  jsCtx* stream_ = nullptr;
  natsSubscription* orders_ = nullptr;
  std::vector<std::uint64_t> left_;  // of each item; only take() touches it

  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<PeerOrder> accepted_;  // guarded by mutex_, as all below
  natsMsg* last_ = nullptr;          // the newest one; its acknowledgement counts for all before
  std::uint64_t seen_ = 0;
  std::uint64_t rows_ = 0;
  std::string problem_;
  std::thread drain_;
};

}  // namespace stampede::bench
