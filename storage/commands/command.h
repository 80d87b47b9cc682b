#pragma once

// Commands, and the msgpack payloads of the log's records. Documented for other languages in
// storage/log_format.md. Every payload is one msgpack array, in format 2:
//
//   EMIT    [command, …]                the command set of one decision; ids are <lsn>.<position>
//     OrderInsert       [1, request_id, item, user, qty, unit_price_cents, decided_at_us, sale, id]
//     ItemAmountUpdate  [2, item, amount, id]
//     ItemPut           [3, request_id, item, terms…, content_hash, sale, id]
//     PromoPut, TicketGrant, OrderUpdate, StockChange: sale_commands.h; id is their last, too
//     id: nil, or its text when it was imported with one. sale: nil, or the array of OrderSale or
//     ItemSale
//   REJECT  [request_hash bin16, content_hash, item, qty, reason, user_hash, sale]
//           hash bytes: first word first, each big-endian, so that their hex is the hash as printed
//   EXEC    [lane, kind, position, [from_lsn, to_lsn, …]]           every command of that kind at
//           that position in the sets from_lsn … to_lsn (inclusive) is executed; pairs repeat
//   FAIL    [lane, kind, position, [lsn, errno, …], [tries, …]]     pairs repeat, tries beside them
//   OPTM    [lane, kind, position, [key, from_lsn, by_lsn, …]]      triples repeat: the key's
//           commands with from_lsn <= lsn < by_lsn were left out in favour of by_lsn's
//   EPOCH   [epoch, wall_ns, instance bin16 or nil]
//   SEAL    []
//   HA, HASH, CONFIG, CLAIM, REVOKE     control_records.h
//
// Format 1 has none of: sale, an id that is nil, user_hash, tries, instance. The number of elements
// tells the two apart. What is encoded is of the format of the segment it goes to.
//
// Arguments an imported line did not have are nil; they decode as 0 or empty and are named in
// Command::missing. Pure functions; no I/O.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/commands/control_records.h"
#include "storage/commands/item_terms.h"
#include "storage/commands/sale_commands.h"
#include "storage/feature_level.h"
#include "storage/lsn.h"
#include "storage/msgpack/byte_buffer.h"

namespace stampede::storage {

enum class CommandKind : std::uint8_t {
  invalid = 0,
  order_insert = 1,        // business key: the order
  item_amount_update = 2,  // business key: the item; the absolute amount left
  item_put = 3,            // business key: the item; absolute fields
  // Of feature level `sale`:
  promo_put = 4,
  ticket_grant = 5,
  order_update = 6,
  stock_change = 7,
  // 8 and 9 are kept for messages and the position of their feed.
};
inline constexpr CommandKind kCommandKindLast = CommandKind::stock_change;
constexpr FeatureLevel level_of(CommandKind kind) {
  return kind > CommandKind::item_put ? FeatureLevel::sale : FeatureLevel::format_1;
}

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
  OrderInsert order;  // valid by kind, as the next two
  ItemAmountUpdate amount;
  ItemPut put;
  std::string_view id_text;  // empty unless imported with an id of its own
  // Bit n: argument n of the array above (from 1) is nil, the line it was imported from lacked it.
  // 0 in every command that a backend wrote; such a command cannot be applied to a database.
  std::uint16_t missing = 0;
  FeatureLevel level = FeatureLevel::format_2;  // of the array it was decoded from
  std::shared_ptr<SaleArguments> sale;          // null: it has none

  // The item that a set with this command is about: what is closed when the set is parked.
  [[nodiscard]] std::uint64_t item() const;
  // What a newer command of its kind makes it superfluous by: the item, the promo, the order.
  // Nothing when none ever does.
  [[nodiscard]] std::optional<std::uint64_t> key() const;
};

// The level that a segment needs to hold this set.
FeatureLevel level_of(const std::vector<Command>& set);

struct Rejection {
  RequestHash request_hash{};
  std::uint64_t content_hash = 0;
  std::uint64_t item = 0;
  std::uint32_t qty = 0;
  RejectReason reason = RejectReason::invalid;
  std::uint64_t user_hash = 0;  // keyed, of the user; 0: not known (format 1, imported)
  // Of feature level `sale`: nil, or [promo, decided_at_us].
  std::uint64_t promo = kNoNumber;
  std::int64_t decided_at_us = 0;
  FeatureLevel level = FeatureLevel::format_2;
};

