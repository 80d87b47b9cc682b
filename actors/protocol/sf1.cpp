// The reading half of SF1; sf1_answers.cpp writes.

#include "actors/protocol/sf1.h"

#include <array>
#include <bit>
#include <cmath>
#include <optional>

namespace stampede::actors {

using Value = storage::MsgpackCursor::Value;
using Type = storage::MsgpackCursor::Type;

namespace {

enum Key : unsigned {
  kOp,
  kId,
  kItem,
  kUser,
  kQty,
  kToken,
  kDeadline,
  kAck,
  kFrom,
  kLimit,
  kPromo,
  kValidUntil,
  kOrder,
  kAmount,
  kFirst,
  kTicket,
  kKeys
};

constexpr std::array<std::string_view, kKeys> kKeyTexts{
    "op",   "id",    "item",  "user",           "qty",   "token",        "deadline_ms", "ack",
    "from", "limit", "promo", "valid_until_ms", "order", "amount_cents", "first",       "ticket"};

// By key; the last is of none, and never recognised.
constexpr auto kKeyBytes = [] {
  std::array<storage::MsgpackCursor::ShortText, kKeys + 1> bytes;
  for (unsigned key = 0; key < kKeys; ++key)
    bytes[key] = storage::MsgpackCursor::ShortText(kKeyTexts[key]);
  return bytes;
}();

template <class T>
bool take_number(std::uint64_t number, std::uint64_t low, std::uint64_t high, T& out) {
  if (number < low || number > high) return false;
  out = static_cast<T>(number);
  return true;
}

// By length first: comparisons of a known length are a few instructions.
unsigned key_of(std::string_view text) {
  const auto either = [text](Key one, Key other) -> unsigned {
    return text == kKeyTexts[one] ? one : text == kKeyTexts[other] ? other : kKeys;
  };
  switch (text.size()) {
    case 2:
      return either(kOp, kId);
    case 3:
      return either(kQty, kAck);
    case 4:
      return text == kKeyTexts[kItem] ? unsigned{kItem} : either(kUser, kFrom);
    case 5:
      return text == kKeyTexts[kPromo]   ? unsigned{kPromo}
             : text == kKeyTexts[kOrder] ? unsigned{kOrder}
             : text == kKeyTexts[kFirst] ? unsigned{kFirst}
                                         : either(kToken, kLimit);
    case 6:
      return either(kTicket, kTicket);
    case 12:
      return either(kAmount, kAmount);
    default:
      return either(kDeadline, kValidUntil);
  }
}

// Keys that each operation looks at; the others are unknown to it and ignored.
constexpr unsigned bit(Key key) {
  return 1U << key;
}
constexpr unsigned kCommonKeys = bit(kOp) | bit(kId) | bit(kToken) | bit(kDeadline);
constexpr unsigned kOrderKeys = kCommonKeys | bit(kItem) | bit(kUser) | bit(kQty) | bit(kAck) |
                                bit(kPromo) | bit(kValidUntil) | bit(kFirst) | bit(kTicket);
constexpr unsigned kTicketKeys = kCommonKeys | bit(kPromo) | bit(kUser);
constexpr unsigned kPayKeys = kCommonKeys | bit(kOrder) | bit(kAmount);
constexpr unsigned kCancelKeys = kCommonKeys | bit(kOrder) | bit(kUser);
constexpr unsigned kItemsKeys = kCommonKeys | bit(kItem) | bit(kFrom) | bit(kLimit);

unsigned keys_of(ClientOp op) {
  switch (op) {
    case ClientOp::order:
      return kOrderKeys;
    case ClientOp::items:
      return kItemsKeys;
    case ClientOp::pay:
      return kPayKeys;
    case ClientOp::cancel:
      return kCancelKeys;
    case ClientOp::ticket:
      return kTicketKeys;
    default:
      return kCommonKeys;
  }
}

}  // namespace

bool Sf1Decoder::refuse(Code code, std::string_view field) {
  refusal_ = Refusal{code, code == Code::bad_protocol ? std::string_view{} : request_.id, field};
  return false;
}

std::string_view Sf1Decoder::token() const {
  return seen(kToken) ? token_ : std::string_view{};
}

bool Sf1Decoder::decode(std::string_view frame) {
  cursor_ = storage::MsgpackCursor(frame);
  request_ = ClientRequest{};
  if (frame.size() > kSf1MapBytesMax) return refuse(Code::too_large);
  if (!read_map() || cursor_.left() > 0) return refuse(Code::bad_protocol);
  const bool ticket = seen(kTicket) && !malformed(kTicket) && tickets_ != nullptr;
  behind_ticket_ = ticket ? static_cast<std::size_t>(frame.end() - ticket_.end()) : kNoTicketSeen;
  return check();
}

// --- batches ------------------------------------------------------------------------------------

bool Sf1Decoder::is_batch(std::string_view frame) {
  if (frame.empty()) return false;
  const auto lead = static_cast<unsigned char>(frame[0]);
  return (lead & 0xF0U) == 0x90 || lead == 0xDC || lead == 0xDD;
}

bool Sf1Decoder::open_batch(std::string_view frame) {
  cursor_ = storage::MsgpackCursor(frame);
  request_ = ClientRequest{};
  unread_ = 0;
  if (frame.size() > kSf1BatchBytesMax) return refuse(Code::too_large);
  Value array;
  if (!cursor_.next(array) || array.type != Type::array) return refuse(Code::bad_protocol);
  if (array.size > cursor_.left()) return refuse(Code::bad_protocol);  // it cannot be all there
  if (array.size > kSf1BatchOrdersMax) return refuse(Code::too_large);
  if (array.size == 0 && cursor_.left() > 0) return refuse(Code::bad_protocol);
  unread_ = array.size;
  return true;
}

Sf1Decoder::Entry Sf1Decoder::next_entry() {
  const auto damaged = [this] {
    refuse(Code::bad_protocol);
    return Entry::damaged;
  };
  request_ = ClientRequest{};
  const auto begin = cursor_.offset();
  if (!read_map() || (--unread_ == 0 && cursor_.left() > 0)) return damaged();
  const bool taken = cursor_.offset() - begin > kSf1MapBytesMax ? refuse(Code::too_large)
                     : !check()                                 ? false
                     : request_.op != ClientOp::order           ? refuse(Code::bad_request, "op")
                                                                : true;
  if (!taken && (refusal_.code == Code::bad_protocol || malformed(kId))) return damaged();
  return taken ? Entry::order : Entry::refused;
}

// --- one map ------------------------------------------------------------------------------------

// Looks through what a container inside the map holds, and leaves it out.
[[gnu::always_inline]] inline bool Sf1Decoder::skip_nested(Cursor& cursor, const Value& value) {
  return !value.is_container() || cursor.skip_inside(value, kSf1DepthMax - 2);
}

// The next three take the value of one key; false when it is not allowed there.
[[gnu::always_inline]] inline bool Sf1Decoder::take_text(unsigned key, std::string_view text) {
  switch (key) {
    case kOp:
      take_op(text);
      return true;
    case kId:
      request_.id = text;
      return valid_request_id(text);
    case kUser:
      request_.user = text;
      return valid_user(text);
    case kToken:
      token_ = text;
      return !sessions_ || (!text.empty() && text.size() <= kSf1TokenBytesMax);
    default:
      return take_rare_text(key, text);
  }
}

// Apart, so that what every order has is found in a few instructions.
bool Sf1Decoder::take_rare_text(unsigned key, std::string_view text) {
  if (key == kTicket) {
    ticket_ = text;
    return !text.empty();
  }
  if (key != kOrder) return false;
  request_.order = text;
  return valid_request_id(text);
}

[[gnu::always_inline]] inline bool Sf1Decoder::take_unsigned(unsigned key, std::uint64_t number) {
  switch (key) {
    case kItem:
      return take_number(number, 0, kItemIdMax, request_.item);
    case kFrom:
      return take_number(number, 0, kItemIdMax, from_);
    case kQty:
      return take_number(number, 1, kQtyMax, request_.qty);
    case kLimit:
      return take_number(number, 1, kItemsPageMax, request_.limit);
    case kDeadline:
      return take_number(number, 1, kDeadlineMaxMs, request_.deadline_ms);
    default:
      return take_rare_unsigned(key, number);
  }
}

bool Sf1Decoder::take_rare_unsigned(unsigned key, std::uint64_t number) {
  switch (key) {
    case kPromo:
      return take_number(number, 0, kItemIdMax, request_.promo);
    case kValidUntil:
      return take_number(number, 1, kTimeMsMax, request_.valid_until_ms);
    case kAmount:
      return take_number(number, 0, kAmountCentsMax, request_.amount_cents);
    default:
      return false;
  }
}

namespace {

// Some encoders send numbers above 2^32 so. From 2^53 on a float may stand for several.
std::optional<std::uint64_t> whole_of(double number) {
  constexpr double kEnd = 9007199254740992.0;
  if (!(number >= 0 && number < kEnd) || number != std::trunc(number)) return std::nullopt;
  return static_cast<std::uint64_t>(number);
}

}  // namespace

bool Sf1Decoder::take_value(unsigned key, const Value& value) {
  if (value.is_text()) return take_text(key, value.text);
  if (value.type == Type::unsigned_int) return take_unsigned(key, value.number);
  if (value.type == Type::float64) {
    const auto whole = whole_of(std::bit_cast<double>(value.number));
    return whole && take_unsigned(key, *whole);
  }
  if (key == kToken && value.type == Type::nil) token_ = {};  // not that of a map before
  if (key == kToken) return value.type == Type::nil;
  if ((key != kAck && key != kFirst) || value.type != Type::boolean) return false;
  (key == kAck ? request_.ack : request_.first) = value.number != 0;
  return true;
}

void Sf1Decoder::take_op(std::string_view op) {
  op_known_ = true;
  if (op == "order")
    request_.op = ClientOp::order;
  else if (op == "get")
    request_.op = ClientOp::get;
  else if (op == "items")
    request_.op = ClientOp::items;
  else if (op == "ping")
    request_.op = ClientOp::ping;
  else if (op == "pay")
    request_.op = ClientOp::pay;
  else if (op == "cancel")
    request_.op = ClientOp::cancel;
  else if (op == "ticket")
    request_.op = ClientOp::ticket;
  else if (op == "auth" && sessions_)
    request_.op = ClientOp::auth;
  else
    op_known_ = false;
}

// Reads any key; kKeys for one that is not known.
[[gnu::always_inline]] inline bool Sf1Decoder::read_key(Cursor& cursor, std::uint8_t& known) {
  Value key;
  if (!cursor.next(key) || !skip_nested(cursor, key)) return false;
  known = static_cast<std::uint8_t>(key.is_text() ? key_of(key.text) : unsigned{kKeys});
  return true;
}

// Reads the value of a key that may be unknown. `taken`: it is allowed there.
[[gnu::always_inline]] inline bool Sf1Decoder::read_value(Cursor& cursor, unsigned known,
                                                          bool& taken) {
  if (std::string_view text; cursor.next_short_text(text)) {
    taken = take_text(known, text);
  } else if (std::uint64_t number = 0; cursor.next_unsigned(number)) {
    taken = take_unsigned(known, number);
  } else {
    Value value;
    if (!cursor.next(value) || !skip_nested(cursor, value)) return false;
    taken = take_value(known, value);
  }
  return true;
}

// Reads the map at the cursor. False: it is no map, or not well-formed msgpack within the bounds.
bool Sf1Decoder::read_map() {
  auto cursor = cursor_;  // a copy, which can be kept in registers
  from_ = 0;
  op_known_ = false;
  unsigned seen = 0, bad = 0, duplicate = 0;
  Value map;
  if (!cursor.next(map) || map.type != Type::map) return false;
  for (std::uint32_t pair = 0; pair < map.size; ++pair) {
    auto& usual = usual_[pair % usual_.size()];
    if (!cursor.skip(kKeyBytes[usual]) && !read_key(cursor, usual)) return false;
    bool taken = false;
    if (!read_value(cursor, usual, taken)) return false;
    const auto bit = 1U << usual;
    duplicate |= seen & bit;
    seen |= bit;
    if (!taken) bad |= bit;
  }
  seen_ = seen, bad_ = bad, duplicate_ = duplicate;
  cursor_ = cursor;
  return true;
}

bool Sf1Decoder::check() {
  if (check_map()) return true;
  note_user();
  return false;
}

void Sf1Decoder::note_user() {
  const auto op = op_known_ && !malformed(kOp) ? request_.op : ClientOp::ping;
  refusal_.counts = op == ClientOp::order || op == ClientOp::cancel || op == ClientOp::ticket;
  if (refusal_.counts && seen(kUser) && !malformed(kUser)) refusal_.user = request_.user;
}

// The order of the checks decides which fault is named when there are several.
bool Sf1Decoder::check_map() {
  if (malformed(kId)) return refuse(Code::bad_protocol);
  if (!seen(kOp) || malformed(kOp)) return refuse(Code::bad_request, "op");
  if (!op_known_) return refuse(Code::unknown_op);
  if ((bad_ | duplicate_) == 0) return check_fields();
  const auto wrong = (bad_ | duplicate_) & keys_of(request_.op);
  if (wrong != 0)
    return refuse(Code::bad_request, kKeyTexts[static_cast<std::size_t>(std::countr_zero(wrong))]);
  return check_fields();
}

bool Sf1Decoder::check_fields() {
  switch (request_.op) {
    case ClientOp::order: {
      constexpr unsigned kNeeded = bit(kItem) | bit(kUser);
      return (seen_ & (kNeeded | bit(kTicket))) == kNeeded || check_order();
    }
    case ClientOp::ticket:
      if (!seen(kPromo)) return refuse(Code::bad_request, "promo");
      return seen(kUser) || sessions_ || refuse(Code::bad_request, "user");
    case ClientOp::get:
      return seen(kId) || refuse(Code::bad_request, "id");
    case ClientOp::auth:
      return !token().empty() || refuse(Code::bad_request, "token");
    case ClientOp::pay:
      if (!seen(kAmount)) return refuse(Code::bad_request, "amount_cents");
      [[fallthrough]];
    case ClientOp::cancel:
      if (!seen(kId)) return refuse(Code::bad_request, "id");
      return seen(kOrder) || refuse(Code::bad_request, "order");
    case ClientOp::items:
      request_.one_item = seen(kItem);
      if (request_.one_item && seen(kFrom)) return refuse(Code::bad_request, "from");
      if (!request_.one_item) request_.item = from_;
      return true;
    default:
      return true;
  }
}

// Of one that lacks something, or has a ticket.
bool Sf1Decoder::check_order() {
  if (!seen(kItem)) return refuse(Code::bad_request, "item");
  if (!seen(kUser) && !sessions_) return refuse(Code::bad_request, "user");
  if (!seen(kTicket)) return true;
  if (!seen(kPromo)) return refuse(Code::bad_request, "promo");  // what the ticket is for
  if (sessions_) {
    request_.ticket = ticket_;
    request_.ticket_ms = kForeignTicket;
    return true;
  }
  request_.ticket_ms = tickets_ == nullptr
                           ? kForeignTicket
                           : tickets_->judge(ticket_, request_.promo, request_.item, request_.user,
                                             request_.id, ticket_bytes_);
  return true;
}

}  // namespace stampede::actors
