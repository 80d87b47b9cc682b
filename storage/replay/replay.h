#pragma once

// Folds the log's records into what is still owed to the database. The fate of a command:
//
//   executed    an EXEC names it
//   superseded  a later command of its type and business key is executed (of items, promos, what
//               they granted and updates of orders: an OrderInsert's key is the order itself, a
//               StockChange's its own lsn, so nothing ever stands in for them)
//   failed      a FAIL names it, no EXEC does: stays owed; its tries are the newest FAIL's
//   pending     none of these; an OPTM changes nothing
//
// Owed are therefore: every OrderInsert and StockChange without EXEC, of each item the newest
// ItemPut and the newest ItemAmountUpdate unless executed, of each promo the newest PromoPut and
// the newest TicketGrant and of each order the newest OrderUpdate likewise; applying those settles
// all that is older on the item, the promo or the order.
//
// Owner: the backend at its start (and tools that need no listing; storage/replay/fate_table has
// one). Thread-compatible: one thread. No I/O. Memory follows what is owed plus one state per item.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/commands/command.h"
#include "storage/log/log_format.h"
#include "storage/replay/newest_per_item.h"
#include "storage/replay/owed_orders.h"
#include "storage/result.h"
#include "storage/snapshot/snapshot_entries.h"

namespace stampede::storage {

struct OwedPut {
  std::uint64_t item = 0;
  Lsn lsn = 0;
  std::uint32_t position = 0;  // in its command set
  std::uint32_t tries = 0;     // refused so often by the database
  std::string_view payload;    // of its EMIT record
};

struct OwedPromo {  // a PromoPut or a TicketGrant
  std::uint64_t promo = 0;
  Lsn lsn = 0;
  std::uint32_t position = 0;
  std::uint32_t tries = 0;
  std::string_view payload;
};

struct OwedUpdate {
  Lsn order = 0;
  Lsn lsn = 0;
  std::uint32_t position = 0;
  std::uint32_t tries = 0;
  std::string_view payload;
};

struct OwedAmount {
  std::uint64_t item = 0;
  Lsn lsn = 0;
  std::uint32_t position = 0;
  std::uint32_t tries = 0;
  std::int64_t amount = 0;
};

struct Owed {
  std::vector<OwedOrder> orders;    // each in lsn order
  std::vector<OwedPut> puts;        // at most one per item
  std::vector<OwedAmount> amounts;  // at most one per item
  std::vector<OwedPromo> promos;    // at most one per promo
  std::vector<OwedPromo> grants;    // likewise
  std::vector<OwedUpdate> updates;  // at most one per order
  std::vector<OwedOrder> stock;     // StockChanges
};

struct ReplayCounts {
  std::uint64_t records = 0;
  std::uint64_t decisions = 0;  // EMIT, REJECT and REVOKE records
  std::uint64_t commands = 0;   // in EMIT records
  std::uint64_t owed = 0;       // to be applied: the sum of the next seven
  std::uint64_t owed_orders = 0;
  std::uint64_t owed_puts = 0;
  std::uint64_t owed_amounts = 0;
  std::uint64_t owed_promos = 0;
  std::uint64_t owed_grants = 0;
  std::uint64_t owed_updates = 0;
  std::uint64_t owed_stock = 0;
  std::uint64_t failed = 0;   // of those, how many the database has refused before
  std::uint64_t done = 0;     // named by an EXEC (an item's range counts once)
  std::uint64_t settled = 0;  // commands - owed: done, or a newer one stands in for them
};

// What each lane has stored last of each kind; lsn 0: nothing that is known. A database that was
// put back to an earlier moment lacks what some lane has stored last, however old that is: it may
// have been refused before, and come behind what is younger.
struct LastStored {
  struct OfLane {
    Lsn order = 0;
    ItemLsn put;
    ItemLsn amount;
    ItemLsn promo;  // its item is the promo, as of the next
    ItemLsn grant;
    ItemLsn update;  // its item is the order
    Lsn stock = 0;   // a StockChange
  };
  // What has one of these lsns is not known to have a row.
  void forget(const std::set<Lsn>& refused);

