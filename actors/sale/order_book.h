#pragma once

// The sale in memory: items, stock, promos, limits per user, and every request id that was decided.
// Pure and single-threaded: no clock, no I/O. decide_*() looks and changes nothing; apply_*() makes
// a decision true, live or from the log, through the same code.
//
// Checks of an order, in this order, so that a refused one changes nothing: known request id ->
// item, open -> qty -> valid until -> promo -> window -> ticket -> sale mode -> limits, the item's
// and the promo's -> bounds of unpaid units, likewise -> stock. Rules and times are looked at by
// decide_order() alone: what the log says is not judged again.
//
// A confirmed order of an item or promo with a hold is unpaid, and becomes paid, cancelled or
// expired, each once and for all but for a late payment (order_book_payment.cpp): units, amount and
// the user's count change with it or not at all.
//
// A promo may want tickets (order_book_tickets.cpp): it gives no more than its gate lets through, a
// live one to a user at most, and a ticket's id is the request id of the one order that may use it.
//
// It holds the rules. What they are about is kept by ItemTable (items, stock), PromoTable (with
// promo_rules.h), DecidedRequests (known ids), UserTotals (limits), HeldOrders (what needs payment)
// and TicketTable, each with a contract of its own. SessionBook knows which sessions have ended.
//
// Memory: an item 80 to 92 bytes and its name, some more if it has rules (a whole backend measures
// 130, for the projection keeps its newest change, too), a confirmed order at most 64, one that
// needs payment 48 more, and at most 40 while it is unpaid; a remembered rejection 72, a ticket 64
// while it is live.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "actors/sale/books.h"
#include "actors/sale/codes.h"
#include "actors/sale/decided_requests.h"
#include "actors/sale/held_orders.h"
#include "actors/sale/item_request.h"
#include "actors/sale/item_table.h"
#include "actors/sale/promo_rules.h"
#include "actors/sale/promo_table.h"
#include "actors/sale/request.h"
#include "actors/sale/request_hash.h"
#include "actors/sale/session_book.h"
#include "actors/sale/ticket_table.h"
#include "actors/sale/unpaid_units.h"
#include "actors/sale/user_totals.h"
#include "storage/snapshot/snapshot_entries.h"

namespace stampede::actors {

struct OrderBookLimits {
  std::uint64_t orders_max = 20'000'000;  // decided ids that are never forgotten; then: overloaded
  std::uint64_t rejections_max = 2'000'000;  // the newest are remembered
  std::int64_t tickets_ahead_ms = 60'000;    // so long before a promo starts it gives tickets
  std::size_t revoked_max = 100'000;         // of sessions, see SessionBook
  std::size_t tickets_max = TicketTable::kTicketsMax;
};

// What an order in a promo is looked up by beside OrderKeys, as far as the promo asks for it; 0: it
// is made when it is needed.
struct UserKeys {
  std::uint64_t ticket = 0;         // TicketTable::key()
  std::uint64_t user_in_promo = 0;  // RequestHasher::user_in_promo()
};

// What an order is looked up by. Made for a whole batch before the first is decided, so that the
// index lines are on their way from memory meanwhile.
struct OrderKeys {
  storage::RequestHash request{};
  std::uint64_t content = 0;        // of one without a promo
  const UserKeys* users = nullptr;  // there until the order is applied; null: none are made
};

struct OrderDecision {
  Code error = Code::none;          // nothing decided: unknown_item, bad_request, key_reused, …
  std::string_view field;           // of a bad_request
  bool known = false;               // decided before: `answer` is the old one, nothing to apply
  Answer answer;                    // confirmed or rejected; lsn is set by apply
  std::int64_t retry_after_ms = 0;  // of not_started: until it has
  std::uint64_t promo = kNoNumber;  // that it is part of
  std::uint32_t counted = 0;        // as in storage::OrderSale
  bool with_ticket = false;         // its promo needs one, and it has it
  std::int64_t pay_by_ms = 0;       // of a confirmed one; 0: it needs no payment
  // Kept from the look-ups so that apply need not repeat them.
  storage::RequestHash request_hash{};
  std::uint64_t content_hash = 0;
  std::uint64_t user_hash = 0;      // of a rejection
  const UserKeys* users = nullptr;  // of an order in a promo
  std::uint32_t item_position = 0;
};

struct ItemDecision {
  Code error = Code::none;
  std::string_view field;
  bool known = false;    // the same request id was decided before
  bool changed = false;  // false: the item is so already; nothing to apply
  Lsn lsn = 0;           // of the earlier decision, when known
  storage::ItemPut put;  // the item as it shall be; views point into the request or the book
  ItemSale sale;
  std::int64_t amount = 0;
  storage::StockChange stock;  // where units come or go: its delta is not 0
  storage::RequestHash request_hash{};
  std::uint32_t item_position = 0;  // that it has or will get
};

// What becomes of an order that needs payment.
struct FulfilmentDecision {
  Code error = Code::none;
  std::string_view field;
  bool known = false;  // it is so already; nothing to apply
  storage::OrderUpdate
      update;  // the order as it shall be, or is; action_id points into the request
  std::uint32_t held = HeldOrders::kNone;  // its position there
  std::uint32_t item_position = 0;
  int moved = 0;  // as units_moved() says
  std::uint32_t qty = 0;
  std::int64_t amount = 0;     // what is left of the item then
  storage::StockChange stock;  // when units moved

