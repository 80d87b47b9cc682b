#pragma once

// What subscribers of `stock/<item>/` are told: changes as they come, then a newcomer's present
// value, then every subscribed topic's present value again and again, round robin. Pure, one
// thread; times in microseconds of a monotonic clock.
//
// Bounds: kNewsPerSecondMax messages in all (of several changes of one item the last is told),
// kNewsTopicsMax topics, kNewsAsksMax open questions; what does not fit is counted. A subscription
// to `stock/` or to nothing hears the changes of all items, without repeats.
//
// Who joins a topic that others have hears its value soon, with them (kWelcomeUs).
//
// Topics that somebody makes up by the thousand delay no change and no repeat, and newcomers are
// served from both ends of their queue: at once when the others came before, in turn when they go
// on coming. Every call costs the same, however many topics there are.

#include <cstdint>
#include <list>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "actors/protocol/node_messages.h"

namespace stampede::actors {

inline constexpr int kNewsPerSecondMax = 1000;
inline constexpr std::size_t kNewsTopicsMax = 24'000;
inline constexpr std::size_t kNewsAsksMax = 1024;

class NewsOutput {
 public:
  virtual ~NewsOutput() = default;
  virtual void publish(const ItemRow& row) = 0;   // without its name
  virtual void ask_item(std::uint64_t item) = 0;  // ends in on_answer(), maybe before it returns
};

struct NewsCounters {
  std::uint64_t published = 0;
  std::uint64_t topics_refused = 0;   // malformed, or too many
  std::uint64_t changes_dropped = 0;  // no room to remember them
};

class StockNews {
 public:
  explicit StockNews(NewsOutput& output) : output_(output) {}
  StockNews(const StockNews&) = delete;
  StockNews& operator=(const StockNews&) = delete;

  // One frame of an XPUB socket that tells every join: 1 or 0, then the topic.
  void on_subscription(std::string_view frame);
  // Like a subscription, of this webapp's own: publish() tells of it, too. False: there is no room.
  [[nodiscard]] bool watch(std::uint64_t item);
  void unwatch(std::uint64_t item);
  [[nodiscard]] const ItemRow* known(std::uint64_t item) const;  // null: it is not
  void on_row(const ItemRow& row);                               // has changed
  void on_answer(std::uint64_t item, const ItemRow* row);        // null: there is no such item
  void on_tick(std::int64_t now_us);

  [[nodiscard]] bool idle() const { return topics_.empty(); }
  [[nodiscard]] std::size_t topics() const { return topics_.size(); }
  [[nodiscard]] const NewsCounters& counters() const { return counters_; }

 private:
  using Items = std::list<std::uint64_t>;
  struct Topic {
    ItemRow row;
    bool known = false;
    bool subscribed = false;
    bool watched = false;  // neither: in changed_, for those who hear all
    std::int64_t told_us = 0;
    std::int64_t asked_us = 0;
    Items* in = nullptr;  // one of the lists below
    Items::iterator at{};
    [[nodiscard]] bool kept() const { return subscribed || watched; }
  };
  using Topics = std::unordered_map<std::uint64_t, Topic>;
  void subscribe(std::uint64_t item);
  void unsubscribe(std::uint64_t item);
  Topics::iterator add(std::uint64_t item, Items& list);
  void leave(Topics::iterator topic);
  void drop(Topics::iterator topic);
  static void move(Topic& topic, Items& list);
  [[nodiscard]] bool room_for_all() const { return topics_.size() - kept_ < kNewsTopicsMax; }
  void refill(std::int64_t now_us);
  void tell_changes(std::int64_t now_us);
  void tell_newcomers(std::int64_t now_us);
  void tell_welcomes(std::int64_t now_us);
  void ask_for_newcomers(std::int64_t now_us);
  void ask_again(std::int64_t now_us);
  void repeat(std::int64_t now_us, std::int64_t visits);
  void tell(std::uint64_t item, std::int64_t now_us);
  static void take(Topic& topic, const ItemRow& row, Items& list);
  void ask_if_old(std::uint64_t item, Topic& topic, std::int64_t now_us);
  Topic* topic_for(const ItemRow& row);

  NewsOutput& output_;
  NewsCounters counters_;
  Topics topics_;
  std::size_t kept_ = 0;  // of them
  // Every topic stands in one of these.
  Items changed_;
  Items newcomers_;  // nobody has asked for their value
  Items answered_;   // newcomers whose value is known
  Items welcomes_;   // known, and told to others before
  Items unknown_;    // asked for, the next to ask for again first
  Items ring_;       // known and told, the next to repeat first
  std::uint32_t turn_ = 0;
  std::size_t asks_open_ = 0;
  std::set<std::string, std::less<>> broad_;  // subscriptions that hear all items
  double tokens_ = 0;
  std::int64_t refilled_us_ = 0;
};

// The item of "stock/<item>/"; false when the topic is none.
bool parse_stock_topic(std::string_view topic, std::uint64_t& item);
std::string stock_topic(std::uint64_t item);
// "soldout/<item>/", or when it is back "restock/<item>/".
std::string notice_topic(std::uint64_t item, bool back);

}  // namespace stampede::actors
