#include "storage/mysql/sql_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "storage/mysql/last_rows.h"
#include "storage/mysql/sale_columns.h"
#include "storage/mysql/sql_rows.h"

namespace stampede::storage {
namespace {

// Every statement names its columns: a table may have more of them, and in another order.
constexpr std::string_view kOrderHead =
    "INSERT INTO orders(order_id,request_id,item_id,user_id,qty,unit_price_cents,decided_at) "
    "VALUES";
// Where at least one of the rows has something of the sale; the others get the columns' defaults.
constexpr std::string_view kSaleOrderHead =
    "INSERT INTO orders(order_id,request_id,item_id,user_id,qty,unit_price_cents,decided_at,"
    "promo_id,fulfilment,pay_by) VALUES";
// Changes nothing; only keeps a repeated row from being an error. INSERT IGNORE would hide others.
constexpr std::string_view kOrderTail = " ON DUPLICATE KEY UPDATE order_id=order_id";

// fn(name) for each column that an ItemPut sets.
template <class Fn>
void each_put_column(Fn fn) {
  each_term([&](const Term& term) { fn(term.name); });
  each_item_column(ItemSale{}, [&](std::string_view name, auto, auto) { fn(name); });
}

// INSERT INTO item(id,name,…,put_lsn) VALUES
std::string make_put_head() {
  std::string out = "INSERT INTO item(id,";
  each_put_column([&](std::string_view name) { out.append(name) += ','; });
  return out += "put_lsn) VALUES";
}

std::string make_put_tail() {
  std::string out = " ON DUPLICATE KEY UPDATE ";
  each_put_column([&](std::string_view name) { append_guarded(out, name, "put_lsn"); });
  append_guard(out, "put_lsn");
  return out;
}

std::string make_put_select() {
  std::string out = "SELECT id,put_lsn";
  each_put_column([&](std::string_view name) { (out += ',').append(name); });
  return out += " FROM item WHERE id IN ";
}

constexpr std::string_view kAmountHead = "INSERT INTO item(id,amount,lsn) VALUES";
constexpr std::string_view kAmountTail =
    " ON DUPLICATE KEY UPDATE amount=IF(VALUES(lsn)>lsn,VALUES(amount),amount),"
    "lsn=GREATEST(lsn,VALUES(lsn))";

constexpr std::array<bool, 256> make_harmless() {
  std::array<bool, 256> table{};
  for (const char c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789-_ .:@+/,()#&!?*=")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}
constexpr auto kHarmless = make_harmless();

template <class Integer>
void append_integer(std::string& out, Integer value) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out.append(digits.data(), end.ptr);
}

// `introducer` stands before bytes that cannot be quoted as they are.
void append_quoted(std::string& out, std::string_view introducer, std::string_view bytes) {
  bool harmless = true;
  for (const char c : bytes) harmless = harmless && kHarmless[static_cast<unsigned char>(c)];
  if (harmless) {
    out += '\'';
    out += bytes;
    out += '\'';
    return;
  }
  constexpr std::string_view digits = "0123456789abcdef";
  out += introducer;
  out += "x'";
  for (const char c : bytes) {
    out += digits[static_cast<unsigned char>(c) >> 4];
    out += digits[static_cast<unsigned char>(c) & 15];
  }
  out += '\'';
}

void put_digits(char* to, int width, std::int64_t value) {
  for (int i = width - 1; i >= 0; --i, value /= 10) to[i] = static_cast<char>('0' + value % 10);
}

void append_order(std::string& out, const OrderRow& row) {
  out += '(';
  append_number(out, row.order_id);
  out += ',';
  append_literal(out, row.request_id);
  out += ',';
  append_number(out, row.item);
  out += ',';
  append_literal(out, row.user);
  out += ',';
  append_number(out, std::uint64_t{row.qty});
  out += ',';
  append_number(out, row.unit_price_cents);
  out += ",'";
  append_datetime(out, row.decided_at_us);
  out += "')";
}

void append_is_there(std::string& out, const LastTable& table, const LaneLast::Row& row) {
  if (row.lsn == 0) return;
  out.append(" AND EXISTS(SELECT 1 FROM ").append(table.table).append(" WHERE ");
  append_number(out.append(table.key) += '=', row.key);
  if (!table.guard.empty())
    append_number(out.append(" AND ").append(table.guard).append(">="), row.lsn);
  out += ')';
}

bool has_sale(const OrderRow& row) {
  return row.promo != kNoNumber || row.pay_by_ms != 0;
}

void append_sale_order(std::string& out, const OrderRow& row) {
  append_order(out, row);
  out.back() = ',';
  if (row.promo == kNoNumber)
    out += "NULL";
  else
    append_number(out, row.promo);
  if (row.pay_by_ms == 0) {
    out += ",'none',NULL)";
    return;
  }
  out += ",'unpaid','";
  append_datetime_ms(out, row.pay_by_ms);
  out += "')";
}

void append_put(std::string& out, const ItemPutRow& row) {
  out += '(';
  append_number(out, row.item);
  each_term([&](const Term&, const auto& value) { append_value(out += ',', value); }, row.terms);
  each_item_column(row.sale, [&](std::string_view, const auto& value, const auto&) {
    append_value(out += ',', value);
  });
  out += ',';
  append_number(out, row.put_lsn);
  out += ')';
}

void append_amount(std::string& out, const AmountRow& row) {
  out += '(';
  append_number(out, row.item);
  out += ',';
  append_number(out, row.amount);
  out += ',';
  append_number(out, row.lsn);
  out += ')';
}

}  // namespace

void append_number(std::string& out, std::uint64_t value) {
  append_integer(out, value);
}
void append_number(std::string& out, std::int64_t value) {
  append_integer(out, value);
}

void append_literal(std::string& out, std::string_view bytes) {
  append_quoted(out, {}, bytes);
}
void append_text_literal(std::string& out, std::string_view text) {
  append_quoted(out, "_utf8mb4 ", text);
}

void append_datetime(std::string& out, std::int64_t us_since_1970) {
  namespace chr = std::chrono;
  const chr::sys_time<chr::microseconds> time{chr::microseconds(us_since_1970)};
  const auto day = chr::floor<chr::days>(time);
  const chr::year_month_day date{day};
  const int year = static_cast<int>(date.year());
  if (year < 1 || year > 9999) {
    out += "out of range";
    return;
  }
  const chr::hh_mm_ss clock{time - day};
  char text[] = "0000-00-00 00:00:00.000000";
  put_digits(text, 4, year);
  put_digits(text + 5, 2, static_cast<unsigned>(date.month()));
  put_digits(text + 8, 2, static_cast<unsigned>(date.day()));
  put_digits(text + 11, 2, clock.hours().count());
  put_digits(text + 14, 2, clock.minutes().count());
  put_digits(text + 17, 2, clock.seconds().count());
  put_digits(text + 20, 6, clock.subseconds().count());
  out.append(text, sizeof text - 1);
}

void append_datetime_ms(std::string& out, std::int64_t ms_since_1970) {
  constexpr std::int64_t kUsPerMs = 1000;
  constexpr std::int64_t kLongest = INT64_MAX / kUsPerMs;
  append_datetime(out, std::clamp(ms_since_1970, -kLongest, kLongest) * kUsPerMs);
  if (out.back() == '0') out.resize(out.size() - 3);  // three digits more than the column has
}

std::int64_t parse_datetime_ms(std::string_view text) {
  namespace chr = std::chrono;
  constexpr std::size_t kSeconds = 19;
  constexpr std::size_t kDigits = 23;
  // A column may have been made finer or coarser than ours.
  std::string padded(text);
  if (text.size() == kSeconds) padded += ".000";
  while (padded.size() > kDigits && padded.back() == '0') padded.pop_back();
  if (padded.size() != kDigits) return -1;
  bool whole = true;
  const auto number = [&](std::size_t at, std::size_t width) {
    int value = 0;
    const auto* first = padded.data() + at;
    whole = std::from_chars(first, first + width, value).ptr == first + width && whole;
    return value;
  };
  const chr::year_month_day date{chr::year{number(0, 4)},
                                 chr::month{static_cast<unsigned>(number(5, 2))},
                                 chr::day{static_cast<unsigned>(number(8, 2))}};
  const auto time = chr::hours{number(11, 2)} + chr::minutes{number(14, 2)} +
                    chr::seconds{number(17, 2)} + chr::milliseconds{number(20, 3)};
  const auto at = chr::sys_days{date}.time_since_epoch() + time;
  return whole && date.ok() ? chr::duration_cast<chr::milliseconds>(at).count() : -1;
}

std::int64_t parse_datetime_us(std::string_view text) {
  constexpr std::size_t kDigits = 26;
  constexpr std::size_t kMsDigits = 23;
  if (text.size() != kDigits) return -1;
  const auto ms = parse_datetime_ms(text.substr(0, kMsDigits));
  std::int64_t us = 0;
  const auto* end = text.data() + kDigits;
  const bool whole = std::from_chars(text.data() + kMsDigits, end, us).ptr == end && us >= 0;
  return ms < 0 || !whole ? -1 : ms * 1000 + us;
}

void append_lane_update(std::string& out, Lsn witness, int lane, const LaneFence& fence) {
  out += "UPDATE lane SET batches=batches+1,applied_lsn=GREATEST(applied_lsn,";
  append_number(out, witness);
  out += ") WHERE lane=";
  append_number(out, std::int64_t{lane});
  out += " AND epoch=";
  append_number(out, fence.epoch);
  out += " AND owner=";
  append_number(out, fence.owner);
  out += " AND batches=";
  append_number(out, fence.batches);
  for (std::size_t kind = 0; kind < kLastKinds; ++kind)
    append_is_there(out, kLastTables[kind], fence.last.rows[kind]);
}

std::size_t append_order_insert(std::string& out, const LaneBatch& batch, std::size_t first,
                                std::size_t last, std::size_t bytes_max) {
  const auto& rows = batch.orders;
  if (std::any_of(rows.begin() + static_cast<std::ptrdiff_t>(first),
                  rows.begin() + static_cast<std::ptrdiff_t>(last), has_sale))
    return append_rows(out, kSaleOrderHead, rows, first, last, kOrderTail, bytes_max,
                       [](auto& to, const auto& row) { append_sale_order(to, row); });
  return append_rows(out, kOrderHead, rows, first, last, kOrderTail, bytes_max,
                     [](auto& to, const auto& row) { append_order(to, row); });
}

std::size_t append_put_upsert(std::string& out, const LaneBatch& batch, std::size_t first,
                              std::size_t last, std::size_t bytes_max) {
  static const std::string head = make_put_head();
  static const std::string tail = make_put_tail();
  return append_rows(out, head, batch.puts, first, last, tail, bytes_max, append_put);
}

std::size_t append_amount_upsert(std::string& out, const LaneBatch& batch, std::size_t first,
                                 std::size_t last, std::size_t bytes_max) {
  return append_rows(out, kAmountHead, batch.amounts, first, last, kAmountTail, bytes_max,
                     [](auto& to, const auto& row) { append_amount(to, row); });
}

void append_order_select(std::string& out, const LaneBatch& batch, std::size_t first,
                         std::size_t last) {
  append_keys(out,
              "SELECT order_id,request_id,item_id,user_id,qty,unit_price_cents,decided_at,promo_id,"
              "pay_by FROM orders WHERE order_id IN ",
              batch.orders, first, last, [](const OrderRow& row) { return row.order_id; });
}

void append_put_select(std::string& out, const LaneBatch& batch, std::size_t first,
                       std::size_t last) {
  static const std::string head = make_put_select();
  append_keys(out, head, batch.puts, first, last, [](const ItemPutRow& row) { return row.item; });
}

void append_amount_select(std::string& out, const LaneBatch& batch, std::size_t first,
                          std::size_t last) {
  append_keys(out, "SELECT id,lsn,amount FROM item WHERE id IN ", batch.amounts, first, last,
              [](const AmountRow& row) { return row.item; });
}

}  // namespace stampede::storage
