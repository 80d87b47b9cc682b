#include "actors/messages.h"

#include <algorithm>
#include <msgpack.hpp>

namespace stampede::actors {

using storage::ParseOutcome;
using storage::Token;
using Type = Token::Type;

namespace {

struct StringSink {  // the stream msgpack::packer writes to
  std::string& out;
  void write(const char* data, std::size_t size) { out.append(data, size); }
};

using Packer = msgpack::packer<StringSink>;

void pack_text(Packer& packer, std::string_view text) {
  packer.pack_str(static_cast<std::uint32_t>(text.size()));
  packer.pack_str_body(text.data(), static_cast<std::uint32_t>(text.size()));
}

void pack_row(Packer& packer, const ItemRow& row) {
  packer.pack_array(8);
  packer.pack_uint64(row.item);
  pack_text(packer, row.name);
  packer.pack_int64(row.price_cents);
  packer.pack_int64(row.total);
  packer.pack_int64(row.left);
  packer.pack_uint64(row.seq);
  packer.pack_uint32(row.limit_per_user);
  packer.pack_uint32(row.max_qty);
}

// Reads the elements of one array in order; any element of a wrong type makes it bad for good.
class Elements {
 public:
  Elements(const std::vector<Token>& tokens, std::size_t array) : tokens_(tokens), at_(array + 1) {
    ok_ = array < tokens.size() && tokens[array].type == Type::array;
    left_ = ok_ ? tokens[array].size : 0;
  }
  std::uint64_t number() {
    const auto* token = take(Type::unsigned_int);
    return token ? token->number : 0;
  }
  std::int64_t signed_number() {
    if (ok_ && left_ > 0 && tokens_[at_].type == Type::negative_int)
      return static_cast<std::int64_t>(take(Type::negative_int)->number);
    const auto value = number();
    ok_ = ok_ && value <= kItemIdMax;
    return static_cast<std::int64_t>(value);
  }
  template <class T>
  T small() {
    const auto value = number();
    ok_ = ok_ && value <= static_cast<std::uint64_t>(std::numeric_limits<T>::max());
    return static_cast<T>(value);
  }
  std::string_view text() {
    const auto* token = take(Type::str);
    return token ? token->text : std::string_view{};
  }
  bool is_nil() {
    if (!ok_ || left_ == 0 || tokens_[at_].type != Type::nil) return false;
    return take(Type::nil) != nullptr;
  }
  std::size_t array() {  // the index of the next element, which is an array
    const auto index = at_;
    take(Type::array);
    return index;
  }
  [[nodiscard]] bool done() const { return ok_ && left_ == 0; }