  [[nodiscard]] storage::Fulfilment fulfilment() const {
    return static_cast<storage::Fulfilment>(update.fulfilment);
  }
  std::int64_t at_ms = 0;  // since when it is so
};

struct TicketDecision {
  Code error = Code::none;
  std::string_view field;
  std::int64_t retry_after_ms = 0;  // of not_started: until tickets are given
  bool known = false;               // the user has an older one, and gets that
  storage::TicketGrant grant;       // views point into the request
  std::string older_id;
  Lsn lsn = 0;  // of the promo's newest ticket: whatever is said rests on it

  [[nodiscard]] std::string_view ticket_id() const { return known ? older_id : grant.ticket; }
};

// A promo of which a decision is parked: what is known of it is older, or nothing.
struct ParkedPromo {
  std::uint64_t promo = 0;
  std::uint64_t item = 0;
  Lsn lsn = 0;
};

class OrderBook {
 public:
  static constexpr std::uint32_t kEntriesMax = DecidedRequests::kEntriesMax;  // of each kind
  OrderBook(const LogUuid& key, OrderBookLimits limits);

  [[nodiscard]] OrderKeys keys(const Request& order) const;
  [[nodiscard]] UserKeys user_keys(const Request& order) const;  // of one in a promo
  // Asks for the lines of memory that decide_order() will look at first: it costs a miss each
  // otherwise, so batches do this for many orders before they decide the first. Each waits for its
  // page to be found, so one follows the other with nothing between them: then they wait together.
  void prefetch(const Request& order, const OrderKeys& keys) const {
    decided_.prefetch(keys.request);
    items_.prefetch_index(order.item);
  }
  void prefetch(const UserKeys& users) const {
    if (users.ticket != 0) tickets_.prefetch(users.ticket);
    if (users.user_in_promo != 0) users_.prefetch(users.user_in_promo);
  }
  // The same for the item itself, and the order's ticket, once prefetch() was there for some other
  // orders meanwhile.
  void prefetch_item(std::uint64_t id) const { items_.prefetch_item(id); }
  void prefetch_ticket(const UserKeys& users) const {
    if (users.ticket != 0) tickets_.prefetch_ticket(users.ticket);
  }
  // `sale_time_us`: what the windows of promos are compared with, see sale_time_us().
  [[nodiscard]] OrderDecision decide_order(const Request& order, const OrderKeys& keys,
                                           std::int64_t sale_time_us) const;
  [[nodiscard]] OrderDecision decide_order(const Request& order,
                                           std::int64_t sale_time_us = 0) const {
    return decide_order(order, keys(order), sale_time_us);
  }
  [[nodiscard]] ItemDecision decide_item(const ItemRequest& request,
                                         std::int64_t sale_time_us = 0) const;
  [[nodiscard]] ItemDecision decide_item_put(const Request& request) const;  // one that is added
  [[nodiscard]] ItemDecision decide_stock_change(const Request& request,
                                                 std::int64_t sale_time_us = 0) const;
  [[nodiscard]] PromoDecision decide_promo(const PromoRequest& request,
                                           std::int64_t sale_time_us) const;
  // A ticket for request.user: the one that he has, or a new one with the id of the request.
  [[nodiscard]] TicketDecision decide_ticket(const Request& request,
                                             std::int64_t sale_time_us) const;
  // A payment, or the wish of the buyer (of anybody, if request.user is empty) to give the order
  // back. The time to pay is over when the expiry is decided, not before.
  [[nodiscard]] FulfilmentDecision decide_payment(const Request& request,
                                                  std::int64_t sale_time_us) const;
  [[nodiscard]] FulfilmentDecision decide_cancel(const Request& request,
                                                 std::int64_t sale_time_us) const;
  // The next expiry that is due at now_us, if any; looks at no more than one order. `more`: there
  // may be another.
  [[nodiscard]] std::optional<FulfilmentDecision> decide_expiry(std::int64_t now_us, bool& more);
  void apply_fulfilment(const FulfilmentDecision& decision, Lsn lsn);
  [[nodiscard]] const HeldOrders& held() const { return held_; }

