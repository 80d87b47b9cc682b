#pragma once

// The backend's decisions as a plain single-threaded class: it takes events and leaves effects as
// data, which its shell (actors/backend/backend) carries out. No clock, I/O, thread or randomness
// inside, so the same class runs under CAF and under a simulator.
//
// What it guards: no answer leaves before the record of its own decision, and of every decision it
// was computed from, is durable (Effects::results appear only in on_durable or when nothing they
// rest on is open); the database is handed only what is durable.

#include <array>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "actors/backend/core/append_builder.h"
#include "actors/backend/core/busy_items.h"
#include "actors/backend/core/change_list.h"
#include "actors/backend/core/effects.h"
#include "actors/backend/core/news_queue.h"
#include "actors/backend/core/open_answers.h"
#include "actors/backend/core/projection.h"
#include "actors/protocol/envelope.h"
#include "actors/protocol/node_messages.h"
#include "actors/sale/order_book.h"

namespace stampede::actors {

struct BackendLimits {
  OrderBookLimits book;
  ProjectionLimits projection;
  std::uint64_t backlog_commands_max = 4'000'000;
  std::uint32_t looks_ahead_max = 20'000;  // orders that a change looks at in one call
};

struct BackendCounters {
  std::uint64_t requests = 0, confirmed = 0, sold_out = 0, limit_reached = 0, replayed = 0,
                refused = 0, malformed = 0;
  std::uint64_t tickets = 0;                                           // given
  std::uint64_t sessions = 0;                                          // opened or ended
  std::uint64_t paid = 0, expired = 0, cancelled = 0, refund_due = 0;  // what orders became
};

class BackendCore {
 public:
  BackendCore(const LogUuid& uuid, BackendLimits limits);

  // --- start: phases starting -> replaying -> serving ------------------------------------------
  OrderBook& book() { return book_; }
  [[nodiscard]] const OrderBook& book() const { return book_; }
  void set_phase(Phase phase);  // illegal moves are broken invariants
  [[nodiscard]] Phase phase() const { return phase_; }
  // While an operator wants it new orders and tickets are refused with `draining`; what is known is
  // answered, all else goes on.
  void refuse_orders(bool refuse) { orders_refused_ = refuse; }
  // The log is at `last` and has `level`; the next decision takes the first lsn of `epoch`.
  void take_over(std::uint64_t epoch, Lsn last, storage::FeatureLevel level);
  // How often the database has refused what is owed, for the next FAIL.
  void tried_before(storage::CommandKind kind, Lsn lsn, std::uint32_t tries) {
    projection_.tried_before(kind, lsn, tries);
  }
  // Commands still owed from the log, in lsn order.
  void add_owed(const AppendPtr& append, std::span<const ItemChange> items) {
    projection_.add(append, items);
  }
  // An item of a database that has never had a log, logged as an ItemPut during the start. Returns
  // what is wrong with it, or nothing.
  std::string import_item(const ItemRequest& request, Effects& effects);
  // The database may be written from now on (its lanes are claimed).
  void start_lanes(Effects& effects);

  // --- events ------------------------------------------------------------------------------------
  // A batch of requests, decided at `now_us` (microseconds since 1970, stored with the orders), or
  // later: OrderBook::sale_time_us().
  void on_work(const transport::Envelope& envelope, std::string_view body, std::int64_t now_us,
               Effects& effects);
  // Orders whose time to pay is over give their units back: of them kExpiriesPerMs since the last
  // call, at most kExpiriesAtOnce. True: more are due, ask again in some 2 ms. Nothing before the
  // time of expire_from().
  bool expire(std::int64_t now_us, Effects& effects);
  void expire_from(std::int64_t at_us) { expire_from_us_ = at_us; }
  // All that was handed in since the last flush becomes log appends. Call once per round.
  void flush(Effects& effects);
  // The oldest `appends` appends have become durable.
  void on_durable(std::size_t appends, Effects& effects);
  void on_lane_done(std::uint32_t lane, const std::vector<FailedCommand>& failed, Effects& effects);
  // A change of an item from the supervisor; on_control(): of kinds item_put and stock_change, of
  // an item without rules, and session, a bar. False: not yet; the same again soon, before others
  // of the supervisor, see OrderBook::look_ahead().
  [[nodiscard]] bool on_item(std::uint64_t number, const ItemRequest& request, std::int64_t now_us,
                             Effects& effects);
  void on_control(std::uint64_t number, const Request& request, Effects& effects,
                  std::int64_t now_us = 0);
  [[nodiscard]] bool on_promo(std::uint64_t number, const PromoRequest& request,
                              std::int64_t now_us, Effects& effects);
  void on_books(std::uint64_t number, Effects& effects);
  // So many bytes of records may be on their way to the log; what would be a new decision beyond
  // them is `overloaded`.
  void set_log_room(std::uint64_t bytes) { log_room_ = bytes; }

  // Makes a piece of the memory that `orders` more will take, see OrderBook::make_room; for when
  // there is nothing else to do. False: nothing is missing, or there is.
  bool make_room(std::uint64_t orders);

  // Items that changed durably since the last call: at most `max` rows appended to `body`; count.
  std::uint32_t take_news(std::string& body, std::size_t max);
  // Sessions that ended durably since the last call, likewise.
  std::uint32_t take_session_news(std::string& body, std::size_t max, std::int64_t now_us);

