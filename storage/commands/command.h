#pragma once

// Commands, and the msgpack payloads of the log's records. Documented for other languages in
// storage/log_format.md. Every payload is one msgpack array:
//
//   EMIT    [command, …]                the command set of one decision; ids are <lsn>.<position>
//     OrderInsert       [1, request_id, item, user, qty, unit_price_cents, decided_at_us]
//     ItemAmountUpdate  [2, item, amount]
//     ItemPut           [3, request_id, item, terms…, content_hash]
//     any command may end in one more element: its id as text, when it was imported with one. Terms
//     (item_terms.h) that were added stand behind it, nil in its place if there is none; behind the
//     last that is not 0 or empty they are left out
//   REJECT  [request_hash bin16, content_hash, item, qty, reason]    hash bytes: first word first,
//           each big-endian, so that their hex is the hash as printed
//   EXEC    [lane, kind, position, [from_lsn, to_lsn, …]]           every command of that kind at
//           that position in the sets from_lsn … to_lsn (inclusive) is executed; pairs repeat
//   FAIL    [lane, kind, position, [lsn, errno, …]]                 pairs repeat
//   OPTM    [lane, kind, position, [item, from_lsn, by_lsn, …]]     triples repeat: the item's
//           commands with from_lsn <= lsn < by_lsn were left out in favour of by_lsn's
//   EPOCH   [epoch, wall_ns]
//   SEAL    []
//
// Arguments an imported line did not have are nil; they decode as 0 or empty and are named in
// Command::missing. Pure functions; no I/O.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/commands/item_terms.h"
#include "storage/lsn.h"

namespace stampede::storage {

enum class CommandKind : std::uint8_t {
  invalid = 0,
  order_insert = 1,        // business key: the order
  item_amount_update = 2,  // business key: the item; the absolute amount left
  item_put = 3,            // business key: the item; absolute fields
};

enum class RejectReason : std::uint8_t { invalid = 0, sold_out = 1, limit_reached = 2 };

using RequestHash = std::array<std::uint64_t, 2>;  // 128-bit keyed hash of a request id

struct OrderInsert {
  std::string_view request_id;
  std::uint64_t item = 0;
  std::string_view user;
  std::uint32_t qty = 0;
  std::int64_t unit_price_cents = 0;
  std::int64_t decided_at_us = 0;  // microseconds since 1970-01-01 UTC
};

struct ItemAmountUpdate {
  std::uint64_t item = 0;
  std::int64_t amount = 0;
};

struct ItemPut {
  std::string_view request_id;
  std::uint64_t item = 0;
  ItemTerms terms;
  std::uint64_t content_hash = 0;  // of the request that caused it: tells a repeat from key re-use
};

struct Command {
  CommandKind kind = CommandKind::invalid;
  OrderInsert order;  // valid by kind
  ItemAmountUpdate amount;
  ItemPut put;
  std::string_view id_text;  // empty unless imported with an id of its own
  // Bit n: argument n of the array above (from 1) is nil, the line it was imported from lacked it.
  // 0 in every command that a backend wrote; such a command cannot be applied to a database.
  std::uint16_t missing = 0;

  [[nodiscard]] std::uint64_t item() const {
    return kind == CommandKind::order_insert         ? order.item
           : kind == CommandKind::item_amount_update ? amount.item
                                                     : put.item;
  }
};

struct Rejection {
  RequestHash request_hash{};
  std::uint64_t content_hash = 0;
  std::uint64_t item = 0;
  std::uint32_t qty = 0;
  RejectReason reason = RejectReason::invalid;
};

// One outcome record, EXEC, FAIL or OPTM; the meaning of `numbers` is as in the table above.
struct Outcome {
  std::uint32_t lane = 0;
  CommandKind kind = CommandKind::invalid;
  std::uint32_t position = 0;
  std::vector<std::uint64_t> numbers;
};

// --- encoding: appends one payload to `out` ---------------------------------------------------
void encode_order_set(std::string& out, const OrderInsert& order, const ItemAmountUpdate& amount);
void encode_item_set(std::string& out, const ItemPut& put, const ItemAmountUpdate& amount);
void encode_command_set(std::string& out, const std::vector<Command>& set);  // any shape (import)
void encode_rejection(std::string& out, const Rejection& rejection);
void encode_outcome(std::string& out, const Outcome& outcome);
void encode_epoch(std::string& out, std::uint64_t epoch, std::int64_t wall_ns);
void encode_seal(std::string& out);

// --- decoding: views point into `payload`; false = not a payload of that kind -------------------
// Thread-compatible.
class CommandDecoder {
 public:
  [[nodiscard]] bool command_set(std::string_view payload, std::vector<Command>& set);
  [[nodiscard]] bool rejection(std::string_view payload, Rejection& rejection);
  [[nodiscard]] bool outcome(std::string_view payload, Outcome& outcome);
  [[nodiscard]] std::optional<std::uint64_t> epoch(std::string_view payload);
};

std::string_view to_text(CommandKind kind);     // "OrderInsert", …
std::string_view to_text(RejectReason reason);  // "sold_out", …
std::optional<CommandKind> parse_command_kind(std::string_view text);
std::string command_id(Lsn lsn, std::size_t position);  // "1.187402.0"

}  // namespace stampede::storage