  // What is known of a request id: its answer, or unknown_request. With a user: not_allowed when it
  // is not this user's order.
  [[nodiscard]] OrderDecision look_up(std::string_view request_id,
                                      std::string_view user = {}) const;

  // The wall clock `now_us`, but never below the time of a decision that the log has since the
  // first promo was put: so the same moment never lies in a window and outside of it.
  [[nodiscard]] std::int64_t sale_time_us(std::int64_t now_us) const {
    return std::max(now_us, decided_at_us_);
  }

  // What a change rests on and may take long to see: of an item or a promo that gets a bound of
  // unpaid units, those of all orders that ever needed payment. Looks at so many of them. True: it
  // may be applied at once; else look again, and orders go on meanwhile. A change that is applied
  // before takes its time.
  [[nodiscard]] bool look_ahead(const ItemDecision& decision, std::uint32_t orders);
  [[nodiscard]] bool look_ahead(const PromoDecision& decision, std::uint32_t orders);

  // A live decision becomes true at `lsn`. `decided_at_us`: the sale time it was decided at.
  void apply_order(const OrderDecision& decision, std::string_view user, Lsn lsn,
                   std::int64_t decided_at_us = 0);
  void apply_item(const ItemDecision& decision, Lsn lsn);
  void apply_promo(const PromoDecision& decision, Lsn lsn);
  void apply_ticket(const TicketDecision& decision, Lsn lsn);

  // A session that was opened, or has ended: request.kind is session.
  [[nodiscard]] SessionDecision decide_session(const Request& request,
                                               std::int64_t sale_time_us) const;
  void apply_session(const SessionDecision& decision, Lsn lsn);
  [[nodiscard]] bool replay_revoke(const storage::RevokeRecord& record, Lsn lsn);
  [[nodiscard]] const SessionBook& sessions() const { return sessions_; }

  // The same from the log. False: the record contradicts the book (unknown item, stock below 0).
  [[nodiscard]] bool replay_set(const std::vector<storage::Command>& set, Lsn lsn);
  [[nodiscard]] bool replay_rejection(const storage::Rejection& rejection, Lsn lsn);

  // A decision of the log that is passed over: its request id keeps its answer, but nothing else of
  // it is applied, so its item (which may be unknown) is closed: no new decision on it, and what
  // the log says of it further is taken as it stands. Returns the item.
  std::uint64_t park_set(const std::vector<storage::Command>& set, Lsn lsn);
  void park_rejection(const storage::Rejection& rejection, Lsn lsn);

