#pragma once

// The words of the sale: what a webapp asks the backend for, what it is answered, and the bounds of
// both. Pure. Views point into the bytes that the request was read from.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "actors/sale/codes.h"
#include "storage/commands/command.h"
#include "storage/commands/promo_terms.h"
#include "storage/commands/sale_terms.h"

namespace stampede::actors {

using storage::ItemSale;
using storage::ItemTerms;
using storage::Lsn;
using storage::RejectReason;

// Bounds (contract §1, §3), checked at the edge and asserted inside; those of an item's terms stand
// in their list.
using storage::kItemNameBytesMax;
using storage::kNoNumber;
using storage::kQtyMax;
using storage::kStockMax;
inline constexpr std::size_t kRequestIdBytesMax = 64;  // [A-Za-z0-9_-]
inline constexpr std::size_t kUserBytesMax = 64;       // UTF-8 without control characters
inline constexpr std::uint64_t kItemIdMax = (std::uint64_t{1} << 63) - 1;
inline constexpr std::size_t kItemsPageMax = 500;
inline constexpr std::int64_t kAmountCentsMax = std::numeric_limits<std::int64_t>::max();
inline constexpr std::int64_t kTimeMsMax = storage::kPromoTimeMsMax;  // of every Unix time

bool valid_request_id(std::string_view id);
bool valid_user(std::string_view user);
// 1 to bytes_max bytes of UTF-8 without control characters.
bool valid_text(std::string_view text, std::size_t bytes_max);

enum class RequestKind : std::uint8_t {
  invalid = 0,
  order = 1,
  get = 2,
  items = 3,
  item_put = 4,
  stock_change = 5,
  promos = 7,  // of an operator; between nodes 6 begins an order that says more (node_messages.h)
  pay = 8,
  cancel = 9,
  ticket = 10,
  changes = 20,         // of a webapp: which items changed
  session = 22,         // of a webapp: a session was opened, or has ended
  ended_sessions = 23,  // of a webapp: which have ended
};

// Request::ticket_ms of an order: until when its ticket is good, or one of these.
inline constexpr std::int64_t kNoTicket = 0;
inline constexpr std::int64_t kForeignTicket = -1;  // forged, or of another promo, user or id

struct Request {
  RequestKind kind = RequestKind::invalid;
  std::string_view id;
  // items: from; changes, ended_sessions: the lsn behind which they lie; session: the first half of
  // its hash
  std::uint64_t item = 0;
  std::string_view user;   // get: whose order it must be; empty: anybody's
  std::uint32_t qty = 0;   // items, changes, ended_sessions: limit; session: a SessionEvent
  ItemTerms terms{};       // item_put
  std::int64_t delta = 0;  // stock_change
  // order: that it is to be part of; none: the item as it is. ticket: that it is for. session: the
  // second half of its hash
  std::uint64_t promo = kNoNumber;
  // order: it is not decided later; 0: whenever. session: then it is over by itself
  std::int64_t valid_until_ms = 0;
  std::string_view order{};            // pay, cancel: the request id of the order
  std::int64_t amount_cents = 0;       // pay
  std::int64_t ticket_ms = kNoTicket;  // order
};

enum class State : std::uint8_t { invalid = 0, queued = 1, confirmed = 2, rejected = 3 };
std::string_view to_text(State state);

struct Answer {
  State state = State::invalid;
  RejectReason reason = RejectReason::invalid;
  Lsn lsn = 0;
  std::uint64_t item = 0;
  std::uint32_t qty = 0;
  std::optional<std::int64_t> left;
  bool stored = false;
  bool replayed = false;
  std::int64_t unit_price_cents = 0;  // of a confirmed order; 0: for nothing, or not kept
  std::uint64_t promo = kNoNumber;    // that a confirmed order is part of; none, or not kept
  storage::Fulfilment fulfilment = storage::Fulfilment::none;  // of a confirmed order
  std::int64_t at_ms = 0;  // unpaid: when the time to pay ends; else since when it is so

  bool operator==(const Answer&) const = default;
};
// The answer to pay and cancel.
struct Fulfilled {
  std::string_view order;  // its request id
  Lsn order_id = 0;
  storage::Fulfilment fulfilment = storage::Fulfilment::none;
  std::int64_t at_ms = 0;
};

// The answer to ticket.
struct Granted {
  std::string_view id;  // the ticket's: the request id of the order that may use it
  std::uint64_t promo = 0;
  std::uint64_t item = 0;
  std::string_view user;
  std::int64_t expires_at_ms = 0;
};

// What a further order like this one is answered if it is decided next.
inline void make_next(Answer& answer) {
  ++answer.lsn;
  if (answer.state == State::confirmed && answer.left)
    answer.left = static_cast<std::int64_t>(static_cast<std::uint64_t>(*answer.left) - answer.qty);
}

enum class PromoState : std::uint8_t { coming = 1, running = 2, ended = 3 };
std::string_view to_text(PromoState state);

// A promo as clients are shown it.
struct ShownPromo {
  std::uint64_t promo = 0;
  std::string_view name;
  std::int64_t price_cents = 0;
  std::int64_t starts_at_ms = 0;
  std::int64_t ends_at_ms = 0;
  PromoState state = PromoState::ended;
  std::uint32_t ticket = 0;  // 1: an order needs one
};

// Units that were sold, of numbers that may have come from elsewhere.
constexpr std::int64_t sold(std::int64_t total, std::int64_t left) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(total) -
                                   static_cast<std::uint64_t>(left));
}

struct ItemRow {
  std::uint64_t item = 0;
  ItemTerms terms;
  std::int64_t left = 0;
  Lsn seq = 0;                        // of the item's last change
  std::optional<ShownPromo> promo{};  // in answers: the running one, else the next
  ItemSale sale{};
};

constexpr std::string_view sale_mode(std::uint32_t promo_only) {
  return promo_only != 0 ? "promo_only" : "always";
}

// Which items changed behind an lsn; their rows stand beside it.
struct ItemChanges {
  Lsn upto = 0;       // so far: go on behind it
  bool more = false;  // there are more behind `upto`
  bool anew = false;  // what lies so far back is not known any more: begin behind `upto`
  std::vector<std::uint32_t> terms{};  // places of rows whose terms may be others now, ascending

  [[nodiscard]] bool told_anew(std::size_t place) const {
    return std::binary_search(terms.begin(), terms.end(), place);
  }
};

// Without what is only said of an item that is asked for by itself.
inline void make_brief(ItemRow& row) {
  row.sale.description = row.sale.image_url = {};
}

}  // namespace stampede::actors
