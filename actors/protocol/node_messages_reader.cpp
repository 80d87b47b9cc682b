// The reading half of the messages between webapp and backend.

#include <limits>

#include "actors/protocol/node_messages.h"
#include "storage/msgpack/msgpack_cursor.h"

namespace stampede::actors {

using storage::Fulfilment;
using storage::ParseOutcome;
using storage::Term;
using storage::Token;
using Type = Token::Type;

namespace {

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

// One overload for each type a term can have.
struct TermReader {
  Elements& elements;
  void operator()(const Term&, std::string_view& value) { value = elements.text(); }
  void operator()(const Term&, std::int64_t& value) { value = elements.signed_number(); }
  void operator()(const Term&, std::uint32_t& value) { value = elements.small<std::uint32_t>(); }
};

bool read_row(const std::vector<Token>& tokens, std::size_t array, ItemRow& row) {
  Elements elements(tokens, array);
  row.item = elements.number();
  TermReader read{elements};
  each_term(
      [&](const Term& term, auto& value) {
        read(term, value);
        if (&term != &storage::kTotalTerm) return;
        row.left = elements.signed_number();
        row.seq = elements.number();
      },
      row.terms);
  each_sale_term(
      [&](const Term& term, auto& value) {
        if (!elements.done()) read(term, value);
      },
      row.sale);
  return elements.done();
}

bool read_rows(const std::vector<Token>& tokens, std::size_t array, std::vector<ItemRow>& rows) {
  auto at = array + 1;
  for (std::uint32_t i = 0; i < tokens[array].size; ++i, at = tokens[at].end)
    if (!read_row(tokens, at, rows.emplace_back())) return false;
  return true;
}

bool read_promo(const std::vector<Token>& tokens, std::size_t array, std::vector<ItemRow>& rows) {
  Elements elements(tokens, array);
  const auto row = elements.small<std::uint32_t>();
  ShownPromo promo;
  promo.promo = elements.number();
  promo.name = elements.text();
  promo.price_cents = elements.signed_number();
  promo.starts_at_ms = elements.signed_number();
  promo.ends_at_ms = elements.signed_number();
  promo.state = static_cast<PromoState>(elements.small<std::uint8_t>());
  promo.ticket = elements.done() ? 0 : elements.small<std::uint32_t>();
  if (!elements.done() || row >= rows.size()) return false;
  rows[row].promo = promo;
  return true;
}

bool read_promos(const std::vector<Token>& tokens, std::size_t array, std::vector<ItemRow>& rows) {
  auto at = array + 1;
  for (std::uint32_t i = 0; i < tokens[array].size; ++i, at = tokens[at].end)
    if (!read_promo(tokens, at, rows)) return false;
  return true;
}

// The rows that are the last element, or stand before their promos.
bool read_last_rows(const std::vector<Token>& tokens, Elements& elements,
                    std::vector<ItemRow>& rows) {
  const auto at = elements.array();
  if (elements.done()) return read_rows(tokens, at, rows);
  const auto promos = elements.array();
  return elements.done() && read_rows(tokens, at, rows) && read_promos(tokens, promos, rows);
}

// Ascending, each of one of the rows.
bool read_places(const std::vector<Token>& tokens, std::size_t array, std::size_t rows,
                 std::vector<std::uint32_t>& places) {
  places.clear();
  Elements elements(tokens, array);
  for (auto left = tokens[array].size; left > 0; --left) {
    const auto place = elements.small<std::uint32_t>();
    if (place >= rows || (!places.empty() && place <= places.back())) return false;
    places.push_back(place);
  }
  return elements.done();
}

bool read_ended(const std::vector<Token>& tokens, std::size_t array, EndedSession& session) {
  Elements elements(tokens, array);
  session.session = {elements.number(), elements.number()};
  session.what = static_cast<SessionEvent>(elements.small<std::uint8_t>());
  session.left_ms = elements.signed_number();
  session.opened_ms = session.what == SessionEvent::barred ? elements.signed_number() : 0;
  return elements.done() && session.what >= SessionEvent::ended &&
         session.what <= SessionEvent::opened;
}

bool read_ended_rows(const std::vector<Token>& tokens, std::size_t array,
                     std::vector<EndedSession>& rows) {
  rows.clear();
  auto at = array + 1;
  for (std::uint32_t i = 0; i < tokens[array].size; ++i, at = tokens[at].end)
    if (!read_ended(tokens, at, rows.emplace_back())) return false;
  return true;
}

}  // namespace

bool BodyReader::fail() {
  bad_ = true;
  return false;
}

bool BodyReader::parse() {
  if (bad_ || offset_ == body_.size()) return false;
  if (tokens_.parse(body_, offset_) != ParseOutcome::ok) return fail();
  return true;
}

namespace {

// Reads the elements of one array at the front of `bytes`, as Elements does, without a token list.
// All of it goes into its callers, which keep the cursor in registers.
class FlatArray {
 public:
  // `more`: so many elements more than `size` there may be.
  [[gnu::always_inline]] FlatArray(std::string_view bytes, std::uint32_t size,
                                   std::uint32_t more = 0)
      : cursor_(bytes) {
    Value head;
    ok_ = cursor_.next(head) && head.type == Type::array && head.size - size <= more;
    size_ = head.size;
  }
  [[gnu::always_inline]] std::uint64_t number() {
    std::uint64_t number = 0;
    ok_ = ok_ && cursor_.next_unsigned(number);
    return number;
  }
  template <class T>
  [[gnu::always_inline]] T small() {
    const auto value = number();
    ok_ = ok_ && value <= std::numeric_limits<T>::max();
    return static_cast<T>(value);
  }
  [[gnu::always_inline]] std::string_view text() {
    std::string_view text;
    if (ok_ && cursor_.next_short_text(text)) return text;
    Value value;
    ok_ = ok_ && cursor_.next(value) && value.type == Type::str;
    return value.text;
  }
  [[gnu::always_inline]] std::optional<std::int64_t> signed_number_or_nil() {
    if (std::uint64_t number = 0; ok_ && cursor_.next_unsigned(number)) {
      ok_ = number <= kItemIdMax;
      return static_cast<std::int64_t>(number);
    }
    Value value;
    ok_ = ok_ && cursor_.next(value);
    if (!ok_ || value.type == Type::nil) return std::nullopt;
    ok_ = value.type == Type::negative_int;
    return static_cast<std::int64_t>(value.number);
  }
  [[gnu::always_inline]] std::string_view text_or_nil() {
    std::string_view text;
    if (ok_ && cursor_.next_short_text(text)) return text;
    Value value;
    ok_ = ok_ && cursor_.next(value) && (value.type == Type::str || value.type == Type::nil);
    return value.text;
  }
  void expect(bool condition) { ok_ = ok_ && condition; }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::uint32_t size() const { return size_; }  // elements
  [[nodiscard]] std::size_t bytes() const { return cursor_.offset(); }

