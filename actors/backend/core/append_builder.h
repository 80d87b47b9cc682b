#pragma once

// Turns decisions and outcomes into the log's next append: framed records in the order in which
// they were decided, and beside them what they did to items (changes of one item that follow each
// other are one). Owned by BackendCore; pure, one thread.
//
// Memory: the records of an append are copied when it is closed: those with orders, which the
// database is owed, apart from the others, which are gone once they are durable. A list of changes
// that is no longer needed is given back (reuse), so that none is allocated while orders come.
//
// Limits: full() says when to close; an append may exceed it by what was decided in one batch.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/backend/core/projection.h"
#include "actors/memory/record_memory.h"
#include "actors/sale/order_book.h"
#include "actors/sale/request.h"

namespace stampede::actors {

class AppendBuilder {
 public:
  explicit AppendBuilder(std::uint64_t inserts_max) : inserts_max_(inserts_max) {}

  // The level that the log has so far: records are written in its format, and the first one that
  // needs more raises it, for itself and all that follow.
  void go_on_in(storage::FeatureLevel level) { level_ = level; }

  // Decisions, in the order of their lsns.
  void add_confirmed(const Request& request, const OrderDecision& decision, std::int64_t now_us,
                     Lsn lsn);
  void add_rejected(const OrderDecision& decision, std::int64_t now_us, Lsn lsn);
  void add_promo(const PromoDecision& decision, Lsn lsn);
  void add_grant(const storage::TicketGrant& grant, Lsn lsn);
  void add_session(const SessionChange& change, Lsn lsn);
  void add_item(const ItemDecision& decision, Lsn lsn);
  void add_fulfilment(const FulfilmentDecision& decision, Lsn lsn);
  void add_outcome(const OutcomeRecord& record);

  [[nodiscard]] bool empty() const { return append_ == nullptr; }
  [[nodiscard]] std::size_t bytes() const { return records_.size(); }  // of its records
  [[nodiscard]] bool full() const {
    return append_ && (records_.size() >= kBytesMax || append_->inserts >= inserts_max_);
  }

  struct Built {
    AppendPtr append;
    std::vector<ItemChange> changes;
  };
  // What was added since; not when empty. `next`: the lsn of the next decision.
  [[nodiscard]] Built close(Lsn next);
  void reuse(std::vector<ItemChange>&& changes);  // of an append that is done with

  // Makes a piece of the memory that `orders` more will take, see OrderBook::make_room.
  bool make_room(std::uint64_t orders) { return owed_records_.make_room(orders * kRecordBytes); }

 private:
  static constexpr std::size_t kBytesMax = 256 * 1024;  // a log batch is one or more whole appends
  static constexpr std::size_t kRecordBytes = 100;      // of a confirmed order with a short id

  // Around what writes a record's payload to the end of records_.
  void begin_record(storage::RecordType type, storage::FeatureLevel needed);
  void end_record();
  void count_decision(Lsn lsn);
  void note_amount(std::uint64_t item, std::uint32_t position, std::int64_t amount, Lsn lsn);

  std::uint64_t inserts_max_;
  storage::FeatureLevel level_ = storage::FeatureLevel::format_1;
  std::shared_ptr<Append> append_;                      // being filled; null when empty
  storage::ByteBuffer records_;                         // its records
  std::string payload_;                                 // of a rare one; kept for its memory
  std::size_t record_begin_ = 0;                        // of the one that is being written
  std::vector<ItemChange> changes_;                     // its item changes
  std::vector<std::vector<ItemChange>> spare_changes_;  // empty; kept for their memory
  RecordMemory owed_records_;
  RecordMemory passing_records_;
};

}  // namespace stampede::actors
