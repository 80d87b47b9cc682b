#pragma once

// The checker's own picture of the log: every decision that was ever handed to the disk, in order,
// and how many of them are durable. Fed with the bytes on their way to the log, never with what the
// product believes.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "actors/sale/order_book.h"
#include "actors/sale/request_hash.h"
#include "storage/commands/command.h"
#include "storage/commands/sale_terms.h"
#include "storage/log/log_format.h"
#include "storage/mysql/database.h"
#include "test/sim/event_queue.h"

namespace stampede::sim {

using storage::Lsn;

struct LiveTicket {
  std::string id;
  std::int64_t expires_at_ms = 0;
};

struct Decision {
  enum class Kind : std::uint8_t {
    confirmed = 1,
    rejected,
    item_change,
    promo_change,
    fulfilment,
    grant,
    session
  };
  Kind kind = Kind::confirmed;
  Lsn lsn = 0;
  storage::RequestHash hash{};
  std::string id;    // not of rejections: the log holds the hash alone
  std::string user;  // confirmed
  std::uint64_t item = 0;
  std::uint32_t qty = 0;
  std::int64_t price = 0;
  std::int64_t decided_at_us = 0;
  Time appended = 0;                         // by the monotonic clock
  std::uint64_t promo = storage::kNoNumber;  // of an order, or put
  storage::PromoPut put{};                   // promo_change; without texts
  std::uint64_t content_hash = 0;
  std::uint64_t user_hash = 0;  // of a rejection
  storage::RejectReason reason = storage::RejectReason::invalid;
  std::int64_t amount = 0;  // of the item, after it
  std::int64_t total = 0;
  // As it was before, to take the decision back when a crash loses it.
  bool item_was_there = false;
  std::int64_t amount_before = 0;
  std::int64_t total_before = 0;
  storage::OwnedItemSale sale{};  // item_change: its rules; without texts, as the next
  storage::OwnedItemSale sale_before{};
  std::size_t same_id_before = SIZE_MAX;
  // Of an order that needs payment, and of what it becomes.
  std::int64_t pay_by_ms = 0;
  Lsn order = 0;
  storage::Fulfilment fulfilment = storage::Fulfilment::none;
  storage::Fulfilment fulfilment_before = storage::Fulfilment::none;
  std::int64_t moved = 0;  // units, back to the item
  // Of a ticket: its expiry; how many there are with it. And the live one that it replaces, or that
  // the decision ends.
  std::int64_t expires_at_ms = 0;
  std::uint64_t granted = 0;
  actors::SessionEvent what = actors::SessionEvent::invalid;  // session; `hash` is its own
  std::optional<LiveTicket> ticket_before{};
  std::int64_t latest_us = 0;  // of all decisions up to this one since there are promos
};

struct HeldTruth {
  storage::Fulfilment fulfilment = storage::Fulfilment::unpaid;
  std::vector<std::size_t> changes;  // among the decisions
};

struct ItemTruth {
  std::int64_t total = 0;
  std::int64_t amount = 0;
  std::int64_t price = 0;
  storage::OwnedItemSale sale{};
};

class LogModel {
 public:
  // Of every item; 0: none.
  void set_limit_per_user(std::uint32_t limit) { limit_per_user_ = limit; }
  void set_promo_limit(std::uint32_t limit) { promo_limit_ = limit; }  // of every promo
  void set_tickets_ahead_ms(std::int64_t ms) { tickets_ahead_ms_ = ms; }
  void set_uuid(const storage::LogUuid& uuid) { hasher_ = actors::RequestHasher(uuid); }

  // After this decision a wall clock was believed that may have stepped forward.
  void set_clock_believed(Lsn last) { clock_believed_ = last; }

  // Records on their way to the log, `now`; checks each against all before it. Returns the outcomes
  // among them in `outcomes`.
  void append(std::string_view records, Lsn first_lsn, Time now,
              std::vector<std::pair<storage::RecordType, storage::Outcome>>& outcomes);
  // The items of a database that no log has owned, logged by a first start.
  void import(const std::vector<storage::ItemRow>& items, std::uint64_t epoch);
  void synced() { durable_ = decisions_.size(); }
  // A restart read the log up to `last`: what was durable must be there, what was not may be lost.
  // `core` must remember exactly the same.
  void recovered(Lsn last, const actors::OrderBook& book);
  void forget_unsynced();  // the disk was put back by hand

