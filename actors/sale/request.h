#pragma once

// The words of the sale: what a webapp asks the backend for, what it is answered, and the bounds of
// both. Pure. Views point into the bytes that the request was read from.

#include <cstdint>
#include <optional>
#include <string_view>

#include "actors/sale/codes.h"
#include "storage/commands/command.h"

namespace stampede::actors {

using storage::ItemTerms;
using storage::Lsn;
using storage::RejectReason;

// Bounds (contract §1, §3), checked at the edge and asserted inside; those of an item's terms stand
// in their list.
using storage::kItemNameBytesMax;
using storage::kQtyMax;
using storage::kStockMax;
inline constexpr std::size_t kRequestIdBytesMax = 64;  // [A-Za-z0-9_-]
inline constexpr std::size_t kUserBytesMax = 64;       // UTF-8 without control characters
inline constexpr std::uint64_t kItemIdMax = (std::uint64_t{1} << 63) - 1;
inline constexpr std::size_t kItemsPageMax = 500;

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
};

struct Request {
  RequestKind kind = RequestKind::invalid;
  std::string_view id;
  std::uint64_t item = 0;  // items: from
  std::string_view user;
  std::uint32_t qty = 0;   // items: limit
  ItemTerms terms{};       // item_put
  std::int64_t delta = 0;  // stock_change
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

  bool operator==(const Answer&) const = default;
};
// What a further order like this one is answered if it is decided next.
inline void make_next(Answer& answer) {
  ++answer.lsn;
  if (answer.state == State::confirmed && answer.left)
    answer.left = static_cast<std::int64_t>(static_cast<std::uint64_t>(*answer.left) - answer.qty);
}

struct ItemRow {
  std::uint64_t item = 0;
  ItemTerms terms;
  std::int64_t left = 0;
  Lsn seq = 0;  // of the item's last change
};

}  // namespace stampede::actors
