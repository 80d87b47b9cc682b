#pragma once

// What the command log says at one position: every confirmed order and every item's stock, added up
// anew from the commands alone (and, when the oldest segments are gone, from the snapshot that
// stands for them), and the violations that the log shows by itself. `stampede verify` holds memory
// and database against it. Also: what the log's end says is not in the database yet.
//
// Owner: verify; one thread. Memory: 24 bytes per confirmed order, about 200 more for one that
// needs payment, plus the items, the users of items that have a limit, and what is owed to the
// database.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "actors/sale/ticket_table.h"
#include "storage/log/log_reader.h"
#include "storage/mysql/database.h"
#include "storage/replay/replay.h"
#include "tools/log/log_beginning.h"
#include "tools/log/remembered_holds.h"

namespace stampede::tools {

// Violations counted, and the first of them in words.
class Findings {
 public:
  void add(std::string text);
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] const std::vector<std::string>& texts() const { return texts_; }

 private:
  static constexpr std::size_t kTextsMax = 20;
  std::uint64_t count_ = 0;
  std::vector<std::string> texts_;
};

struct LedgerOrder {
  storage::Lsn lsn = 0;
  std::uint64_t content = 0;  // order_content(); remembered_content() of one from a snapshot
};

struct LedgerItem {
  storage::OwnedItemTerms terms;
  storage::OwnedItemSale sale;
  std::int64_t amount = 0;
  std::int64_t sold = 0;         // sum of the orders in this log
  std::int64_t sold_before = 0;  // before this log: total - amount where it begins
  std::int64_t journal = 0;      // the sum of stock_journal
  storage::Lsn put_lsn = 0;      // of the last ItemPut
  storage::Lsn lsn = 0;          // of the last ItemAmountUpdate
};

struct LedgerPromo {
  storage::OwnedPromo promo;  // as it was put last
  storage::Lsn put_lsn = 0;
  std::uint64_t granted = 0;  // tickets
  storage::Lsn lsn = 0;       // of the last TicketGrant
};

// An order that needs payment.
struct LedgerHeld {
  std::uint64_t item = 0;
  std::uint32_t qty = 0;
  std::uint32_t counted = 0;  // as in storage::OrderSale
  std::uint64_t user_on_item = 0;
  std::uint64_t user_in_promo = 0;
  std::int64_t total_cents = 0;
  std::int64_t pay_by_ms = 0;  // 0: not known
  storage::Fulfilment fulfilment = storage::Fulfilment::unpaid;
  storage::Lsn lsn = 0;            // of its last OrderUpdate that the log has; 0: none
  storage::Lsn owed_lsn = 0;       // of the one that the database lacks; 0: none
  std::uint64_t payment = 0;       // half of its id's keyed hash; 0: none has paid
  std::int64_t changed_at_us = 0;  // 0: it is unpaid; of one from a snapshot whole milliseconds
};

// The same for a command of the log and for a row of the database; `promo`: storage::kNoNumber for
// none.
std::uint64_t order_content(std::string_view request_id, std::uint64_t item, std::string_view user,
                            std::uint32_t qty, std::int64_t unit_price_cents, std::uint64_t promo);

class Ledger : public storage::LogVisitor {
 public:
  // Orders and items are taken up to `up_to`; outcomes to the end of the log.
  explicit Ledger(storage::Lsn up_to) : up_to_(up_to) {}

  // What was before the log that will be read, when its start is gone. Call first.
  void begin_with(SnapshotContents&& before);

  storage::Status on_log(const storage::LogIdentity& log) override;
  storage::Status on_record(const storage::BatchInfo& batch,
                            const storage::RecordView& record) override;
  // Call once, after the whole log was read: looks for request ids that were confirmed twice.
  void close();

  // The content of a row, to be compared with that of the ledger's order of the same lsn.
  [[nodiscard]] std::uint64_t content_of(const storage::StoredOrder& row) const;

