#pragma once

// The entries of a snapshot's sections as values; documented byte by byte in snapshot_format.md.
// encode() hands out one entry, valid until the writer is used again. decode() takes the next entry
// of a block; false: the bytes make no sense, the block is then not to be trusted.
// Pure functions; texts of decoded entries point into the block.

#include <cstdint>
#include <string_view>

#include "storage/commands/command.h"
#include "storage/snapshot/snapshot_format.h"

namespace stampede::storage {

struct SnapshotSummary {
  // Entries in each of the other sections.
  std::uint64_t items = 0;
  std::uint64_t users = 0;
  std::uint64_t known = 0;
  std::uint64_t rejections = 0;
  std::uint64_t owed_orders = 0;
  std::uint64_t owed_puts = 0;
  std::uint64_t owed_amounts = 0;
  std::uint64_t owed_promos = 0;  // from level `sale` on, as the next
  std::uint64_t promos = 0;
  std::uint64_t decided_at_us = 0;  // of the latest decision since there are promos
  // Not there when all are 0, as in a sale without payment.
  std::uint64_t owed_updates = 0;
  std::uint64_t owed_stock = 0;
  std::uint64_t held = 0;
  std::uint64_t payments = 0;
  // Not there when all are 0, as in a sale without tickets.
  std::uint64_t owed_grants = 0;
  std::uint64_t grants = 0;
  std::uint64_t tickets = 0;
  // Not there when both are 0, as in a sale in which no session has ended.
  std::uint64_t ended_sessions = 0;
  std::uint64_t newest_sessions = 0;
  // Of the log up to here.
  std::uint64_t records = 0;
  std::uint64_t decisions = 0;  // EMIT, REJECT and REVOKE records
  std::uint64_t commands = 0;   // in EMIT records
  std::uint64_t done = 0;       // of those, named by an EXEC
  Lsn last_emit = 0;
  Lsn max_executed = 0;  // the highest lsn that an EXEC names
  // How many rejections were to be remembered when this was made.
  std::uint64_t rejections_max = 0;