 private:
  const Token* take(Type type) {
    if (!ok_ || left_ == 0 || tokens_[at_].type != type) {
      ok_ = false;
      return nullptr;
    }
    const auto* token = &tokens_[at_];
    at_ = token->end;
    --left_;
    return token;
  }
  const std::vector<Token>& tokens_;
  std::size_t at_;
  std::uint32_t left_ = 0;
  bool ok_ = false;
};

bool read_row(const std::vector<Token>& tokens, std::size_t array, ItemRow& row) {
  Elements elements(tokens, array);
  row.item = elements.number();
  row.name = elements.text();
  row.price_cents = elements.signed_number();
  row.total = elements.signed_number();
  row.left = elements.signed_number();
  row.seq = elements.number();
  row.limit_per_user = elements.small<std::uint32_t>();
  row.max_qty = elements.small<std::uint32_t>();
  return elements.done();
}

bool read_answer(Elements& elements, Answer& answer) {
  answer.state = static_cast<State>(elements.small<std::uint8_t>());
  answer.reason = static_cast<RejectReason>(elements.small<std::uint8_t>());
  answer.lsn = elements.number();
  answer.item = elements.number();
  answer.qty = elements.small<std::uint32_t>();
  answer.left = elements.is_nil() ? std::nullopt : std::optional(elements.signed_number());
  const auto flags = elements.small<std::uint8_t>();
  answer.stored = (flags & 1) != 0;
  answer.replayed = (flags & 2) != 0;
  return elements.done() && answer.state <= State::rejected && flags <= 3;
}

bool read_rows(const std::vector<Token>& tokens, std::size_t array, std::vector<ItemRow>& rows) {
  auto at = array + 1;
  for (std::uint32_t i = 0; i < tokens[array].size; ++i, at = tokens[at].end)
    if (!read_row(tokens, at, rows.emplace_back())) return false;
  return true;
}

}  // namespace

bool valid_request_id(std::string_view id) {
  const auto allowed = [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  return !id.empty() && id.size() <= kRequestIdBytesMax &&
         std::all_of(id.begin(), id.end(), allowed);
}

namespace {

// Length of the well-formed UTF-8 sequence at the front of `text`, 0 when it is malformed
// (overlong, surrogate, above U+10FFFF; The Unicode Standard, table 3-7).
std::size_t utf8_sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return tail(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F)) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if ((lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F)) return 0;
    return tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

bool control_character(std::string_view sequence) {  // C0, DEL and C1
  const auto first = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return first < 0x20 || first == 0x7F;
  return sequence.size() == 2 && first == 0xC2 && static_cast<unsigned char>(sequence[1]) < 0xA0;
}

}  // namespace

bool valid_user(std::string_view user) {
  if (user.empty() || user.size() > kUserBytesMax) return false;
  while (!user.empty()) {
    const auto size = utf8_sequence(user);
    if (size == 0 || control_character(user.substr(0, size))) return false;
    user.remove_prefix(size);
  }
  return true;
}

std::string_view to_text(State state) {
  switch (state) {
    case State::queued:
      return "queued";
    case State::confirmed:
      return "confirmed";
    case State::rejected:
      return "rejected";
    case State::invalid:
      break;
  }
  return "invalid";
}

namespace {

void append_item_put(Packer& packer, const Request& request) {
  packer.pack_array(8);
  packer.pack_uint8(static_cast<std::uint8_t>(RequestKind::item_put));
  pack_text(packer, request.id);
  packer.pack_uint64(request.item);
  pack_text(packer, request.name);
  packer.pack_int64(request.price_cents);
  packer.pack_int64(request.total);
  packer.pack_uint32(request.limit_per_user);
  packer.pack_uint32(request.max_qty);
}

}  // namespace

void append_request(std::string& body, const Request& request) {
  StringSink sink{body};
  Packer packer(sink);
  switch (request.kind) {
    case RequestKind::order:
      packer.pack_array(5);
      packer.pack_uint8(static_cast<std::uint8_t>(RequestKind::order));
      pack_text(packer, request.id);
      packer.pack_uint64(request.item);
      pack_text(packer, request.user);
      packer.pack_uint32(request.qty);
      return;
    case RequestKind::get:
      packer.pack_array(2);
      packer.pack_uint8(static_cast<std::uint8_t>(RequestKind::get));
      pack_text(packer, request.id);
      return;
    case RequestKind::items:
      packer.pack_array(3);
      packer.pack_uint8(static_cast<std::uint8_t>(RequestKind::items));
      packer.pack_uint64(request.item);
      packer.pack_uint32(request.qty);
      return;
    case RequestKind::item_put:
      append_item_put(packer, request);
      return;
    case RequestKind::stock_change:
      packer.pack_array(4);
      packer.pack_uint8(static_cast<std::uint8_t>(RequestKind::stock_change));
      pack_text(packer, request.id);
      packer.pack_uint64(request.item);
      packer.pack_int64(request.total);
      return;
    case RequestKind::invalid:
      break;
  }
  STAMPEDE_ASSERT(false, "a request without a kind cannot be sent");
}

void append_answer(std::string& body, const Answer& answer) {
  StringSink sink{body};
  Packer packer(sink);
  packer.pack_array(8);
  packer.pack_uint8(static_cast<std::uint8_t>(ResultKind::answer));
  packer.pack_uint8(static_cast<std::uint8_t>(answer.state));
  packer.pack_uint8(static_cast<std::uint8_t>(answer.reason));
  packer.pack_uint64(answer.lsn);
  packer.pack_uint64(answer.item);
  packer.pack_uint32(answer.qty);
  if (answer.left)
    packer.pack_int64(*answer.left);
  else
    packer.pack_nil();
  packer.pack_uint8(static_cast<std::uint8_t>((answer.stored ? 1 : 0) | (answer.replayed ? 2 : 0)));
}

void append_error(std::string& body, Code code, std::string_view field) {
  StringSink sink{body};
  Packer packer(sink);
  packer.pack_array(3);
  packer.pack_uint8(static_cast<std::uint8_t>(ResultKind::error));
  packer.pack_uint16(static_cast<std::uint16_t>(code));
  if (field.empty())
    packer.pack_nil();
  else
    pack_text(packer, field);
}

void append_items(std::string& body, const std::vector<ItemRow>& rows,
                  std::optional<std::uint64_t> next) {
  StringSink sink{body};
  Packer packer(sink);
  packer.pack_array(3);
  packer.pack_uint8(static_cast<std::uint8_t>(ResultKind::items));
  if (next)
    packer.pack_uint64(*next);
  else
    packer.pack_nil();
  packer.pack_array(static_cast<std::uint32_t>(rows.size()));
  for (const auto& row : rows) pack_row(packer, row);
}

void append_item_changed(std::string& body, bool changed, const ItemRow& row) {
  StringSink sink{body};
  Packer packer(sink);
  packer.pack_array(3);
  packer.pack_uint8(static_cast<std::uint8_t>(ResultKind::item_changed));
  packer.pack_uint8(changed ? 1 : 0);
  pack_row(packer, row);
}

void append_item_row(std::string& body, const ItemRow& row) {
  StringSink sink{body};
  Packer packer(sink);
  pack_row(packer, row);
}

bool BodyReader::fail() {
  bad_ = true;
  return false;
}

bool BodyReader::parse() {
  if (bad_ || offset_ == body_.size()) return false;
  if (tokens_.parse(body_, offset_) != ParseOutcome::ok) return fail();
  return true;
}

bool BodyReader::next(Request& request) {
  if (!parse()) return false;
  Elements elements(tokens_.tokens(), 0);
  request.kind = static_cast<RequestKind>(elements.small<std::uint8_t>());
  switch (request.kind) {
    case RequestKind::order:
      request.id = elements.text();
      request.item = elements.number();
      request.user = elements.text();
      request.qty = elements.small<std::uint32_t>();
      break;
    case RequestKind::get:
      request.id = elements.text();
      break;
    case RequestKind::items:
      request.item = elements.number();
      request.qty = elements.small<std::uint32_t>();
      break;
    case RequestKind::item_put:
      request.id = elements.text();
      request.item = elements.number();
      request.name = elements.text();
      request.price_cents = elements.signed_number();
      request.total = elements.signed_number();
      request.limit_per_user = elements.small<std::uint32_t>();
      request.max_qty = elements.small<std::uint32_t>();
      break;
    case RequestKind::stock_change:
      request.id = elements.text();
      request.item = elements.number();
      request.total = elements.signed_number();
      break;
    default:
      return fail();
  }
  return elements.done() || fail();
}

bool BodyReader::next(Result& result) {
  if (!parse()) return false;
  const auto& tokens = tokens_.tokens();
  Elements elements(tokens, 0);
  result.kind = static_cast<ResultKind>(elements.small<std::uint8_t>());
  result.items.clear();
  switch (result.kind) {
    case ResultKind::answer:
      return read_answer(elements, result.answer) || fail();
    case ResultKind::error:
      result.code = static_cast<Code>(elements.small<std::uint16_t>());
      result.field = elements.is_nil() ? std::string_view{} : elements.text();
      return elements.done() || fail();
    case ResultKind::items: {
      result.next = elements.is_nil() ? std::nullopt : std::optional(elements.number());
      const auto rows = elements.array();
      return (elements.done() && read_rows(tokens, rows, result.items)) || fail();
    }
    case ResultKind::item_changed: {
      result.changed = elements.small<std::uint8_t>() != 0;
      const auto row = elements.array();
      return (elements.done() && read_row(tokens, row, result.items.emplace_back())) || fail();
    }
    case ResultKind::invalid:
      break;
  }
  return fail();
}

bool BodyReader::next(ItemRow& row) {
  if (!parse()) return false;
  return read_row(tokens_.tokens(), 0, row) || fail();
}

}  // namespace stampede::actors
