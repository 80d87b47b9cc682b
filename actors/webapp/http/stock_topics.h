#pragma once

// The items that streams of /v1/events hear, each once, with its newest value. Whoever wants to
// hear one holds it; what nobody holds any more is no longer watched. One thread, that of the HTTP
// server.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/webapp/http/stock_event.h"

namespace stampede::actors {

struct StockTopic {
  std::uint64_t item = 0;
  std::uint64_t version = 0;  // of `text`; 0: no value is known
  bool absent = false;
  bool full = false;
  std::size_t holders = 0;
  std::uint64_t address = 0;  // that held it first
  std::uint64_t seq = 0;
  std::string text;  // the event as it goes on the wire
};

class StockTopics {
 public:
  static constexpr std::size_t kTopicsMax = 13'000;  // one address's share is 10,000

  // Whether an address may have these. Each counts for the address that held it first, until
  // nobody holds it any more, and of all of them an address has a share (shares.h).
  [[nodiscard]] bool fits(const std::vector<std::uint64_t>& items, std::uint64_t address) const;
  StockTopic* hold(std::uint64_t item, std::uint64_t address);
  void release(StockTopic* topic);

  // Subscriptions of an address.
  void join(std::uint64_t address) { ++of_address_[address].streams; }
  void leave(std::uint64_t address);
  [[nodiscard]] std::size_t streams_of(std::uint64_t address) const;

  void on_event(const StockEvent& event);  // of an item that nobody holds: ignored
  [[nodiscard]] std::uint64_t changes() const { return changes_; }  // grows with each
  // What is to be watched from now on, or no longer, in this order, since the last call.
  [[nodiscard]] std::vector<StockWatch> take_watches();

 private:
  struct Share {
    std::size_t streams = 0;
    std::size_t topics = 0;  // that it held first
  };
  using Shares = std::unordered_map<std::uint64_t, Share>;
  void drop_unused(Shares::iterator share);

  std::unordered_map<std::uint64_t, StockTopic> topics_;
  Shares of_address_;
  std::vector<StockWatch> watches_;
  std::uint64_t changes_ = 0;
};

// What one stream hears: the topics it holds, and what it was told of each. Releases them.
class Subscription {
 public:
  Subscription(std::shared_ptr<StockTopics> topics, const std::vector<std::uint64_t>& items,
               std::uint64_t address);
  ~Subscription();
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  [[nodiscard]] const StockTopic* absent() const;  // one that there is not; null: there are all
  [[nodiscard]] bool full() const;
  [[nodiscard]] std::uint64_t address() const { return address_; }
  [[nodiscard]] bool known() const;  // the values of all are
  // Appends the newest value of each topic that has changed since; how many.
  std::size_t take_changes(std::string& text);

 private:
  struct Heard {
    StockTopic* topic;
    std::uint64_t version = 0;  // that was told
  };
  std::shared_ptr<StockTopics> topics_;
  std::vector<Heard> heard_;
  std::uint64_t address_;
  std::uint64_t changes_ = 0;  // that were looked at
};
using SubscriptionPtr = std::shared_ptr<Subscription>;

}  // namespace stampede::actors