  friend bool operator==(const SnapshotSummary&, const SnapshotSummary&) = default;
};

struct SnapshotItem {
  std::uint64_t id = 0;
  ItemTerms terms;
  std::int64_t amount = 0;  // left; total - amount are sold
  Lsn put_lsn = 0;          // of the last ItemPut
  Lsn lsn = 0;              // of the last change of any kind
  ItemSale sale{};          // without its decided_at_us
};

struct SnapshotUser {
  std::uint64_t key = 0;  // keyed hash of (item, user)
  std::uint64_t qty = 0;
};

// What a decided request id is remembered by.
enum class KnownKind : std::uint8_t { confirmed = 1, rejected = 2, item_change = 3 };
struct KnownDecision {
  RequestHash hash{};
  std::uint64_t content = 0;  // keyed hash of what a repeat must have in common with it
  Lsn lsn = 0;
  std::uint32_t item_position = 0;  // of the item, in the items section
  std::uint16_t qty = 0;
  KnownKind kind = KnownKind::confirmed;
  RejectReason reason = RejectReason::invalid;
};
inline constexpr std::size_t kKnownDecisionBytes = 40;

struct KnownRejection {
  KnownDecision decision;
  std::uint64_t user_hash = 0;  // of its REJECT; 0 in format 1
};

struct SnapshotPromo {
  PromoPut put;  // without its request_id
  Lsn put_lsn = 0;
  std::int64_t last_order_ms = -1;  // when the newest order in it was decided; -1: none was
};

// A confirmed order that needs payment.
struct SnapshotHeld {
  Lsn lsn = 0;                     // of the order
  std::uint64_t user_on_item = 0;  // what its units count by: keyed hashes
  std::uint64_t user_in_promo = 0;
  std::int64_t unit_price_cents = 0;
  std::uint64_t promo = kNoNumber;
  std::int64_t at_ms = 0;  // unpaid: when the time to pay ends; else when it became what it is
  Fulfilment fulfilment = Fulfilment::unpaid;
  std::uint8_t counted = 0;  // as in OrderSale; after an expiry as well
};

struct SnapshotPayment {
  RequestHash hash{};  // of its id
  Lsn order = 0;
};

// How many tickets a promo gave.
struct SnapshotGrant {
  std::uint64_t promo = 0;
  std::uint64_t granted = 0;
  Lsn lsn = 0;  // of the newest TicketGrant
};

// A ticket that is live.
struct SnapshotTicket {
  std::uint64_t key = 0;  // keyed hash of its promo and user
  std::int64_t expires_at_ms = 0;
  std::string_view id;
};

// A session that has ended before its token expires.
struct SnapshotEndedSession {
  RequestHash session{};  // of its user and its id
  Lsn lsn = 0;            // of the decision
  std::int64_t until_ms = 0;
  std::uint8_t what = 0;  // as in REVOKE: 1 to 3
};

// The newest session of a user who has one at a time.
struct SnapshotNewestSession {
  std::uint64_t user = 0;  // keyed hash
  RequestHash session{};
  Lsn lsn = 0;
  std::int64_t until_ms = 0;
};

// A command that is still owed; which fields count is said by its section.
struct SnapshotOwed {
  std::uint64_t item = 0;  // puts and amounts; promos, grants: the promo; updates: the order
  Lsn lsn = 0;
  std::uint32_t position = 0;  // in its command set
  std::uint32_t tries = 0;     // the database refused it so often; format 1: 0 or 1
  std::int64_t amount = 0;     // amounts
  std::string_view payload;    // all others: of the EMIT record
};

std::string_view encode(EntryWriter& out, const SnapshotSummary& entry);
std::string_view encode(EntryWriter& out, const SnapshotItem& entry);
std::string_view encode(EntryWriter& out, const SnapshotUser& entry);
std::string_view encode(EntryWriter& out, const KnownDecision& entry);
std::string_view encode(EntryWriter& out, const KnownRejection& entry);
std::string_view encode(EntryWriter& out, const SnapshotPromo& entry);
std::string_view encode(EntryWriter& out, const SnapshotHeld& entry);
std::string_view encode(EntryWriter& out, const SnapshotPayment& entry);
std::string_view encode(EntryWriter& out, const SnapshotGrant& entry);
std::string_view encode(EntryWriter& out, const SnapshotTicket& entry);
std::string_view encode(EntryWriter& out, const SnapshotEndedSession& entry);
std::string_view encode(EntryWriter& out, const SnapshotNewestSession& entry);
std::string_view encode(EntryWriter& out, const SnapshotOwed& entry);

[[nodiscard]] bool decode(EntryReader& in, SnapshotSummary& entry);
[[nodiscard]] bool decode(EntryReader& in, SnapshotItem& entry);
[[nodiscard]] bool decode(EntryReader& in, SnapshotUser& entry);
[[nodiscard]] bool decode(EntryReader& in, KnownDecision& entry);
[[nodiscard]] bool decode(EntryReader& in, KnownRejection& entry);
[[nodiscard]] bool decode(EntryReader& in, SnapshotPromo& entry);
[[nodiscard]] bool decode(EntryReader& in, SnapshotHeld& entry);
[[nodiscard]] bool decode(EntryReader& in, SnapshotPayment& entry);
[[nodiscard]] bool decode(EntryReader& in, SnapshotGrant& entry);
[[nodiscard]] bool decode(EntryReader& in, SnapshotTicket& entry);
[[nodiscard]] bool decode(EntryReader& in, SnapshotEndedSession& entry);
[[nodiscard]] bool decode(EntryReader& in, SnapshotNewestSession& entry);
[[nodiscard]] bool decode(EntryReader& in, SnapshotOwed& entry);

}  // namespace stampede::storage
