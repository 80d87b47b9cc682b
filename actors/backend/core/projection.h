#pragma once

// What the log still owes the database, and which lane writes it next. Pure and single-threaded.
//
// OrderInserts go to any free lane as whole log appends, in lsn order. Item commands are absolute,
// so only an item's newest one is written (the ones left out are OPTM); one item's commands always
// go to lane(item). The same holds of promos, of what they granted, and of what confirmed orders
// become: an OrderUpdate goes to lane(order), once the order's row is committed or refused.
// StockChanges go each for itself to lane(item). A lane writes all these when no inserts wait, or
// after ProjectionLimits::batches_between_items insert batches.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "actors/memory/block_vector.h"
#include "actors/memory/record_memory.h"
#include "storage/commands/command.h"
#include "storage/log/log_format.h"

namespace stampede::actors {

using storage::Lsn;

// What an item's newest ItemPut says. It changes seldom.
struct ItemDetails {
  Lsn first = 0;  // lsn of the oldest ItemPut this one stands for
  Lsn last = 0;   // its own
  storage::OwnedItemTerms terms;
  storage::OwnedItemSale sale;
};

// What a log append did to an item: the newest state that it left behind.
struct ItemChange {
  std::uint64_t item = 0;
  std::uint32_t position = 0;  // the item's place in the book
  Lsn first = 0;               // lsn of the oldest amount update this one stands for
  Lsn last = 0;                // lsn of the newest
  std::int64_t amount = 0;
  std::shared_ptr<const ItemDetails> put;  // null: no ItemPut
};

// A PromoPut that is owed.
struct PromoChange {
  std::uint64_t promo = 0;
  Lsn first = 0;          // lsn of the oldest PromoPut this one stands for
  Lsn last = 0;           // its own
  storage::PromoPut put;  // as it was put; request_id is empty, name is of `name`
  std::shared_ptr<const std::string> name;
};

// A TicketGrant that is owed: how many the promo has given.
struct GrantChange {
  Lsn first = 0;  // lsn of the oldest TicketGrant of the promo this one stands for
  Lsn last = 0;   // its own
  std::uint64_t promo = 0;
  std::uint64_t item = 0;
  std::uint64_t granted = 0;
};

// An OrderUpdate that is owed.
struct OrderChange {
  Lsn first = 0;                // lsn of the oldest OrderUpdate of the order this one stands for
  Lsn last = 0;                 // its own
  storage::OrderUpdate update;  // action_id is empty, its text is `action`
  std::string action;

  [[nodiscard]] storage::OrderUpdate view() const {  // as long as this stands where it does
    auto view = update;
    view.action_id = action;
    return view;
  }
};

// A StockChange that is owed.
struct StockEntry {
  Lsn lsn = 0;
  storage::StockChange change;
};

// A run of log records that went to the log as one piece. Immutable once it is sent to the log.
struct Append {
  std::string_view records;     // framed records, as in the log
  std::uint32_t count = 0;      // records
  std::uint32_t decisions = 0;  // among them
  std::uint32_t inserts = 0;    // OrderInserts among them
  Lsn first_lsn = 0;            // of the first decision (or the next lsn when there is none)
  Lsn last_lsn = 0;             // of the last decision, 0 without one
  storage::FeatureLevel level = storage::FeatureLevel::format_1;  // what its records need
  std::vector<PromoChange> promos;                                // of the PromoPuts among them
  std::vector<GrantChange> grants;                                // of the TicketGrants
  std::vector<OrderChange> updates;                               // of the OrderUpdates
  std::vector<StockEntry> stock;                                  // of the StockChanges
  std::vector<Lsn> lsns;               // only when the decisions are not contiguous (replay)
  std::shared_ptr<const void> memory;  // what `records` lies in

  void keep(KeptBytes kept) {
    records = kept.bytes;
    memory = std::move(kept.owner);
  }
};
using AppendPtr = std::shared_ptr<const Append>;

// One transaction's worth of work for one lane.
struct LaneWork {
  std::uint32_t lane = 0;
  std::vector<AppendPtr> inserts;  // every OrderInsert in them, ascending lsn
  std::vector<ItemChange> items;
  std::vector<PromoChange> promos;
  std::vector<GrantChange> grants;
  std::vector<OrderChange> updates;
  std::vector<StockEntry> stock;
  std::uint64_t insert_count = 0;

  [[nodiscard]] std::uint64_t keyed_rows() const {
    return items.size() + promos.size() + grants.size() + updates.size() + stock.size();
  }
  [[nodiscard]] bool keyed() const { return keyed_rows() > 0; }
  [[nodiscard]] std::uint64_t rows() const { return insert_count + keyed_rows(); }
};

// What came of it: positions of failed rows; everything else is committed.
struct FailedCommand {
  storage::CommandKind kind = storage::CommandKind::invalid;
  Lsn lsn = 0;
  std::uint64_t item = 0;  // of a PromoPut or TicketGrant: the promo, of an OrderUpdate: the order,
                           // of a StockChange: its lsn
  unsigned error = 0;      // the server's error number
};

struct OutcomeRecord {
  storage::RecordType type = storage::RecordType::invalid;  // exec, fail or optm
  storage::Outcome outcome;
};

struct ProjectionLimits {
  std::uint32_t lanes = 2;
  std::uint64_t rows_max = 1000;   // inserts per lane batch; a single append may be larger
  std::uint64_t items_max = 1000;  // item commands per lane batch
  std::uint32_t batches_between_items = 50;
};

class Projection {
 public:
  explicit Projection(ProjectionLimits limits);