  [[nodiscard]] const storage::LogUuid& uuid() const { return uuid_; }
  [[nodiscard]] storage::Lsn last_lsn() const { return last_lsn_; }
  [[nodiscard]] const std::vector<LedgerOrder>& orders() const { return orders_; }
  [[nodiscard]] const std::map<std::uint64_t, LedgerItem>& items() const { return items_; }
  [[nodiscard]] const std::map<std::uint64_t, LedgerPromo>& promos() const { return promos_; }
  [[nodiscard]] const std::map<storage::Lsn, LedgerHeld>& held() const { return held_; }
  // In the order of their lsns.
  [[nodiscard]] const std::vector<storage::StockChangeRow>& stock() const { return stock_; }
  // Those that the database must have of the log, and of what is remembered those that were owed.
  [[nodiscard]] const std::vector<storage::Lsn>& stock_lsns() const { return stock_lsns_; }
  // Up to here orders and StockChanges are from a snapshot, which has their sums alone.
  [[nodiscard]] storage::Lsn remembered_to() const { return remembered_to_; }
  [[nodiscard]] const RememberedHolds& remembered() const { return remembered_; }
  [[nodiscard]] const actors::RequestHasher& hasher() const { return hasher_; }
  [[nodiscard]] std::uint64_t doubled() const { return doubled_; }
  [[nodiscard]] std::int64_t oversold() const { return oversold_; }  // units, at the worst moment
  [[nodiscard]] std::uint64_t over_limit() const { return over_limit_; }  // orders
  [[nodiscard]] const Findings& findings() const { return findings_; }

  enum class Owed { no, pending, failed };
  [[nodiscard]] Owed owed_order(storage::Lsn lsn) const;
  [[nodiscard]] Owed owed_put(std::uint64_t item) const;
  [[nodiscard]] Owed owed_amount(std::uint64_t item) const;
  [[nodiscard]] Owed owed_promo(std::uint64_t promo) const;
  [[nodiscard]] Owed owed_grant(std::uint64_t promo) const;
  [[nodiscard]] Owed owed_update(storage::Lsn order) const;
  [[nodiscard]] Owed owed_stock(storage::Lsn lsn) const;
  [[nodiscard]] std::uint64_t failed() const { return fold_.counts().failed; }

 private:
  storage::Status emit(const storage::RecordView& record);
  void take_put(const storage::Command& command, std::int64_t amount, storage::Lsn lsn);
  void take_order(const storage::Command& command, std::int64_t amount, storage::Lsn lsn);
  void take_promo(const storage::PromoPut& put, storage::Lsn lsn);
  void take_grant(const storage::TicketGrant& grant, storage::Lsn lsn);
  storage::Status reject(const storage::RecordView& record);
  void take_update(const storage::OrderUpdate& update, storage::Lsn lsn);
  void move_units(LedgerHeld& held, std::int64_t delta, storage::Lsn lsn);
  void check_limit(const LedgerItem& item, const storage::OrderInsert& order, storage::Lsn lsn);
  void check_promo(const storage::Command& command, storage::Lsn lsn);
  void count_against(std::int64_t limit, std::uint64_t user, std::uint32_t qty,
                     const std::string& of, storage::Lsn lsn);
  void note_oversold(std::uint64_t id, const LedgerItem& item, storage::Lsn lsn);

  storage::Lsn up_to_;
  storage::LogUuid uuid_{};
  actors::RequestHasher hasher_{uuid_};
  storage::Lsn remembered_to_ = 0;  // up to here orders are from a snapshot
  storage::Lsn last_lsn_ = 0;
  std::vector<LedgerOrder> orders_;  // ascending by lsn
  std::vector<std::uint64_t> ids_;   // keyed hashes of the request ids
  std::map<std::uint64_t, LedgerItem> items_;
  std::map<std::uint64_t, LedgerPromo> promos_;
  actors::TicketTable tickets_;  // that are live
  // By user on item or in promo, where limits hold.
  std::unordered_map<std::uint64_t, std::int64_t> bought_;
  std::map<storage::Lsn, LedgerHeld> held_;  // by order
  std::vector<storage::StockChangeRow> stock_;
  std::vector<storage::Lsn> stock_lsns_;  // made by close()
  RememberedHolds remembered_;
  std::unordered_map<std::uint64_t, storage::Lsn> payments_;  // keyed hashes of their ids: orders
  std::uint64_t doubled_ = 0;
  std::int64_t oversold_ = 0;
  std::uint64_t over_limit_ = 0;
  Findings findings_;

  storage::ReplayFold fold_;
  std::vector<std::pair<storage::Lsn, bool>> owed_orders_;  // lsn, failed
  std::map<std::uint64_t, bool> owed_puts_;                 // item, failed
  std::map<std::uint64_t, bool> owed_amounts_;
  std::map<std::uint64_t, bool> owed_promos_;   // promo, failed
  std::map<std::uint64_t, bool> owed_grants_;   // likewise
  std::map<std::uint64_t, bool> owed_updates_;  // order, failed
  std::map<std::uint64_t, bool> owed_stock_;    // lsn, failed
  storage::CommandDecoder decoder_;
  std::vector<storage::Command> set_;  // kept for their memory
};

}  // namespace stampede::tools