  [[nodiscard]] const Decision* find(Lsn lsn) const;
  [[nodiscard]] bool durable(Lsn lsn) const;
  // The newest decision about a request id that is durable, or null.
  [[nodiscard]] const Decision* durable_about(std::string_view id) const;
  [[nodiscard]] storage::RequestHash hash(std::string_view id) const { return hasher_.id(id); }
  [[nodiscard]] std::uint64_t order_content(std::uint64_t item, std::string_view user,
                                            std::uint32_t qty, std::uint64_t promo) const {
    return hasher_.order_content(item, user, qty, promo);
  }
  [[nodiscard]] std::uint64_t user_hash(std::string_view user) const { return hasher_.user(user); }
  [[nodiscard]] const std::vector<Decision>& decisions() const { return decisions_; }
  [[nodiscard]] const std::map<std::uint64_t, ItemTruth>& items() const { return items_; }
  // The newest put of each promo, and its lsn.
  [[nodiscard]] std::map<std::uint64_t, const Decision*> promos() const;
  // The orders that need payment, or needed it, by lsn.
  [[nodiscard]] const std::map<Lsn, HeldTruth>& held() const { return held_; }
  // Whether this ticket was given by a decision that is durable.
  [[nodiscard]] bool durably_granted(std::uint64_t promo, std::string_view user,
                                     std::string_view id) const;
  // How many tickets a promo gave, and the lsn of the last.
  [[nodiscard]] std::pair<std::uint64_t, Lsn> granted(std::uint64_t promo) const;
  // Whether the order, by its lsn, was so at some moment that is durable.
  [[nodiscard]] bool durably_became(Lsn order, storage::Fulfilment fulfilment) const;
  // Whether a decision that is durable says so of the session: that it was opened, or has ended, in
  // whichever way.
  [[nodiscard]] bool durably_kept(const actors::SessionHash& session,
                                  actors::SessionEvent what) const;
  [[nodiscard]] std::uint64_t confirmed() const { return confirmed_; }
  [[nodiscard]] Lsn durable_lsn() const { return durable_ == 0 ? 0 : decisions_[durable_ - 1].lsn; }
  // Highest total that an item ever had: no more units can be sold.
  [[nodiscard]] std::int64_t highest_total(std::uint64_t item) const;

 private:
  void add(Decision&& decision);
  void take_back();
  void add_emit(std::string_view payload, Lsn lsn);
  void add_promo(const storage::PromoPut& put, Lsn lsn);
  // The newest put of a promo so far; null: none.
  [[nodiscard]] const Decision* promo(std::uint64_t id) const;
  void add_item(Lsn lsn);
  void check_promo(const Decision& order) const;
  void check_rules(const Decision& order) const;
  void add_grant(Lsn lsn);
  void check_ticket(const Decision& order) const;
  void end_ticket(Decision& decision, std::uint64_t user_hash);
  void compare_tickets(const actors::OrderBook& book) const;
  void count_unpaid(const Decision& order, std::int64_t qty);
  void add_fulfilment(Lsn lsn);
  void check_hold(const Decision& order, std::int64_t expired_at_us) const;
  void count_bought(const Decision& order, std::int64_t qty);
  void check_time(Decision& decision) const;
  void compare_promos(const actors::OrderBook& book) const;
  void add_reject(std::string_view payload, Lsn lsn);
  void add_session(std::string_view payload, Lsn lsn);
  struct Sessions {
    std::map<actors::SessionHash, actors::SessionEvent> ended;
    std::map<std::uint64_t, actors::SessionHash> newest;  // by user
  };
  // As the first so many decisions say it; none expires.
  [[nodiscard]] Sessions sessions(std::size_t decisions) const;
  void compare_sessions(const actors::OrderBook& book) const;
  [[nodiscard]] std::size_t position(Lsn lsn) const;
  void check_remembered(const actors::OrderBook& book) const;

  actors::RequestHasher hasher_{storage::LogUuid{}};
  std::vector<Decision> decisions_;
  std::vector<Lsn> lsns_;  // of `decisions_`, close together: they are searched all the time
  std::size_t durable_ = 0;
  Time now_ = 0;
  Lsn clock_believed_ = 0;
  std::map<std::uint64_t, ItemTruth> items_;
  std::map<std::uint64_t, std::int64_t> highest_total_;
  std::unordered_map<std::uint64_t, std::size_t> by_hash_;  // the newest decision
  std::uint64_t confirmed_ = 0;
  std::uint32_t limit_per_user_ = 0;
  std::uint32_t promo_limit_ = 0;
  std::map<Lsn, HeldTruth> held_;
  using TicketOf = std::pair<std::uint64_t, std::uint64_t>;   // promo, user's hash
  std::map<TicketOf, LiveTicket> tickets_;                    // given last, and not used
  std::map<std::uint64_t, std::vector<std::size_t>> grants_;  // by promo, among the decisions
  std::int64_t tickets_ahead_ms_ = 0;
  std::map<std::string, Lsn> payments_;                       // their ids
  std::map<std::uint64_t, std::vector<std::size_t>> promos_;  // their puts among the decisions
  std::map<std::pair<std::uint64_t, std::string>, std::uint64_t> bought_in_promo_;
  std::map<std::pair<std::uint64_t, std::string>, std::uint64_t> bought_;  // by item and user
  std::map<std::pair<std::uint64_t, std::string>, std::int64_t> unpaid_;   // likewise, units
  std::map<std::pair<std::uint64_t, std::string>, std::int64_t> unpaid_in_promo_;
  storage::CommandDecoder decoder_;
  std::vector<storage::Command> set_;
};

}  // namespace stampede::sim