  // Takes what has become durable (or, at start, is still owed): an append and its item changes, in
  // lsn order.
  void add(const AppendPtr& append, std::span<const ItemChange> items);

  // At a start: the database has refused a command, which is owed, so often before. Kept for good;
  // there are as many as FAILs without an EXEC.
  void tried_before(storage::CommandKind kind, Lsn lsn, std::uint32_t tries) {
    tries_[{lsn, kind}] = tries;
  }

  // The next work of each lane that is free; marks those lanes busy.
  void dispatch(std::vector<LaneWork>& out);

  // Lane `lane` has committed its work but for `failed`. Appends the outcome records (EXEC, OPTM,
  // FAIL) to `outcomes`.
  void done(std::uint32_t lane, const std::vector<FailedCommand>& failed,
            std::vector<OutcomeRecord>& outcomes);

  // The newest durable amount of an item that was added with this position, and its lsn.
  [[nodiscard]] const ItemChange& newest(std::uint32_t position) const { return newest_[position]; }
  [[nodiscard]] bool stored(Lsn lsn) const;  // the order's row is committed
  // Inserts, changed items, promos and orders, what promos granted, StockChanges.
  [[nodiscard]] std::uint64_t owed() const;
  [[nodiscard]] std::uint64_t failed() const {
    return failed_inserts_.size() + failed_keyed_.size();
  }
  [[nodiscard]] bool idle() const;  // nothing owed, no lane busy
  // Of the orders, their updates and the StockChanges; 0 when none is owed.
  [[nodiscard]] Lsn oldest_owed() const;

 private:
  struct Lane {
    bool busy = false;
    std::uint32_t batches_since_items = 0;
    LaneWork work;                                // while busy
    std::deque<std::uint32_t> dirty;              // positions of changed items, oldest first
    std::map<std::uint64_t, PromoChange> promos;  // owed
    std::map<std::uint64_t, GrantChange> grants;  // owed, by promo
    std::map<Lsn, OrderChange> updates;           // owed, by order
    std::deque<StockEntry> stock;                 // owed
  };
  void add_promo(const PromoChange& change);
  void add_grant(const GrantChange& change);
  void add_update(const OrderChange& change);
  [[nodiscard]] bool owes_update(Lsn order, Lsn first) const;
  void forget_settled_updates();
  [[nodiscard]] bool insert_pending(Lsn order, const LaneWork& next) const;
  void fill_promos(Lane& lane, LaneWork& work);
  void fill_grants(Lane& lane, LaneWork& work);
  void fill_updates(Lane& lane, LaneWork& work);
  void fill_stock(Lane& lane, LaneWork& work);
  void add_item(const ItemChange& change);
  void add_failure(storage::Outcome& fail, const FailedCommand& failed) const;
  void insert_outcomes(const LaneWork& work, const std::vector<FailedCommand>& failed,
                       std::vector<OutcomeRecord>& out) const;
  struct KeyedCommand {  // one kind's view of an ItemChange or PromoChange
    std::uint64_t key;
    Lsn first;
    Lsn last;
  };
  void keyed_outcomes(std::uint32_t lane, storage::CommandKind kind,
                      const std::vector<KeyedCommand>& commands,
                      const std::vector<FailedCommand>& failed, std::vector<OutcomeRecord>& out);
  void fill_inserts(LaneWork& work);
  void fill_items(Lane& lane, LaneWork& work);

  ProjectionLimits limits_;
  std::vector<Lane> lanes_;
  // By position. What no lane has taken yet has a `first` or a `put`.
  BlockVector<ItemChange, 256> newest_;
  std::deque<AppendPtr> queue_;
  std::uint64_t queued_inserts_ = 0;
  std::uint64_t busy_inserts_ = 0;
  std::uint64_t dirty_items_ = 0;
  std::uint64_t busy_items_ = 0;
  std::uint64_t owed_promos_ = 0;  // dirty or busy, as the next three
  std::uint64_t owed_grants_ = 0;
  std::uint64_t owed_updates_ = 0;
  std::uint64_t owed_stock_ = 0;
  std::deque<std::pair<Lsn, Lsn>>
      update_firsts_;  // (first, order), as they came; the front is owed
  // Refused before this process; FAIL counts on from it.
  std::map<std::pair<Lsn, storage::CommandKind>, std::uint32_t> tries_;
  std::map<Lsn, unsigned> failed_inserts_;
  // The command of each item or promo, of each kind, that was refused last; a later EXEC of the
  // same kind clears it.
  std::map<std::pair<std::uint64_t, storage::CommandKind>, Lsn> failed_keyed_;
};

// Of the ItemPut that was decided at `lsn`.
std::shared_ptr<const ItemDetails> item_details(const storage::ItemPut& put,
                                                const storage::ItemSale& sale, Lsn lsn);
// Of the PromoPut that was decided at `lsn`.
PromoChange promo_change(const storage::PromoPut& put, Lsn lsn);
GrantChange grant_change(const storage::TicketGrant& grant, Lsn lsn);
OrderChange order_change(const storage::OrderUpdate& update, Lsn lsn);

}  // namespace stampede::actors
