#pragma once

// GET /v1/events?items=1,2,…: the stock of some items as it changes, as server-sent events. The
// present value of each comes first, then `{item,seq,left,state,ts}` of what has changed. Nothing
// queues: a stream is looked at four times a second, and then gets the newest value of each item
// that has changed since. After 15 s of silence it gets a comment. An `id` says no more than which
// value was heard; who comes again hears the present values, which is all there is to know, so
// Last-Event-ID is not needed. Streams are looked at in turn, a part of them each tick, so that
// thousands delay nobody.
//
// One thread, that of the HTTP server. Bounds: `streams_max` streams, kEventItemsMax items each,
// StockTopics::kTopicsMax items in all; beyond them 503 overloaded. Beyond so many streams a
// newcomer takes the place of one of an address that has more than his has even so: of some taken
// at random, of the address that has most. Its listener hears it by coming again. What a stream
// does not take is no more than what was written last (HttpStream).

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "actors/http/http_server.h"
#include "actors/webapp/http/stock_topics.h"

namespace stampede::actors {

inline constexpr std::size_t kEventItemsMax = 50;

class EventDesk {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Watch = std::function<void(std::vector<StockWatch>)>;  // tells who knows the stock

  EventDesk(std::size_t streams_max, Watch watch, std::shared_ptr<HttpCounts> counts)
      : streams_max_(streams_max), watch_(std::move(watch)), counts_(std::move(counts)) {}

  // `address`: the client's, of config::address_key().
  void open(const HttpRequest& request, std::uint64_t address, HttpRespond&& respond, Time now);
  void on_events(const std::vector<StockEvent>& events, Time now);
  // Call it every kHttpTick. False: it has nothing to do until the next open().
  bool tick(Time now);

  static constexpr std::chrono::seconds kSilenceMax{15};
  static constexpr std::chrono::milliseconds kValuesMax{2000};  // then it begins without them
  static constexpr std::size_t kTurns = 25;
  static constexpr std::chrono::milliseconds kEvery{250};  // between two writes to one stream
  static_assert(kEvery == kTurns * kHttpTick);

 private:
  struct Waiting {  // for the present values
    HttpRespond respond;
    SubscriptionPtr subscription;
    Time until;
  };
  struct Stream {
    HttpStreamPtr stream;
    SubscriptionPtr subscription;
    Time wrote;
  };
  bool make_room(std::uint64_t address, HttpRespond& turned_away);
  [[nodiscard]] std::pair<std::vector<Stream>*, std::size_t> stream_at(std::size_t at);
  void leave(std::vector<Stream>& streams, std::size_t at);
  void answer_waiting(Time now);
  bool answer(Waiting& waiting, Time now);
  void begin(Waiting& waiting);
  void add(HttpStreamPtr stream, SubscriptionPtr subscription);
  void visit(std::vector<Stream>& streams, Time now);
  void write(Stream& stream, Time now);
  void tell_watches();

  std::size_t streams_max_;
  Watch watch_;
  std::shared_ptr<HttpCounts> counts_;
  std::shared_ptr<StockTopics> topics_ = std::make_shared<StockTopics>();
  std::vector<Waiting> waiting_;
  std::array<std::vector<Stream>, kTurns> turns_;
  std::size_t turn_ = 0;
  std::size_t next_ = 0;     // the turn that the next stream gets
  std::size_t streams_ = 0;  // in all turns
  bool news_ = false;        // since waiting_ was looked at
  std::string text_;         // reused
  std::minstd_rand random_{std::random_device{}()};
};

// The items that a query names; nothing: `fault` says what is wrong with them.
std::vector<std::uint64_t> read_event_items(const std::vector<QueryPair>& query,
                                            std::string& fault);

}  // namespace stampede::actors