  // --- snapshots: the whole book, entry by entry ------------------------------------------------
  // The order of the entries is that in which they came about, so equal books give equal bytes.
  void save(storage::SnapshotSink& sink) const;
  void save_promos(storage::SnapshotSink& sink) const;    // whose section comes later
  void save_payments(storage::SnapshotSink& sink) const;  // likewise, as the next
  void save_tickets(storage::SnapshotSink& sink) const;
  void save_sessions(storage::SnapshotSink& sink) const { sessions_.save(sink); }
  // How many entries save() gives; its own fields of a summary.
  void count(storage::SnapshotSummary& summary) const;
  // Makes room, so that loading does not grow the indexes again and again.
  void reserve(const storage::SnapshotSummary& summary);
  // Takes all entries of a block into a book that was new before the first one. Of more rejections
  // than are to be remembered the newest stay. False: they make no sense.
  [[nodiscard]] bool load(storage::SnapshotSection section, storage::EntryReader& in,
                          std::uint32_t entries);

  // Makes a piece of the memory that further `orders` will take, be they confirmed or rejected, so
  // that it is not made while they come: the kernel clears what it gives, and on a virtual machine
  // the host may have to find it first (0.3 to 10 us for 4 KiB). A piece takes a millisecond at
  // the most, some more if the host has to find it. False: all of it is there.
  bool make_room(std::uint64_t orders) { return decided_.make_room(orders); }

  [[nodiscard]] std::optional<ItemRow> item(std::uint64_t id) const;
  [[nodiscard]] const ItemTable& items() const { return items_; }
  // Items are numbered from 0 on in the order in which they came, for ever.
  [[nodiscard]] ItemRow item_at(std::uint32_t position) const {
    return items_.row(items_[position]);
  }
  [[nodiscard]] std::uint32_t position_of(std::uint64_t id) const;  // the item exists
  // Up to `limit` items with id >= from in ascending order; the id after the page, if any.
  std::optional<std::uint64_t> page(std::uint64_t from, std::size_t limit,
                                    std::vector<ItemRow>& rows) const {
    return items_.page(from, limit, rows);
  }
  // Adds what there is to show of each item's promos at this sale time. Gives the lsn of the newest
  // command that it rests on. Names hold until the next change of a promo.
  Lsn add_promos(std::vector<ItemRow>& rows, std::int64_t sale_time_us) const;
  [[nodiscard]] const PromoTable& promos() const { return promos_; }
  [[nodiscard]] const std::vector<ParkedPromo>& parked_promos() const { return doubtful_; }
  [[nodiscard]] const ParkedPromo* parked_promo(std::uint64_t promo) const;  // null: it is not
  [[nodiscard]] std::size_t live_tickets() const { return tickets_.size(); }
  [[nodiscard]] std::uint64_t confirmed() const { return confirmed_; }
  [[nodiscard]] Books books() const;
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  using Known = DecidedRequests::Known;
  using KnownKind = DecidedRequests::Kind;