// One outcome record, EXEC, FAIL or OPTM; the meaning of `numbers` is as in the table above.
struct Outcome {
  std::uint32_t lane = 0;
  CommandKind kind = CommandKind::invalid;
  std::uint32_t position = 0;
  std::vector<std::uint64_t> numbers;
  // FAIL: how often the database has refused the command by now, one for each pair of `numbers`.
  // Format 1 does not say: none.
  std::vector<std::uint64_t> tries{};
  FeatureLevel level = FeatureLevel::format_1;  // EXEC and OPTM are the same in both formats
};

// --- encoding: appends one payload to `out`, for a segment of `format` --------------------------
void encode_order_set(std::string& out, const OrderInsert& order, const ItemAmountUpdate& amount,
                      LogFormat format = LogFormat::two);
void encode_order_set(ByteBuffer& out, const OrderInsert& order, const ItemAmountUpdate& amount,
                      LogFormat format = LogFormat::two);
// Of an order that the rules of the sale have to do with.
void encode_order_set(std::string& out, const OrderInsert& order, const ItemAmountUpdate& amount,
                      const OrderSale& sale);
void encode_order_set(ByteBuffer& out, const OrderInsert& order, const ItemAmountUpdate& amount,
                      const OrderSale& sale);
void encode_item_set(std::string& out, const ItemPut& put, const ItemAmountUpdate& amount,
                     LogFormat format = LogFormat::two);
// Of what only the rules of the sale say of it. `stock`: null where no units come or go.
void encode_item_set(std::string& out, const ItemPut& put, const ItemAmountUpdate& amount,
                     const ItemSale& sale, const StockChange* stock);
void encode_promo_set(std::string& out, const PromoPut& put);
void encode_grant_set(ByteBuffer& out, const TicketGrant& grant);
// Of what an order becomes, and, with the other two, what its units do.
void encode_update_set(std::string& out, const OrderUpdate& update);
void encode_update_set(std::string& out, const OrderUpdate& update, const ItemAmountUpdate& amount,
                       const StockChange& stock);
void encode_command_set(std::string& out, const std::vector<Command>& set);  // any shape (import)
void encode_rejection(std::string& out, const Rejection& rejection);
void encode_rejection(ByteBuffer& out, const Rejection& rejection);
void encode_outcome(std::string& out, const Outcome& outcome);  // FAIL without tries is format 1's
// `instance`: 16 bytes, or empty for none; format 1 has none.
void encode_epoch(std::string& out, std::uint64_t epoch, std::int64_t wall_ns,
                  std::string_view instance = {}, LogFormat format = LogFormat::two);
void encode_seal(std::string& out);
void encode_control(std::string& out, const HaRecord& record);
void encode_control(std::string& out, const HashRecord& record);
void encode_control(std::string& out, const ConfigRecord& record);
void encode_control(std::string& out, const ClaimRecord& record);
void encode_control(std::string& out, const RevokeRecord& record);

// --- decoding: views point into `payload`; false = not a payload of that kind -------------------
// Thread-compatible.
class CommandDecoder {
 public:
  [[nodiscard]] bool command_set(std::string_view payload, std::vector<Command>& set);
  [[nodiscard]] bool rejection(std::string_view payload, Rejection& rejection);
  [[nodiscard]] bool outcome(std::string_view payload, Outcome& outcome);
  [[nodiscard]] std::optional<std::uint64_t> epoch(std::string_view payload);
  [[nodiscard]] bool control(std::string_view payload, HaRecord& record);
  [[nodiscard]] bool control(std::string_view payload, HashRecord& record);
  [[nodiscard]] bool control(std::string_view payload, ConfigRecord& record);
  [[nodiscard]] bool control(std::string_view payload, ClaimRecord& record);
  [[nodiscard]] bool control(std::string_view payload, RevokeRecord& record);
};

std::string_view to_text(CommandKind kind);     // "OrderInsert", …
std::string_view to_text(RejectReason reason);  // "sold_out", …
std::optional<CommandKind> parse_command_kind(std::string_view text);
std::string command_id(Lsn lsn, std::size_t position);  // "1.187402.0"

}  // namespace stampede::storage
