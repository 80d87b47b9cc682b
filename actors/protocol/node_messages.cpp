#include "actors/protocol/node_messages.h"

#include <algorithm>
#include <msgpack.hpp>
#include <utility>

#include "storage/msgpack/msgpack_writer.h"

namespace stampede::actors {

namespace {

struct StringSink {  // the stream msgpack::packer writes to
  std::string& out;
  void write(const char* data, std::size_t size) { out.append(data, size); }
};

using Packer = msgpack::packer<StringSink>;
using storage::Term;

void pack_text(Packer& packer, std::string_view text) {
  packer.pack_str(static_cast<std::uint32_t>(text.size()));
  packer.pack_str_body(text.data(), static_cast<std::uint32_t>(text.size()));
}

// One overload for each type a term can have.
struct TermPacker {
  Packer& packer;
  void operator()(const Term&, std::string_view value) { pack_text(packer, value); }
  void operator()(const Term&, std::int64_t value) { packer.pack_int64(value); }
  void operator()(const Term&, std::uint32_t value) { packer.pack_uint32(value); }
};

// Left and seq stand behind the total.
void pack_row(Packer& packer, const ItemRow& row) {
  const auto sale = sale_terms(row.sale);
  packer.pack_array(8 + sale);
  packer.pack_uint64(row.item);
  TermPacker pack{packer};
  const auto pack_first = [&](const Term& term, const auto& value) {
    pack(term, value);
    if (&term != &storage::kTotalTerm) return;
    packer.pack_int64(row.left);
    packer.pack_uint64(row.seq);
  };
  each_term(pack_first, row.terms);
  each_sale_term_of(sale, pack, row.sale);
}

void append_item_put(Packer& packer, const Request& request) {
  packer.pack_array(8);
  packer.pack_uint8(static_cast<std::uint8_t>(RequestKind::item_put));
  pack_text(packer, request.id);
  packer.pack_uint64(request.item);
  each_term(TermPacker{packer}, request.terms);
}

void append_session(Packer& packer, const Request& request) {
  packer.pack_array(7);
  packer.pack_uint8(static_cast<std::uint8_t>(RequestKind::session));
  pack_text(packer, request.id);
  packer.pack_uint64(request.item);
  packer.pack_uint64(request.promo);
  pack_text(packer, request.user);
  packer.pack_int64(request.valid_until_ms);
  packer.pack_uint32(request.qty);
}

void append_get(Packer& packer, const Request& request) {
  const bool named = !request.user.empty();
  packer.pack_array(named ? 3 : 2);
  packer.pack_uint64(named ? kUsersGet : static_cast<std::uint64_t>(RequestKind::get));
  pack_text(packer, request.id);
  if (named) pack_text(packer, request.user);
}

// Orders and their answers are what most messages consist of.
constexpr std::size_t kOrderBytes = 50;   // without the texts
constexpr std::size_t kAnswerBytes = 80;  // arrays of nine small numbers and six large ones
constexpr std::size_t kMoreBytes = 16;
constexpr std::size_t kErrorBytes = 40;  // without the field

[[gnu::always_inline]] inline void pack_plain(storage::MsgpackWriter& entry,
                                              const Request& request) {
  entry.text(request.id);
  entry.number(request.item);
  entry.text(request.user);
  entry.number(request.qty);
}

template <class Out>
[[gnu::noinline]] void append_sale_order(Out& body, const Request& request) {
  storage::MsgpackWriter entry(body, kOrderBytes + request.id.size() + request.user.size());
  const bool ticket = request.ticket_ms != kNoTicket;
  entry.array(ticket ? 8 : 7);
  entry.number(kSaleOrder);
  pack_plain(entry, request);
  request.promo == kNoNumber ? entry.nil() : entry.number(request.promo);
  if (request.valid_until_ms == 0)
    entry.nil();
  else
    entry.signed_number(request.valid_until_ms);
  if (ticket) entry.signed_number(request.ticket_ms);
}

// Apart from the others, so that most orders pay for no more than they say; all that it calls goes
// into it, so that the writer stays in registers.
template <class Out>
[[gnu::flatten]] void append_order(Out& body, const Request& request) {
  if (request.promo != kNoNumber || request.valid_until_ms != 0)
    return append_sale_order(body, request);
  storage::MsgpackWriter entry(body, kOrderBytes + request.id.size() + request.user.size());
  entry.array(5);
  entry.number(static_cast<std::uint64_t>(RequestKind::order));
  pack_plain(entry, request);
}

}  // namespace

void append_request(storage::ByteBuffer& body, const Request& request) {
  if (request.kind == RequestKind::order) return append_order(body, request);
  std::string entry;
  append_request(entry, request);
  body.append(entry);
}

void append_request(std::string& body, const Request& request) {
  StringSink sink{body};
  Packer packer(sink);
  switch (request.kind) {
    case RequestKind::order:
      return append_order(body, request);
    case RequestKind::get:
      append_get(packer, request);
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
      packer.pack_int64(request.delta);
      return;
    case RequestKind::pay:
      packer.pack_array(4);
      packer.pack_uint8(static_cast<std::uint8_t>(RequestKind::pay));
      pack_text(packer, request.id);
      pack_text(packer, request.order);
      packer.pack_int64(request.amount_cents);
      return;
    case RequestKind::cancel:
      packer.pack_array(4);
      packer.pack_uint8(static_cast<std::uint8_t>(RequestKind::cancel));
      pack_text(packer, request.id);
      pack_text(packer, request.order);
      pack_text(packer, request.user);
      return;
    case RequestKind::session:
      return append_session(packer, request);
    case RequestKind::changes:
    case RequestKind::ended_sessions:
      packer.pack_array(4);
      packer.pack_uint8(static_cast<std::uint8_t>(request.kind));
      pack_text(packer, request.id);
      packer.pack_uint64(request.item);
      packer.pack_uint32(request.qty);
      return;
    case RequestKind::ticket:
      packer.pack_array(4);
      packer.pack_uint8(static_cast<std::uint8_t>(RequestKind::ticket));
      pack_text(packer, request.id);
      packer.pack_uint64(request.promo);
      pack_text(packer, request.user);
      return;
    case RequestKind::promos:
    case RequestKind::invalid:
      break;
  }
  STAMPEDE_ASSERT(false, "a request without a kind cannot be sent");
}

namespace {

ResultKind kind_of(const Answer& answer) {
  if (answer.fulfilment != storage::Fulfilment::none) return ResultKind::held_answer;
  const bool sale = answer.unit_price_cents != 0 || answer.promo != kNoNumber;
  return sale ? ResultKind::sale_answer : ResultKind::answer;
}

constexpr std::uint32_t elements_of(ResultKind kind) {
  if (kind == ResultKind::answer) return 8;
  return kind == ResultKind::sale_answer ? 10 : 12;
}

}  // namespace

void append_answer(std::string& body, const Answer& answer) {
  const auto kind = kind_of(answer);
  storage::MsgpackWriter entry(body, kAnswerBytes);
  entry.array(elements_of(kind));
  entry.number(static_cast<std::uint64_t>(kind));
  entry.number(static_cast<std::uint64_t>(answer.state));
  entry.number(static_cast<std::uint64_t>(answer.reason));
  entry.number(answer.lsn);
  entry.number(answer.item);
  entry.number(answer.qty);
  if (answer.left)
    entry.signed_number(*answer.left);
  else
    entry.nil();
  entry.number((answer.stored ? 1U : 0U) | (answer.replayed ? 2U : 0U));
  if (kind == ResultKind::answer) return;
  entry.signed_number(answer.unit_price_cents);
  answer.promo == kNoNumber ? entry.nil() : entry.number(answer.promo);
  if (kind == ResultKind::sale_answer) return;
  entry.number(static_cast<std::uint64_t>(answer.fulfilment));
  entry.signed_number(answer.at_ms);
}

void append_fulfilled(std::string& body, const Fulfilled& fulfilled) {
  storage::MsgpackWriter entry(body, kAnswerBytes + fulfilled.order.size());
  entry.array(5);
  entry.number(static_cast<std::uint64_t>(ResultKind::fulfilled));
  entry.text(fulfilled.order);
  entry.number(fulfilled.order_id);
  entry.number(static_cast<std::uint64_t>(fulfilled.fulfilment));
  entry.signed_number(fulfilled.at_ms);
}

void append_granted(std::string& body, const Granted& granted) {
  StringSink sink{body};
  Packer packer(sink);
  packer.pack_array(6);
  packer.pack_uint8(static_cast<std::uint8_t>(ResultKind::granted));
  pack_text(packer, granted.id);
  packer.pack_uint64(granted.promo);
  packer.pack_uint64(granted.item);
  pack_text(packer, granted.user);
  packer.pack_int64(granted.expires_at_ms);
}

void append_error(std::string& body, Code code, std::string_view field,
                  std::int64_t retry_after_ms) {
  storage::MsgpackWriter entry(body, kErrorBytes + field.size());
  entry.array(retry_after_ms > 0 ? 4 : 3);
  entry.number(static_cast<std::uint64_t>(ResultKind::error));
  entry.number(static_cast<std::uint64_t>(code));
  if (field.empty())
    entry.nil();
  else
    entry.text(field);
  if (retry_after_ms > 0) entry.signed_number(retry_after_ms);
}

namespace {

void pack_promo(Packer& packer, std::uint32_t row, const ShownPromo& promo) {
  packer.pack_array(promo.ticket == 0 ? 7 : 8);
  packer.pack_uint32(row);
  packer.pack_uint64(promo.promo);
  pack_text(packer, promo.name);
  packer.pack_int64(promo.price_cents);
  packer.pack_int64(promo.starts_at_ms);
  packer.pack_int64(promo.ends_at_ms);
  packer.pack_uint8(static_cast<std::uint8_t>(promo.state));
  if (promo.ticket != 0) packer.pack_uint32(promo.ticket);
}

std::uint32_t promos_of(const std::vector<ItemRow>& rows) {
  return static_cast<std::uint32_t>(std::count_if(
      rows.begin(), rows.end(), [](const ItemRow& row) { return row.promo.has_value(); }));
}

// The rows and, where an item has one to show, their promos: the last one or two elements.
void pack_rows(Packer& packer, const std::vector<ItemRow>& rows, std::uint32_t promos) {
  packer.pack_array(static_cast<std::uint32_t>(rows.size()));
  for (const auto& row : rows) pack_row(packer, row);
  if (promos == 0) return;
  packer.pack_array(promos);
  for (std::uint32_t i = 0; i < rows.size(); ++i)
    if (rows[i].promo) pack_promo(packer, i, *rows[i].promo);
}

}  // namespace

void append_items(std::string& body, const std::vector<ItemRow>& rows,
                  std::optional<std::uint64_t> next) {
  StringSink sink{body};
  Packer packer(sink);
  const auto promos = promos_of(rows);
  packer.pack_array(promos == 0 ? 3 : 4);
  packer.pack_uint8(static_cast<std::uint8_t>(ResultKind::items));
  if (next)
    packer.pack_uint64(*next);
  else
    packer.pack_nil();
  pack_rows(packer, rows, promos);
}

void append_changes(std::string& body, const ItemChanges& changes,
                    const std::vector<ItemRow>& rows) {
  StringSink sink{body};
  Packer packer(sink);
  const auto promos = promos_of(rows);
  packer.pack_array(promos == 0 ? 5 : 6);
  packer.pack_uint8(static_cast<std::uint8_t>(ResultKind::changes));
  packer.pack_uint64(changes.upto);
  packer.pack_uint8(static_cast<std::uint8_t>((changes.more ? 1U : 0U) | (changes.anew ? 2U : 0U)));
  packer.pack_array(static_cast<std::uint32_t>(changes.terms.size()));
  for (const auto place : changes.terms) packer.pack_uint32(place);
  pack_rows(packer, rows, promos);
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

namespace {

void pack_ended(Packer& packer, const EndedSession& session) {
  const bool bar = session.what == SessionEvent::barred;
  packer.pack_array(bar ? 5 : 4);
  packer.pack_uint64(session.session[0]);
  packer.pack_uint64(session.session[1]);
  packer.pack_uint8(static_cast<std::uint8_t>(session.what));
  packer.pack_int64(session.left_ms);
  if (bar) packer.pack_int64(session.opened_ms);
}

}  // namespace

void append_session_kept(std::string& body, const EndedSession& session) {
  StringSink sink{body};
  Packer packer(sink);
  packer.pack_array(2);
  packer.pack_uint8(static_cast<std::uint8_t>(ResultKind::session_kept));
  pack_ended(packer, session);
}

void append_ended_sessions(std::string& body, const EndedSessionsPage& page) {
  StringSink sink{body};
  Packer packer(sink);
  packer.pack_array(4);
  packer.pack_uint8(static_cast<std::uint8_t>(ResultKind::ended_sessions));
  packer.pack_uint64(page.upto);
  packer.pack_uint8(page.more ? 1 : 0);
  packer.pack_array(static_cast<std::uint32_t>(page.rows.size()));
  for (const auto& row : page.rows) pack_ended(packer, row);
}

void append_ended_session(std::string& body, const EndedSession& session) {
  StringSink sink{body};
  Packer packer(sink);
  pack_ended(packer, session);
}

void ResultWriter::answer(const Answer& answer) {
  if (answer == next_ && answer.state != State::invalid) {
    ++more_;
  } else {
    finish();
    append_answer(body_, answer);
    next_ = answer;
  }
  make_next(next_);
}

void ResultWriter::error(Code code, std::string_view field, std::int64_t retry_after_ms) {
  finish();
  append_error(body_, code, field, retry_after_ms);
}

void ResultWriter::items(const std::vector<ItemRow>& rows, std::optional<std::uint64_t> next) {
  finish();
  append_items(body_, rows, next);
}

void ResultWriter::fulfilled(const Fulfilled& fulfilled) {
  finish();
  append_fulfilled(body_, fulfilled);
}

void ResultWriter::changes(const ItemChanges& changes, const std::vector<ItemRow>& rows) {
  finish();
  append_changes(body_, changes, rows);
}

void ResultWriter::granted(const Granted& granted) {
  finish();
  append_granted(body_, granted);
}

void ResultWriter::session_kept(const EndedSession& session) {
  finish();
  append_session_kept(body_, session);
}

void ResultWriter::ended_sessions(const EndedSessionsPage& page) {
  finish();
  append_ended_sessions(body_, page);
}

// What comes after it is no longer the next of an answer.
void ResultWriter::finish() {
  next_ = {};
  if (more_ == 0) return;
  storage::MsgpackWriter entry(body_, kMoreBytes);
  entry.array(2);
  entry.number(static_cast<std::uint64_t>(ResultKind::more));
  entry.number(std::exchange(more_, 0));
}

}  // namespace stampede::actors
