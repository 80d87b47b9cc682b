// The reading half of SF1; sf1_answers.cpp writes.

#include "actors/sf1.h"

#include <array>

namespace stampede::actors {

using Value = storage::MsgpackCursor::Value;
using Type = storage::MsgpackCursor::Type;

namespace {

enum Key : unsigned { kOp, kId, kItem, kUser, kQty, kToken, kDeadline, kAck, kFrom, kLimit, kKeys };

constexpr std::array<std::string_view, kKeys> kKeyTexts{
    "op", "id", "item", "user", "qty", "token", "deadline_ms", "ack", "from", "limit"};

template <class T>
bool take_number(const Value& value, std::uint64_t low, std::uint64_t high, T& out) {
  if (value.type != Type::unsigned_int || value.number < low || value.number > high) return false;
  out = static_cast<T>(value.number);
  return true;
}

bool take_flag(const Value& value, bool& out) {
  out = value.number != 0;
  return value.type == Type::boolean;
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
      return either(kToken, kLimit);
    default:
      return either(kDeadline, kDeadline);
  }
}

// Keys that each operation looks at; the others are unknown to it and ignored.
constexpr unsigned bit(Key key) {
  return 1U << key;
}
constexpr unsigned kCommonKeys = bit(kOp) | bit(kId) | bit(kToken) | bit(kDeadline);
constexpr unsigned kOrderKeys = kCommonKeys | bit(kItem) | bit(kUser) | bit(kQty) | bit(kAck);
constexpr unsigned kItemsKeys = kCommonKeys | bit(kItem) | bit(kFrom) | bit(kLimit);

unsigned keys_of(ClientOp op) {
  switch (op) {
    case ClientOp::order:
      return kOrderKeys;
    case ClientOp::items:
      return kItemsKeys;
    default:
      return kCommonKeys;
  }
}

}  // namespace

bool Sf1Decoder::refuse(Code code, std::string_view field) {
  refusal_ = Refusal{code, code == Code::bad_protocol ? std::string_view{} : request_.id, field};
  return false;
}

bool Sf1Decoder::decode(std::string_view frame) {
  cursor_ = storage::MsgpackCursor(frame);
  request_ = ClientRequest{};
  if (frame.size() > kSf1MapBytesMax) return refuse(Code::too_large);
  if (!read_map() || cursor_.left() > 0) return refuse(Code::bad_protocol);
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

// Reads the map at the cursor. False: it is no map, or not well-formed msgpack within the bounds.
bool Sf1Decoder::read_map() {
  from_ = 0;
  seen_ = bad_ = duplicate_ = 0;
  op_known_ = false;
  Value map;
  if (!cursor_.next(map) || map.type != Type::map) return false;
  for (auto pairs = map.size; pairs > 0; --pairs) {
    Value key, value;
    if (!cursor_.next(key) || !skip_nested(key) || !cursor_.next(value) || !skip_nested(value))
      return false;
    const auto known = key.is_text() ? key_of(key.text) : unsigned{kKeys};
    if (known == kKeys) continue;
    if (seen(known)) duplicate_ |= 1U << known;
    seen_ |= 1U << known;
    if (!take_known(known, value)) bad_ |= 1U << known;
  }
  return true;
}

// Looks through what a container inside the map holds, and leaves it out.
inline bool Sf1Decoder::skip_nested(const Value& value) {
  return !value.is_container() || cursor_.skip_inside(value, kSf1DepthMax - 2);
}

// Takes the value of one known key; false when it is not allowed there.
bool Sf1Decoder::take_known(unsigned key, const Value& value) {
  switch (key) {
    case kOp:
      return take_op(value);
    case kId:
      request_.id = value.text;
      return value.is_text() && valid_request_id(value.text);
    case kUser:
      request_.user = value.text;
      return value.is_text() && valid_user(value.text);
    case kItem:
      return take_number(value, 0, kItemIdMax, request_.item);
    case kFrom:
      return take_number(value, 0, kItemIdMax, from_);
    case kQty:
      return take_number(value, 1, kQtyMax, request_.qty);
    case kLimit:
      return take_number(value, 1, kItemsPageMax, request_.limit);
    case kDeadline:
      return take_number(value, 1, kDeadlineMaxMs, request_.deadline_ms);
    case kAck:
      return take_flag(value, request_.ack);
    default:
      return value.is_text() || value.type == Type::nil;  // token: not looked at yet
  }
}

bool Sf1Decoder::take_op(const Value& value) {
  if (!value.is_text()) return false;
  op_known_ = true;
  if (value.text == "order")
    request_.op = ClientOp::order;
  else if (value.text == "get")
    request_.op = ClientOp::get;
  else if (value.text == "items")
    request_.op = ClientOp::items;
  else if (value.text == "ping")
    request_.op = ClientOp::ping;
  else
    op_known_ = false;
  return true;
}

// The order of the checks decides which fault is named when there are several.
bool Sf1Decoder::check() {
  if (malformed(kId)) return refuse(Code::bad_protocol);
  if (!seen(kOp) || malformed(kOp)) return refuse(Code::bad_request, "op");
  if (!op_known_) return refuse(Code::unknown_op);
  const auto wrong = (bad_ | duplicate_) & keys_of(request_.op);
  for (unsigned key = 0; key < kKeys; ++key)
    if ((wrong & (1U << key)) != 0) return refuse(Code::bad_request, kKeyTexts[key]);
  return check_fields();
}

bool Sf1Decoder::check_fields() {
  switch (request_.op) {
    case ClientOp::order:
      if (!seen(kItem)) return refuse(Code::bad_request, "item");
      if (!seen(kUser)) return refuse(Code::bad_request, "user");
      return true;
    case ClientOp::get:
      return seen(kId) || refuse(Code::bad_request, "id");
    case ClientOp::items:
      request_.one_item = seen(kItem);
      if (request_.one_item && seen(kFrom)) return refuse(Code::bad_request, "from");
      if (!request_.one_item) request_.item = from_;
      return true;
    default:
      return true;
  }
}

}  // namespace stampede::actors
