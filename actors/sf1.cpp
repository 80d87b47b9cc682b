#include "actors/sf1.h"

#include <array>
#include <charconv>
#include <msgpack.hpp>

namespace stampede::actors {

using storage::ParseOutcome;
using storage::Token;
using Type = Token::Type;

namespace {

// --- decoding ---------------------------------------------------------------------------------

enum Key : unsigned { kOp, kId, kItem, kUser, kQty, kToken, kDeadline, kAck, kFrom, kLimit, kKeys };

constexpr std::array<std::string_view, kKeys> kKeyTexts{
    "op", "id", "item", "user", "qty", "token", "deadline_ms", "ack", "from", "limit"};

bool is_array(std::string_view frame) {
  if (frame.empty()) return false;
  const auto lead = static_cast<unsigned char>(frame[0]);
  return (lead & 0xF0U) == 0x90 || lead == 0xDC || lead == 0xDD;
}

bool is_text(const Token& token) {
  return token.type == Type::str || token.type == Type::bin;
}

template <class T>
bool take_number(const Token& token, std::uint64_t low, std::uint64_t high, T& out) {
  if (token.type != Type::unsigned_int || token.number < low || token.number > high) return false;
  out = static_cast<T>(token.number);
  return true;
}

bool take_flag(const Token& token, bool& out) {
  out = token.number != 0;
  return token.type == Type::boolean;
}

unsigned key_of(std::string_view text) {
  unsigned key = 0;
  while (key < kKeys && kKeyTexts[key] != text) ++key;
  return key;
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
  request_ = ClientRequest{};
  from_ = 0;
  seen_ = bad_ = duplicate_ = 0;
  op_known_ = false;
  if (is_array(frame)) return refuse(Code::bad_protocol);
  if (frame.size() > kSf1MapBytesMax) return refuse(Code::too_large);
  std::size_t end = 0;
  if (tokens_.parse(frame, end) != ParseOutcome::ok || end != frame.size())
    return refuse(Code::bad_protocol);
  if (tokens_.tokens()[0].type != Type::map) return refuse(Code::bad_protocol);
  take_pairs();
  return check();
}

void Sf1Decoder::take_pairs() {
  const auto& tokens = tokens_.tokens();
  std::size_t at = 1;
  for (std::uint32_t i = 0; i < tokens[0].size; ++i) {
    const auto& key = tokens[at];
    const auto& value = tokens[key.end];
    at = value.end;
    const auto known = is_text(key) ? key_of(key.text) : unsigned{kKeys};
    if (known == kKeys) continue;
    if (seen(known)) duplicate_ |= 1U << known;
    seen_ |= 1U << known;
    if (!take_known(known, value)) bad_ |= 1U << known;
  }
}

// Takes the value of one known key; false when it is not allowed there.
bool Sf1Decoder::take_known(unsigned key, const Token& value) {
  switch (key) {
    case kOp:
      return take_op(value);
    case kId:
      request_.id = value.text;
      return is_text(value) && valid_request_id(value.text);
    case kUser:
      request_.user = value.text;
      return is_text(value) && valid_user(value.text);
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
      return is_text(value) || value.type == Type::nil;  // token: not looked at yet
  }
}

bool Sf1Decoder::take_op(const Token& value) {
  if (!is_text(value)) return false;
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
  if (((bad_ | duplicate_) & bit(kId)) != 0) return refuse(Code::bad_protocol);
  if (!seen(kOp) || ((bad_ | duplicate_) & bit(kOp)) != 0) return refuse(Code::bad_request, "op");
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

// --- encoding ---------------------------------------------------------------------------------

namespace {

struct StringSink {  // the stream msgpack::packer writes to
  std::string& out;
  void write(const char* data, std::size_t size) { out.append(data, size); }
};

class MapWriter {
 public:
  MapWriter(std::string& out, std::uint32_t pairs) : sink_{out}, packer_(sink_) {
    packer_.pack_map(pairs);
  }
  void text(std::string_view key, std::string_view value) {
    pack(key);
    pack(value);
  }
  void number(std::string_view key, std::int64_t value) {
    pack(key);
    packer_.pack_int64(value);
  }
  void unsigned_number(std::string_view key, std::uint64_t value) {
    pack(key);
    packer_.pack_uint64(value);
  }
  void flag(std::string_view key, bool value) {
    pack(key);
    if (value)
      packer_.pack_true();
    else
      packer_.pack_false();
  }
  // 64-bit numbers go as text: some readers lose digits above 2^53.
  void decimal(std::string_view key, std::uint64_t value) {
    std::array<char, 20> digits;
    const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
    text(key, {digits.data(), static_cast<std::size_t>(end - digits.data())});
  }
  void array(std::string_view key, std::size_t elements) {
    pack(key);
    packer_.pack_array(static_cast<std::uint32_t>(elements));
  }

 private:
  void pack(std::string_view text) {
    const auto size = static_cast<std::uint32_t>(text.size());
    packer_.pack_str(size);
    packer_.pack_str_body(text.data(), size);
  }
  StringSink sink_;
  msgpack::packer<StringSink> packer_;
};

constexpr std::uint32_t one_if(bool there) {
  return there ? 1U : 0U;
}

void append_row(std::string& out, const ItemRow& row) {
  MapWriter map(out, 7);
  map.unsigned_number("item", row.item);
  map.text("name", row.name);
  map.number("price_cents", row.price_cents);
  map.number("total", row.total);
  map.number("left", row.left);
  map.decimal("seq", row.seq);
  map.text("state", item_state(row));
}

}  // namespace

std::string_view item_state(const ItemRow& row) {
  return row.left > 0 ? "open" : "sold_out";
}

void append_sf1_answer(std::string& out, std::string_view id, const Answer& answer) {
  const bool confirmed = answer.state == State::confirmed;
  const bool rejected = answer.state == State::rejected;
  MapWriter map(out, 5 + one_if(confirmed || rejected) + one_if(answer.left.has_value()) +
                         one_if(answer.replayed));
  map.text("id", id);
  map.text("state", to_text(answer.state));
  if (confirmed) map.decimal("order_id", answer.lsn);
  if (rejected) map.text("reason", storage::to_text(answer.reason));
  map.unsigned_number("item", answer.item);
  map.unsigned_number("qty", answer.qty);
  if (answer.left) map.number("left", *answer.left);
  map.flag("stored", answer.stored);
  if (answer.replayed) map.flag("replayed", true);
}

void append_sf1_queued(std::string& out, std::string_view id) {
  MapWriter map(out, 2);
  map.text("id", id);
  map.text("state", to_text(State::queued));
}

void append_sf1_error(std::string& out, std::string_view id, Code code, std::string_view field) {
  const auto& about = info(code);
  MapWriter map(
      out, 3 + one_if(!id.empty()) + one_if(about.retry_after_ms > 0) + one_if(!field.empty()));
  if (!id.empty()) map.text("id", id);
  map.text("code", about.text);
  map.text("message", about.message);
  map.flag("retry", about.retry);
  if (about.retry_after_ms > 0) map.number("retry_after_ms", about.retry_after_ms);
  if (!field.empty()) map.text("field", field);
}

void append_sf1_items(std::string& out, std::string_view id, const std::vector<ItemRow>& rows,
                      std::optional<std::uint64_t> next) {
  MapWriter map(out, 1 + one_if(!id.empty()) + one_if(next.has_value()));
  if (!id.empty()) map.text("id", id);
  if (next) map.unsigned_number("next", *next);
  map.array("items", rows.size());
  for (const auto& row : rows) append_row(out, row);
}

void append_sf1_pong(std::string& out, std::string_view id, std::string_view state) {
  MapWriter map(out, 2 + one_if(!id.empty()));
  if (!id.empty()) map.text("id", id);
  map.text("state", state);
  map.number("proto", kSf1Version);
}

void append_sf1_news(std::string& out, const ItemRow& row, std::int64_t ts_ms) {
  MapWriter map(out, 6);
  map.unsigned_number("item", row.item);
  map.number("left", row.left);
  map.number("total", row.total);
  map.decimal("seq", row.seq);
  map.number("ts", ts_ms);
  map.text("state", item_state(row));
}

}  // namespace stampede::actors
