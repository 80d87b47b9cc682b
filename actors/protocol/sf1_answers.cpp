// The writing half of SF1.

#include <array>
#include <charconv>
#include <string>

#include "actors/protocol/sf1.h"
#include "storage/msgpack/msgpack_writer.h"

namespace stampede::actors {

namespace {

using Writer = storage::MsgpackWriter;
using storage::Term;

// More than all keys, heads, numbers and words of one map take; texts of variable length count
// beside it.
constexpr std::size_t kMapBytes = 160;

constexpr std::uint32_t one_if(bool there) {
  return there ? 1U : 0U;
}

struct Decimal {
  std::array<char, 20> digits;
  std::size_t size;
  [[nodiscard]] std::string_view text() const { return {digits.data(), size}; }
};

// 64-bit numbers go as text: some readers lose digits above 2^53.
Decimal decimal(std::uint64_t value) {
  Decimal made;
  char* const begin = made.digits.data();
  made.size =
      static_cast<std::size_t>(std::to_chars(begin, begin + made.digits.size(), value).ptr - begin);
  return made;
}

// The states in which nearly all answers are stand in the program.
void write_state(Writer& map, State state) {
  if (state == State::confirmed) return map.literal("confirmed");
  if (state == State::rejected) return map.literal("rejected");
  map.text(to_text(state));
}

void write_id(Writer& map, std::string_view id) {
  if (id.empty()) return;
  map.literal("id");
  map.text(id);
}

// Members of an item that clients are shown, one overload for each type a term can have.
struct ShownTerms {
  Writer& map;
  void operator()(const Term& term, std::string_view value) {
    if (!term.shown) return;
    map.text(term.name);
    map.text(value);
  }
  void operator()(const Term& term, std::int64_t value) {
    if (!term.shown) return;
    map.text(term.name);
    map.signed_number(value);
  }
};

constexpr std::uint32_t kShownTerms = [] {
  std::uint32_t count = 0;
  storage::each_term([&](const Term& term) { count += one_if(term.shown); });
  return count;
}();

std::size_t text_bytes(std::string_view value) {
  return value.size();
}
std::size_t text_bytes(std::int64_t) {
  return 0;
}

// At least what they take: a key and its value have heads of 9 bytes at the most.
std::size_t bytes_of(const ItemTerms& terms) {
  std::size_t bytes = 0;
  each_term([&](const Term& term,
                const auto& value) { bytes += 18 + term.name.size() + text_bytes(value); },
            terms);
  return bytes;
}

void write_promo(Writer& map, const ShownPromo& promo) {
  map.literal("promo"), map.map(7);
  map.literal("id"), map.number(promo.promo);
  map.literal("name"), map.text(promo.name);
  map.literal("price_cents"), map.signed_number(promo.price_cents);
  map.literal("starts_at"), map.signed_number(promo.starts_at_ms);
  map.literal("ends_at"), map.signed_number(promo.ends_at_ms);
  map.literal("state"), map.text(to_text(promo.state));
  map.literal("ticket"), map.text(storage::ticket_text(promo.ticket));
}

void append_row(std::string& out, const ItemRow& row) {
  const auto promo_bytes = row.promo ? kMapBytes + row.promo->name.size() : 0;
  const auto& sale = row.sale;
  Writer map(out, kMapBytes + bytes_of(row.terms) + promo_bytes + sale.description.size() +
                      sale.image_url.size());
  map.map(6 + kShownTerms + one_if(row.promo.has_value()) + one_if(!sale.description.empty()) +
          one_if(!sale.image_url.empty()));
  map.literal("item"), map.number(row.item);
  each_term(ShownTerms{map}, row.terms);
  map.literal("left"), map.signed_number(row.left);
  map.literal("sold"), map.signed_number(sold(row.terms.total, row.left));
  map.literal("seq"), map.text(decimal(row.seq).text());
  map.literal("state"), map.text(item_state(row));
  map.literal("sale"), map.text(sale_mode(sale.promo_only));
  if (!sale.description.empty()) map.literal("description"), map.text(sale.description);
  if (!sale.image_url.empty()) map.literal("image_url"), map.text(sale.image_url);
  if (row.promo) write_promo(map, *row.promo);
}

}  // namespace

std::string_view item_state(const ItemRow& row) {
  if (row.sale.closed != 0) return "closed";
  return row.left > 0 ? "open" : "sold_out";
}

// Each of these three for a string and for a buffer.
namespace {

// What the rules of the sale add to an answer. Apart, so that a plain one pays a comparison for it.
bool of_sale(const Answer& answer) {
  return answer.promo != kNoNumber || answer.fulfilment != storage::Fulfilment::none;
}
[[gnu::noinline]] std::uint32_t sale_members(const Answer& answer) {
  return one_if(answer.promo != kNoNumber) +
         one_if(answer.fulfilment != storage::Fulfilment::none) +
         one_if(answer.fulfilment == storage::Fulfilment::unpaid);
}
[[gnu::noinline]] void write_sale(Writer& map, const Answer& answer) {
  if (answer.promo != kNoNumber) map.literal("promo"), map.number(answer.promo);
  if (answer.fulfilment == storage::Fulfilment::none) return;
  map.literal("fulfilment"), map.text(storage::to_text(answer.fulfilment));
  if (answer.fulfilment == storage::Fulfilment::unpaid)
    map.literal("pay_by"), map.signed_number(answer.at_ms);
}

template <class Out>
void write_answer(Out& out, std::string_view id, const Answer& answer) {
  const bool confirmed = answer.state == State::confirmed;
  const bool rejected = answer.state == State::rejected;
  Writer map(out, kMapBytes + id.size());
  const bool priced = answer.unit_price_cents != 0;
  const bool sale = of_sale(answer);
  map.map(5 + one_if(confirmed || rejected) + one_if(answer.left.has_value()) +
          one_if(answer.replayed) + one_if(priced) + (sale ? sale_members(answer) : 0));
  map.literal("id"), map.text(id);
  map.literal("state"), write_state(map, answer.state);
  if (confirmed) map.literal("order_id"), map.text(decimal(answer.lsn).text());
  if (rejected) map.literal("reason"), map.text(storage::to_text(answer.reason));
  map.literal("item"), map.number(answer.item);
  map.literal("qty"), map.number(answer.qty);
  if (answer.left) map.literal("left"), map.signed_number(*answer.left);
  map.literal("stored"), map.boolean(answer.stored);
  if (answer.replayed) map.literal("replayed"), map.boolean(true);
  if (priced) map.literal("unit_price_cents"), map.signed_number(answer.unit_price_cents);
  if (sale) write_sale(map, answer);
}

template <class Out>
void write_error(Out& out, std::string_view id, Code code, std::string_view field,
                 std::string_view message, std::int64_t retry_after_ms) {
  const auto& about = info(code);
  if (message.empty()) message = about.message;
  if (retry_after_ms == 0) retry_after_ms = about.retry_after_ms;
  Writer map(out, kMapBytes + id.size() + field.size() + about.text.size() + message.size());
  map.map(3 + one_if(!id.empty()) + one_if(retry_after_ms > 0) + one_if(!field.empty()));
  write_id(map, id);
  map.literal("code"), map.text(about.text);
  map.literal("message"), map.text(message);
  map.literal("retry"), map.boolean(about.retry);
  if (retry_after_ms > 0) map.literal("retry_after_ms"), map.signed_number(retry_after_ms);
  if (!field.empty()) map.literal("field"), map.text(field);
}

template <class Out>
void write_edge(Out& out, std::string_view id) {
  Writer map(out, kMapBytes + id.size());
  map.map(4);
  map.literal("id"), map.text(id);
  map.literal("code"), map.text(info(Code::sold_out).text);
  map.literal("edge"), map.boolean(true);
  map.literal("retry"), map.boolean(true);
}

}  // namespace

void append_sf1_edge(std::string& out, std::string_view id) {
  write_edge(out, id);
}
void append_sf1_edge(storage::ByteBuffer& out, std::string_view id) {
  write_edge(out, id);
}

void append_sf1_array(std::string& out, std::uint32_t entries) {
  Writer(out, 5).array(entries);
}
void append_sf1_array(storage::ByteBuffer& out, std::uint32_t entries) {
  Writer(out, 5).array(entries);
}
void append_sf1_answer(std::string& out, std::string_view id, const Answer& answer) {
  write_answer(out, id, answer);
}
void append_sf1_answer(storage::ByteBuffer& out, std::string_view id, const Answer& answer) {
  write_answer(out, id, answer);
}
void append_sf1_error(std::string& out, std::string_view id, Code code, std::string_view field,
                      std::string_view message, std::int64_t retry_after_ms) {
  write_error(out, id, code, field, message, retry_after_ms);
}
void append_sf1_error(storage::ByteBuffer& out, std::string_view id, Code code,
                      std::string_view field, std::string_view message,
                      std::int64_t retry_after_ms) {
  write_error(out, id, code, field, message, retry_after_ms);
}

void append_sf1_fulfilled(std::string& out, std::string_view id, const Fulfilled& fulfilled) {
  Writer map(out, kMapBytes + id.size() + fulfilled.order.size());
  map.map(5);
  map.literal("id"), map.text(id);
  map.literal("order"), map.text(fulfilled.order);
  map.literal("order_id"), map.text(std::to_string(fulfilled.order_id));  // no hot path
  map.literal("fulfilment"), map.text(storage::to_text(fulfilled.fulfilment));
  map.literal("at"), map.signed_number(fulfilled.at_ms);
}

void append_sf1_granted(std::string& out, std::string_view id, const Granted& granted,
                        std::string_view ticket) {
  const bool older = id != granted.id;
  Writer map(out, kMapBytes + id.size() + granted.id.size() + ticket.size());
  map.map(5 + one_if(older));
  map.literal("id"), map.text(granted.id);
  if (older) map.literal("asked"), map.text(id);
  map.literal("ticket"), map.text(ticket);
  map.literal("promo"), map.number(granted.promo);
  map.literal("item"), map.number(granted.item);
  map.literal("expires_at"), map.signed_number(granted.expires_at_ms);
}

void append_sf1_queued(std::string& out, std::string_view id) {
  Writer map(out, kMapBytes + id.size());
  map.map(2);
  map.literal("id"), map.text(id);
  map.literal("state"), map.text(to_text(State::queued));
}

void append_sf1_items(std::string& out, std::string_view id, const std::vector<ItemRow>& rows,
                      std::optional<std::uint64_t> next, std::int64_t now_ms) {
  {
    Writer map(out, kMapBytes + id.size());
    map.map(2 + one_if(!id.empty()) + one_if(next.has_value()));
    write_id(map, id);
    map.literal("server_time"), map.signed_number(now_ms);
    if (next) map.literal("next"), map.number(*next);
    map.literal("items"), map.array(static_cast<std::uint32_t>(rows.size()));
  }
  for (const auto& row : rows) append_row(out, row);
}

void append_sf1_session(std::string& out, std::string_view id, std::string_view user,
                        std::int64_t expires_ms) {
  Writer map(out, kMapBytes + id.size() + user.size());
  map.map(2 + one_if(!id.empty()));
  write_id(map, id);
  map.literal("user"), map.text(user);
  map.literal("expires_at"), map.signed_number(expires_ms);
}

void append_sf1_pong(std::string& out, std::string_view id, std::string_view state) {
  Writer map(out, kMapBytes + id.size() + state.size());
  map.map(2 + one_if(!id.empty()));
  write_id(map, id);
  map.literal("state"), map.text(state);
  map.literal("proto"), map.number(kSf1Version);
}

void append_sf1_notice(std::string& out, std::uint64_t item, Lsn seq, std::int64_t left) {
  Writer map(out, kMapBytes);
  map.map(3);
  map.literal("item"), map.number(item);
  map.literal("seq"), map.text(decimal(seq).text());
  map.literal("left"), map.signed_number(left);
}

void append_sf1_news(std::string& out, const ItemRow& row, std::int64_t ts_ms) {
  Writer map(out, kMapBytes);
  map.map(6);
  map.literal("item"), map.number(row.item);
  map.literal("left"), map.signed_number(row.left);
  map.literal("total"), map.signed_number(row.terms.total);
  map.literal("seq"), map.text(decimal(row.seq).text());
  map.literal("ts"), map.signed_number(ts_ms);
  map.literal("state"), map.text(item_state(row));
}

}  // namespace stampede::actors
