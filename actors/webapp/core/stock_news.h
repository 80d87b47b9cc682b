#pragma once

// What subscribers of `stock/<item>/` are told: changes as they come, a newcomer's present value
// soon, and every subscribed topic's present value again and again, round robin. Pure, one thread;
// times in microseconds of a monotonic clock.
//
// Bounds: kNewsPerSecondMax messages in all (of several changes of one item the last is told),
// kNewsTopicsMax topics; what does not fit is counted. A subscription to `stock/` or to nothing
// hears the changes of all items, without repeats.

#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "actors/protocol/node_messages.h"

namespace stampede::actors {

inline constexpr int kNewsPerSecondMax = 1000;
inline constexpr std::size_t kNewsTopicsMax = 10'000;

class NewsOutput {
 public:
  virtual ~NewsOutput() = default;
  virtual void publish(const ItemRow& row) = 0;   // without its name
  virtual void ask_item(std::uint64_t item) = 0;  // ends in on_row() or on_unknown()
};

struct NewsCounters {
  std::uint64_t published = 0;
  std::uint64_t topics_refused = 0;   // malformed, or too many
  std::uint64_t changes_dropped = 0;  // no room to remember them
};

class StockNews {
 public:
  explicit StockNews(NewsOutput& output) : output_(output) {}

  // One frame of an XPUB socket: 1 or 0, then the topic.
  void on_subscription(std::string_view frame);
  void on_row(const ItemRow& row);
  void on_unknown(std::uint64_t item);
  void on_tick(std::int64_t now_us);

  [[nodiscard]] bool idle() const { return topics_.empty(); }
  [[nodiscard]] std::size_t topics() const { return topics_.size(); }
  [[nodiscard]] const NewsCounters& counters() const { return counters_; }

 private:
  struct Topic {
    ItemRow row;
    bool known = false;
    bool changed = false;     // in changed_
    bool subscribed = false;  // false: heard by those who hear all
    std::int64_t told_us = 0;
    std::int64_t asked_us = 0;
  };
  void refill(std::int64_t now_us);
  void tell_changes(std::int64_t now_us);
  void repeat(std::int64_t now_us);
  void tell(Topic& topic, std::int64_t now_us);
  void ask_if_old(std::uint64_t item, Topic& topic, std::int64_t now_us);
  Topic* topic_for(const ItemRow& row);

  NewsOutput& output_;
  NewsCounters counters_;
  std::unordered_map<std::uint64_t, Topic> topics_;
  std::deque<std::uint64_t> changed_;
  std::deque<std::uint64_t> ring_;            // subscribed items, the next to repeat first
  std::set<std::string, std::less<>> broad_;  // subscriptions that hear all items
  double tokens_ = 0;
  std::int64_t refilled_us_ = 0;
};

// The item of "stock/<item>/"; false when the topic is none.
bool parse_stock_topic(std::string_view topic, std::uint64_t& item);
std::string stock_topic(std::uint64_t item);

}  // namespace stampede::actors