  // Of an order that rules have to do with: what they are looked up by.
  struct Ruled {
    const PromoTable::Promo* promo = nullptr;  // null: it names none, or none that exists
    const UserKeys* users = nullptr;
  };
  [[nodiscard]] Code refusal(const Request& order, std::uint32_t position) const;
  [[nodiscard]] Code refusal_by_item(const Request& order, std::uint32_t position) const;
  template <bool kRuled>
  void settle(const Request& order, const OrderKeys& keys, std::uint32_t position,
              const Ruled& ruled, OrderDecision& decision) const;
  [[nodiscard]] bool judge_rules(const Request& order, std::uint32_t position, std::int64_t now_ms,
                                 const Ruled& ruled, OrderDecision& decision) const;
  void refuse_by_sale(const Request& order, std::int64_t now_ms, const Ruled& ruled,
                      OrderDecision& decision) const;
  [[nodiscard]] std::uint64_t ticket_key(const UserKeys* users, std::uint64_t promo,
                                         std::string_view user) const {
    const bool made = users != nullptr && users->ticket != 0;
    return made ? users->ticket : TicketTable::key(promo, hasher_.user(user));
  }
  [[nodiscard]] std::uint64_t user_in_promo(const UserKeys* users, std::uint64_t promo,
                                            std::string_view user) const {
    const bool made = users != nullptr && users->user_in_promo != 0;
    return made ? users->user_in_promo : hasher_.user_in_promo(promo, user);
  }
  // One in a promo may come to nothing before its content is asked for.
  [[nodiscard]] std::uint64_t content(const Request& order, const OrderKeys& keys) const {
    if (order.promo == kNoNumber) return keys.content;
    return hasher_.order_content(order.item, order.user, order.qty, order.promo);
  }
  [[nodiscard]] std::optional<TicketTable::Ticket> live_ticket(std::uint64_t key,
                                                               std::int64_t now_ms) const;
  void judge_ticket(const PromoTable::Promo& promo, std::int64_t now_ms,
                    TicketDecision& decision) const;
  [[nodiscard]] Code refusal_by_ticket(const Request& order, const UserKeys* users,
                                       std::int64_t now_ms) const;
  void take_grant(const storage::TicketGrant& grant, Lsn lsn);
  void end_ticket(std::uint64_t promo, std::uint64_t user_hash);
  [[nodiscard]] bool replay_grant(const storage::TicketGrant& grant, Lsn lsn);
  [[nodiscard]] bool load_tickets(storage::SnapshotSection section, storage::EntryReader& in);
  [[nodiscard]] bool too_many_unpaid(const Request& order, std::uint32_t position,
                                     const Ruled& ruled) const;
  [[nodiscard]] bool limit_reached(const Request& order, std::uint32_t limit, const Ruled& ruled,
                                   OrderDecision& decision) const;
  [[nodiscard]] Answer answer_of(const Known& known) const;
  [[nodiscard]] bool is_of(const Known& known, std::string_view user) const;
  void add_fulfilment(const Known& known, Answer& answer) const;
  [[nodiscard]] ItemDecision decide_change(std::string_view request_id, std::uint64_t item,
                                           std::uint64_t content_hash) const;
  [[nodiscard]] ItemDecision decide_add(const ItemRequest& request, ItemDecision decision) const;
  [[nodiscard]] ItemDecision decide_set(const ItemRequest& request, ItemDecision decision) const;
  // Whose limits an order of this item, in this promo, counts against now. Null: in none.
  [[nodiscard]] static std::uint32_t counts_against(std::uint32_t limit,
                                                    const PromoTable::Promo* promo) {
    return (limit != 0 ? 1U : 0U) | (promo != nullptr && promo->put.limit_per_user != 0 ? 2U : 0U);
  }
  struct Confirmed {
    std::uint32_t item_position = 0;
    std::string_view user;
    std::uint32_t qty = 0;
    std::uint64_t promo = kNoNumber;
    std::uint32_t counted = 0;
    std::int64_t pay_by_ms = 0;
    std::int64_t unit_price_cents = 0;
    const UserKeys* users = nullptr;
  };
  void note_decision(std::uint64_t promo, std::int64_t decided_at_us);
  void confirm(const Confirmed& order, Lsn lsn, std::int64_t decided_at_us);
  void count_user(const Confirmed& order, std::uint64_t item, Lsn lsn);
  void hold(const Confirmed& order, std::uint64_t user_on_item, std::uint64_t user_in_promo,
            Lsn lsn);
  void set_time_to_pay(std::uint32_t position, const PromoTable::Promo* promo, std::int64_t now_ms,
                       OrderDecision& decision) const;
  // Unpaid units are counted where there is a bound of them, and where one was or is about to be:
  // there, by position or id, those of so many of the first orders in held_.
  using CountedAhead = std::unordered_map<std::uint64_t, std::uint32_t>;
  static constexpr std::uint32_t kAllHeld = 0xFFFFFFFF;
  [[nodiscard]] bool bounds_unpaid(std::uint32_t position) const;
  [[nodiscard]] bool bounds_unpaid_in(const PromoTable::Promo* promo) const;  // null: not
  [[nodiscard]] bool bounds_unpaid_in(std::uint64_t promo) const {
    return bounds_unpaid_in(promo == kNoNumber ? nullptr : promos_.find(promo));
  }
  [[nodiscard]] UnpaidUnits::Order unpaid_order(std::uint32_t held, std::uint32_t qty) const;
  [[nodiscard]] UnpaidUnits::Order unpaid_order(std::uint32_t held) const;
  void count_unpaid(std::uint32_t held, std::uint32_t position, std::uint32_t qty);
  void count_among_unpaid(std::uint32_t held, std::uint32_t qty);
  void uncount_unpaid(std::uint32_t held);
  template <class Count>
  bool count_on(std::uint32_t& next, std::uint32_t orders, Count&& count);
  static void on_bound(CountedAhead& counted, std::uint64_t key, bool before, bool now);
  [[nodiscard]] Fulfilment late_payment(const HeldOrders::Order& held, const Known& order) const;
  [[nodiscard]] FulfilmentDecision find_held(std::string_view order, Code unpayable) const;
  [[nodiscard]] FulfilmentDecision as_it_is(std::uint32_t held) const;
  [[nodiscard]] std::uint32_t held_order(Lsn order) const;  // its position in held_, or kNone
  [[nodiscard]] std::uint32_t last_held() const {           // there is one
    return static_cast<std::uint32_t>(held_.size() - 1);
  }
  void become(FulfilmentDecision& decision, Fulfilment to, std::string_view action,
              std::int64_t sale_time_us) const;
  [[nodiscard]] std::int64_t total_cents(std::uint32_t held) const;
  [[nodiscard]] bool replay_update(const std::vector<storage::Command>& set, Lsn lsn);
  [[nodiscard]] bool take_update(const std::vector<storage::Command>& set, Lsn lsn);
  void remember_payment(const storage::OrderUpdate& update, std::uint32_t held);
  void note_fulfilment(const storage::OrderUpdate& update);
  [[nodiscard]] bool moves_as_said(const std::vector<storage::Command>& set,
                                   FulfilmentDecision& decision) const;
  bool replay_order(const storage::Command& command, std::int64_t amount, Lsn lsn);
  bool replay_item_put(const storage::Command& command, std::int64_t amount, Lsn lsn);
  bool replay_promo_put(const storage::PromoPut& put, Lsn lsn);
  // A decision of the log as it is remembered.
  [[nodiscard]] Known confirmed_order(const storage::Command& command, std::uint32_t item_position,
                                      Lsn lsn) const;
  [[nodiscard]] static DecidedRequests::Rejection rejected_order(
      const storage::Rejection& rejection, std::uint32_t item_position, Lsn lsn);
  [[nodiscard]] static Known changed_item(const storage::RequestHash& hash, std::uint64_t content,
                                          std::uint32_t item_position, Lsn lsn);
  std::uint32_t close_item(std::uint64_t id);
  [[nodiscard]] bool is_closed(std::uint64_t id) const;
  [[nodiscard]] bool is_doubtful(std::uint64_t promo) const {
    return parked_promo(promo) != nullptr;
  }
  bool load_entry(storage::SnapshotSection section, storage::EntryReader& in);
  bool load_promo(storage::EntryReader& in);
  bool load_session(storage::SnapshotSection section, storage::EntryReader& in);
  bool load_payment(storage::SnapshotSection section, storage::EntryReader& in);
  bool load_decision(storage::SnapshotSection section, storage::EntryReader& in);

  RequestHasher hasher_;
  ItemTable items_;
  DecidedRequests decided_;
  UserTotals users_;
  PromoTable promos_;
  HeldOrders held_;
  UnpaidUnits unpaid_;
  TicketTable tickets_;
  SessionBook sessions_;
  std::int64_t tickets_ahead_ms_;
  CountedAhead counted_items_;
  CountedAhead counted_promos_;
  std::int64_t decided_at_us_ = 0;     // the latest since there are promos
  std::vector<std::uint64_t> closed_;  // ids of items with a parked decision; hardly ever any
  std::vector<ParkedPromo> doubtful_;  // likewise of promos
  std::uint64_t confirmed_ = 0;
};

}  // namespace stampede::actors