 private:
  using Value = storage::MsgpackCursor::Value;
  storage::MsgpackCursor cursor_;
  std::uint32_t size_ = 0;
  bool ok_ = true;
};

}  // namespace

// False: the next entry is something else, or malformed; nothing was taken.
bool BodyReader::take_order(Request& request) {
  if (bad_ || offset_ == body_.size()) return false;
  FlatArray entry(body_.substr(offset_), 5);
  if (entry.number() != static_cast<std::uint64_t>(RequestKind::order)) return false;
  request.kind = RequestKind::order;
  request.id = entry.text();
  request.item = entry.number();
  request.user = entry.text();
  request.qty = entry.small<std::uint32_t>();
  request.promo = kNoNumber;
  request.valid_until_ms = 0;
  if (entry.ok()) offset_ += entry.bytes();
  return entry.ok();
}

// As above; apart, so that plain orders pay nothing for it.
[[gnu::noinline]] bool BodyReader::take_sale_order(Request& request) {
  if (bad_ || offset_ == body_.size()) return false;
  FlatArray entry(body_.substr(offset_), 7, 1);
  if (entry.number() != kSaleOrder) return false;
  request.kind = RequestKind::order;
  request.id = entry.text();
  request.item = entry.number();
  request.user = entry.text();
  request.qty = entry.small<std::uint32_t>();
  const auto promo = entry.signed_number_or_nil();
  request.promo = promo ? static_cast<std::uint64_t>(*promo) : kNoNumber;
  request.valid_until_ms = entry.signed_number_or_nil().value_or(0);
  const bool ticket = entry.size() == 8;
  const auto ticket_ms = ticket ? entry.signed_number_or_nil() : kNoTicket;
  request.ticket_ms = ticket_ms.value_or(kNoTicket);
  entry.expect(promo.value_or(0) >= 0 && request.valid_until_ms >= 0 && ticket_ms &&
               request.ticket_ms >= kForeignTicket);
  if (entry.ok()) offset_ += entry.bytes();
  return entry.ok();
}

// Everything of an answer but its kind and what stands behind the flags.
namespace {
void read_answer(FlatArray& entry, Answer& answer) {
  answer.state = static_cast<State>(entry.small<std::uint8_t>());
  answer.reason = static_cast<RejectReason>(entry.small<std::uint8_t>());
  answer.lsn = entry.number();
  answer.item = entry.number();
  answer.qty = entry.small<std::uint32_t>();
  answer.left = entry.signed_number_or_nil();
  const auto flags = entry.small<std::uint8_t>();
  answer.stored = (flags & 1) != 0;
  answer.replayed = (flags & 2) != 0;
  entry.expect(answer.state <= State::rejected && flags <= 3);
}
}  // namespace

bool BodyReader::take_answer(Result& result) {
  if (bad_ || offset_ == body_.size()) return false;
  FlatArray entry(body_.substr(offset_), 8);
  if (entry.number() != static_cast<std::uint64_t>(ResultKind::answer)) return false;
  result.kind = ResultKind::answer;
  read_answer(entry, result.answer);
  if (!entry.ok()) return false;
  result.answer.unit_price_cents = 0;
  result.answer.promo = kNoNumber;
  result.answer.fulfilment = Fulfilment::none;
  result.answer.at_ms = 0;
  result.items.clear();
  offset_ += entry.bytes();
  return true;
}

namespace {
void read_sale_answer(FlatArray& entry, Answer& answer) {
  read_answer(entry, answer);
  answer.unit_price_cents = entry.signed_number_or_nil().value_or(0);
  const auto promo = entry.signed_number_or_nil();
  answer.promo = promo ? static_cast<std::uint64_t>(*promo) : kNoNumber;
}
}  // namespace

bool BodyReader::take_sale_answer(Result& result) {
  if (bad_ || offset_ == body_.size()) return false;
  FlatArray entry(body_.substr(offset_), 10);
  if (entry.number() != static_cast<std::uint64_t>(ResultKind::sale_answer)) return false;
  result.kind = ResultKind::answer;
  read_sale_answer(entry, result.answer);
  if (!entry.ok()) return false;
  result.answer.fulfilment = Fulfilment::none;
  result.answer.at_ms = 0;
  result.items.clear();
  offset_ += entry.bytes();
  return true;
}

bool BodyReader::take_held_answer(Result& result) {
  if (bad_ || offset_ == body_.size()) return false;
  FlatArray entry(body_.substr(offset_), 12);
  if (entry.number() != static_cast<std::uint64_t>(ResultKind::held_answer)) return false;
  result.kind = ResultKind::answer;
  auto& answer = result.answer;
  read_sale_answer(entry, answer);
  answer.fulfilment = static_cast<Fulfilment>(entry.small<std::uint8_t>());
  entry.expect(answer.fulfilment >= Fulfilment::unpaid &&
               answer.fulfilment <= Fulfilment::refund_due);
  answer.at_ms = entry.signed_number_or_nil().value_or(0);
  if (!entry.ok()) return false;
  result.items.clear();
  offset_ += entry.bytes();
  return true;
}

bool BodyReader::take_error(Result& result) {
  if (bad_ || offset_ == body_.size()) return false;
  FlatArray entry(body_.substr(offset_), 3, 1);
  if (entry.number() != static_cast<std::uint64_t>(ResultKind::error)) return false;
  result.kind = ResultKind::error;
  result.code = static_cast<Code>(entry.small<std::uint16_t>());
  result.field = entry.text_or_nil();
  const bool waits = entry.size() == 4;
  const auto retry_after_ms = waits ? entry.signed_number_or_nil() : 0;
  entry.expect(retry_after_ms.has_value());
  if (!entry.ok()) return false;
  result.retry_after_ms = *retry_after_ms;
  result.items.clear();
  offset_ += entry.bytes();
  return true;
}

// False: what comes is something else. More answers than a work message has orders are refused.
bool BodyReader::take_more() {
  if (bad_ || offset_ == body_.size() || next_.state == State::invalid) return false;
  FlatArray entry(body_.substr(offset_), 2);
  if (entry.number() != static_cast<std::uint64_t>(ResultKind::more)) return false;
  more_ = entry.small<std::uint32_t>();
  if (!entry.ok() || more_ == 0 || more_ > kBatchOrdersMax) {
    more_ = 0;
    return false;
  }
  offset_ += entry.bytes();
  return true;
}

void BodyReader::give_next(Result& result) {
  result.kind = ResultKind::answer;
  result.answer = next_;
  result.items.clear();
  make_next(next_);
  --more_;
}

bool BodyReader::next(Request& request) {
  return take_order(request) || take_sale_order(request) ||
         (parse() && (take_rare(request) || fail()));
}

namespace {

void read_sale_order(Elements& elements, Request& request) {
  request.kind = RequestKind::order;
  request.id = elements.text();
  request.item = elements.number();
  request.user = elements.text();
  request.qty = elements.small<std::uint32_t>();
  request.promo = elements.is_nil() ? kNoNumber : elements.number();
  request.valid_until_ms = elements.is_nil() ? 0 : elements.signed_number();
  request.ticket_ms = elements.done() ? kNoTicket : elements.signed_number();
}

}  // namespace

bool BodyReader::take_rare(Request& request) {
  Elements elements(tokens_.tokens(), 0);
  const auto kind = elements.small<std::uint8_t>();
  if (kind == kSaleOrder) {
    read_sale_order(elements, request);
    return elements.done() && request.valid_until_ms >= 0 && request.ticket_ms >= kForeignTicket;
  }
  request.kind = kind == kUsersGet ? RequestKind::get : static_cast<RequestKind>(kind);
  switch (request.kind) {
    case RequestKind::get:
      request.id = elements.text();
      request.user = kind == kUsersGet ? elements.text() : std::string_view{};
      if (kind == kUsersGet && request.user.empty()) return false;
      break;
    case RequestKind::items:
      request.item = elements.number();
      request.qty = elements.small<std::uint32_t>();
      break;
    case RequestKind::item_put:
      request.id = elements.text();
      request.item = elements.number();
      each_term(TermReader{elements}, request.terms);
      break;
    case RequestKind::stock_change:
      request.id = elements.text();
      request.item = elements.number();
      request.delta = elements.signed_number();
      break;
    case RequestKind::pay:
      request.id = elements.text();
      request.order = elements.text();
      request.amount_cents = elements.signed_number();
      break;
    case RequestKind::cancel:
      request.id = elements.text();
      request.order = elements.text();
      request.user = elements.text();
      break;
    case RequestKind::session:
      request.id = elements.text();
      request.item = elements.number();
      request.promo = elements.number();
      request.user = elements.text();
      request.valid_until_ms = elements.signed_number();
      request.qty = elements.small<std::uint32_t>();
      break;
    case RequestKind::changes:
    case RequestKind::ended_sessions:
      request.id = elements.text();
      request.item = elements.number();
      request.qty = elements.small<std::uint32_t>();
      break;
    case RequestKind::ticket:
      request.id = elements.text();
      request.promo = elements.number();
      request.user = elements.text();
      break;
    default:
      return false;
  }
  return elements.done();
}

bool BodyReader::next(Result& result) {
  if (more_ == 0 && (take_answer(result) || take_sale_answer(result) || take_held_answer(result))) {
    next_ = result.answer;
    make_next(next_);
    return true;
  }
  if (more_ > 0 || take_more()) {
    give_next(result);
    return true;
  }
  next_.state = State::invalid;
  return take_error(result) || (parse() && take_rare(result));
}

// Of what was parsed. Apart, so that an answer pays for none of it.
[[gnu::noinline]] bool BodyReader::take_rare(Result& result) {
  const auto& tokens = tokens_.tokens();
  Elements elements(tokens, 0);
  result.kind = static_cast<ResultKind>(elements.small<std::uint8_t>());
  result.items.clear();
  switch (result.kind) {
    case ResultKind::error:
      result.code = static_cast<Code>(elements.small<std::uint16_t>());
      result.field = elements.is_nil() ? std::string_view{} : elements.text();
      result.retry_after_ms = elements.done() ? 0 : elements.signed_number();
      return elements.done() || fail();
    case ResultKind::items:
      result.next = elements.is_nil() ? std::nullopt : std::optional(elements.number());
      return read_last_rows(tokens, elements, result.items) || fail();
    case ResultKind::changes: {
      auto& changes = result.changes;
      changes.upto = elements.number();
      const auto flags = elements.small<std::uint8_t>();
      changes.more = (flags & 1) != 0;
      changes.anew = (flags & 2) != 0;
      const auto places = elements.array();
      return (flags <= 3 && read_last_rows(tokens, elements, result.items) &&
              read_places(tokens, places, result.items.size(), changes.terms)) ||
             fail();
    }
    case ResultKind::item_changed: {
      result.changed = elements.small<std::uint8_t>() != 0;
      const auto row = elements.array();
      return (elements.done() && read_row(tokens, row, result.items.emplace_back())) || fail();
    }
    case ResultKind::fulfilled: {
      auto& fulfilled = result.fulfilled;
      fulfilled.order = elements.text();
      fulfilled.order_id = elements.number();
      fulfilled.fulfilment = static_cast<Fulfilment>(elements.small<std::uint8_t>());
      fulfilled.at_ms = elements.signed_number();
      const bool known = fulfilled.fulfilment <= Fulfilment::refund_due;
      return (elements.done() && known) || fail();
    }
    case ResultKind::granted: {
      auto& granted = result.granted;
      granted.id = elements.text();
      granted.promo = elements.number();
      granted.item = elements.number();
      granted.user = elements.text();
      granted.expires_at_ms = elements.signed_number();
      return elements.done() || fail();
    }
    case ResultKind::session_kept: {
      const auto session = elements.array();
      return (elements.done() && read_ended(tokens, session, result.session)) || fail();
    }
    case ResultKind::ended_sessions: {
      result.sessions.upto = elements.number();
      result.sessions.more = elements.small<std::uint8_t>() != 0;
      const auto rows = elements.array();
      return (elements.done() && read_ended_rows(tokens, rows, result.sessions.rows)) || fail();
    }
    case ResultKind::answer:  // take_answer() and take_more() refused them
    case ResultKind::more:
    case ResultKind::sale_answer:
    case ResultKind::held_answer:
    case ResultKind::invalid:
      break;
  }
  return fail();
}

bool BodyReader::next(ItemRow& row) {
  if (!parse()) return false;
  return read_row(tokens_.tokens(), 0, row) || fail();
}

bool BodyReader::next(EndedSession& session) {
  if (!parse()) return false;
  return read_ended(tokens_.tokens(), 0, session) || fail();
}

}  // namespace stampede::actors