  std::map<std::uint32_t, OfLane> by_lane;  // from 0
  std::set<Lsn> newest_orders;              // of all lanes, the highest, whenever they were stored
  Lsn oldest_order = 0;                     // the lowest
  Lsn oldest_stock = 0;
};

class ReplayFold {
 public:
  // Takes the next record, of any type. Errc::corrupt when the payload is not what its type says,
  // naming the lsn, Errc::version when it needs a higher feature level than a backend of this
  // program acts on; the fold is then useless.
  Status record(const RecordView& record);
  // The same for an EMIT whose payload the caller has decoded already, and found is_kept().
  Status emit(Lsn lsn, std::string_view payload, const std::vector<Command>& set);

  [[nodiscard]] ReplayCounts counts() const;
  // By the EXECs that were folded: a snapshot does not keep it.
  [[nodiscard]] const LastStored& last_stored() const { return last_stored_; }

  // Snapshots: what is owed, and the numbers of the log so far (its own fields of a summary).
  void count(SnapshotSummary& summary) const;
  void save(SnapshotSink& sink) const;
  void save_updates(SnapshotSink& sink) const;  // and StockChanges, whose sections come later
  void save_grants(SnapshotSink& sink) const;   // likewise
  // Into a new fold: the summary first, then the blocks of its sections, copying payloads.
  // False: they make no sense.
  void load(const SnapshotSummary& summary);
  [[nodiscard]] bool load(const SnapshotBlock& block);

  // Payloads stay valid until the fold is fed again or destroyed; moving it keeps those of orders.
  [[nodiscard]] Owed owed() const;

 private:
  Status emit(const RecordView& record);
  Status revoke(const RecordView& record);
  [[nodiscard]] bool load(SnapshotSection section, const SnapshotOwed& owed);
  [[nodiscard]] bool load(SnapshotSection section, const SnapshotOwed& owed,
                          const Command& command);
  Status exec(const RecordView& record);
  std::uint64_t settle_orders(Lsn from, Lsn to);
  std::uint64_t settle_stock(Lsn from, Lsn to);
  void note(const ItemLsn& stored, ItemLsn LastStored::OfLane::*kind);
  Status fail(const RecordView& record);
  void take(Lsn lsn, std::string_view payload, const std::vector<Command>& set);

  OwedOrders orders_;
  NewestPerItem<std::string> puts_;  // the value is the payload
  NewestPerItem<std::int64_t> amounts_;
  NewestPerItem<std::string> promos_;  // by promo; the value is the payload
  NewestPerItem<std::string> grants_;  // likewise
  NewestPerItem<std::string, OnceExecuted::forgotten> updates_;  // by order, likewise
  OwedOrders stock_;     // StockChanges, which nothing stands in for either
  ReplayCounts counts_;  // records, decisions, commands, and done of the item commands
  Lsn last_lsn_ = 0;
  LastStored last_stored_;
  std::pair<SnapshotSection, Lsn> last_loaded_{};
  CommandDecoder decoder_;
  std::vector<Command> set_;  // kept for their memory
  Outcome outcome_;
};

// What every reader of outcome payloads must refuse: numbers that are no pairs (triples), ranges
// that run backwards.
[[nodiscard]] bool valid_exec(const Outcome& outcome);
[[nodiscard]] bool valid_fail(const Outcome& outcome);
[[nodiscard]] bool valid_optm(const Outcome& outcome);
// And what they say about it.
Error unreadable_record(std::string_view what, Lsn near);
Error unread_record_type(RecordType type);

// Whether what was decoded from `record` may stand in a segment of its level.
Status fits_segment(std::string_view what, const RecordView& record, FeatureLevel needed);
// The same, and that a backend of this program acts on it.
Status is_kept(std::string_view what, const RecordView& record, FeatureLevel needed);
// Of an EMIT's set, command by command, and of what became of commands.
Status is_kept(const RecordView& record, const std::vector<Command>& set);
Status is_kept(std::string_view what, const RecordView& record, const Outcome& outcome);
[[nodiscard]] bool is_acted_on(const std::vector<Command>& set);
Error not_acted_on(std::string_view what, FeatureLevel level);
// Of a log or snapshot as a whole.
Status is_kept(std::string_view what, FeatureLevel level);
// HA, HASH, CONFIG, CLAIM, REVOKE: Errc::corrupt when the payload is not what its type says.
Status readable_control(CommandDecoder& decoder, const RecordView& record, Lsn near);

}  // namespace stampede::storage