  // --- reporting --------------------------------------------------------------------------------
  [[nodiscard]] const Projection& projection() const { return projection_; }
  [[nodiscard]] const BackendCounters& counters() const { return counters_; }
  // A piece of the walk over all items, see BusyItems.
  bool walk_items(std::size_t most) { return busy_.walk(book_.items(), most); }
  [[nodiscard]] const BusyItems& busy() const { return busy_; }
  [[nodiscard]] Lsn last_lsn() const { return last_lsn_; }
  [[nodiscard]] Lsn durable_lsn() const { return durable_lsn_; }
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  [[nodiscard]] std::uint64_t answered() const { return open_.answered(); }
  [[nodiscard]] std::uint64_t broker() const { return open_.broker(); }
  [[nodiscard]] bool work_open() const { return !open_.empty() || !in_log_.empty(); }

 private:
  struct Prepared {  // a decoded request, and what it is looked up by if it is an order
    Request request;
    OrderKeys keys;
    bool valid = true;
  };
  static constexpr std::uint32_t kPreparedMax = 64;
  // One costs 1.0 to 1.4 us, most of it memory that nobody has looked at since the order: orders
  // that come meanwhile wait for one call's. 100,000 a second are promised, with a late call or
  // two.
  static constexpr std::int64_t kExpiriesPerMs = 150;
  static constexpr std::int64_t kExpiriesAtLeast = 64;
  static constexpr std::int64_t kExpiriesAtOnce = 1024;
  // On their way to the log: of a slow disk no more is asked.
  static constexpr std::uint64_t kExpiryBytesMax = std::uint64_t{256} << 10;
  bool prepare(std::uint32_t left);
  void prefetch_prepared(bool promo) const;
  void decide_one(const Prepared& prepared, std::int64_t now_us, ResultWriter& results, Lsn& need);
  void decide_order(const Prepared& prepared, std::int64_t now_us, ResultWriter& results,
                    Lsn& need);
  void change_fulfilment(const Request& request, std::int64_t now_us, ResultWriter& results,
                         Lsn& need);
  void give_ticket(const Request& request, std::int64_t now_us, ResultWriter& results, Lsn& need);
  void keep_session(const Request& request, std::int64_t now_us, ResultWriter& results, Lsn& need);
  void list_ended_sessions(const Request& request, std::int64_t now_us,
                           ResultWriter& results) const;
  void take_fulfilment(const FulfilmentDecision& decision);
  void count_fulfilment(storage::Fulfilment fulfilment);
  [[nodiscard]] Lsn change_on_its_way(Lsn order) const;
  // Whether nothing new may be decided; `owes`: if the database will be owed for it. Then: the
  // limit.
  [[nodiscard]] bool full(bool owes) const {
    return log_full() || (owes && projection_.owed() >= limits_.backlog_commands_max);
  }
  [[nodiscard]] std::string_view reached_limit() const;
  void complete(Answer& answer, Lsn& need) const;
  void look_up(const Request& request, ResultWriter& results, Lsn& need) const;
  void list_items(const Request& request, std::int64_t now_us, ResultWriter& results,
                  Lsn& need) const;
  void list_changes(const Request& request, std::int64_t now_us, ResultWriter& results,
                    Lsn& need) const;
  void note_changes(const Append& append, const std::vector<ItemChange>& changes);
  [[nodiscard]] bool log_full() const { return in_log_bytes_ + builder_.bytes() >= log_room_; }
  Lsn next_lsn() { return ++last_lsn_; }
  void decide_session(const Request& request, std::int64_t now_us, ResultWriter& results,
                      Lsn& need);
  void bar_sessions(std::uint64_t number, const Request& request, std::int64_t now_us,
                    Effects& effects);
  bool refuses_items(std::uint64_t number, Effects& effects);
  bool take_item(std::uint64_t number, ItemDecision decision, Effects& effects);
  bool take_promo(const PromoRequest& request, std::int64_t now_us, PromoAnswer& answer);
  void change_item(const ItemDecision& decision, Lsn lsn);
  void change_promo(const PromoDecision& decision, Lsn lsn);
  void close_append(Effects& effects);
  void refuse(const transport::Envelope& envelope, Code code, Effects& effects);
  void wait_for(Lsn need, OpenAnswers::Answer&& answer, Effects& effects);
  void release(Effects& effects) { open_.release(durable_lsn_, epoch_, effects); }

  OrderBook book_;
  Projection projection_;
  BackendLimits limits_;
  Phase phase_ = Phase::starting;
  std::uint64_t epoch_ = 0;
  Lsn last_lsn_ = 0;
  Lsn durable_lsn_ = 0;
  std::int64_t expire_from_us_ = 0;
  std::int64_t expired_at_us_ = 0;  // when expire() was called last
  // What orders became and is not durable: (lsn, order), ascending; and of each order the newest.
  std::deque<std::pair<Lsn, Lsn>> changes_;
  std::unordered_map<Lsn, Lsn> newest_changes_;
  bool lanes_started_ = false;
  bool orders_refused_ = false;
  std::uint64_t log_room_ = ~std::uint64_t{0};
  AppendBuilder builder_;
  std::deque<AppendBuilder::Built> in_log_;  // sent, not durable
  std::uint64_t in_log_bytes_ = 0;           // of their records
  OpenAnswers open_;
  std::vector<OutcomeRecord> outcomes_;  // to be logged with the next append
  BodyReader reader_;
  std::vector<Prepared> prepared_;  // of the batch being decided
  // Of those in a promo, in their places; the others pay nothing for them.
  std::array<UserKeys, kPreparedMax> user_keys_;
  NewsQueue news_;
  ChangeList changed_;     // items
  Lsn sessions_told_ = 0;  // those that ended up to here
  BackendCounters counters_;
  BusyItems busy_;
};

}  // namespace stampede::actors
