#pragma once

// The terms of an item: what its operator says of it. One value type, embedded wherever an item is
// spoken of (request, command, the book, the rows of pages and news, snapshots, the database,
// reports), and one list, each_term(), walked by everybody who reads, writes, checks or shows them.
//
// A new term is a member, a Term and a line of the list, each at the end, and a column in a
// migration. It is `added`: absent from the bytes that were written before, where it counts as 0 or
// empty, which must mean nothing.
// Pure; value types, any thread.

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

namespace stampede::storage {

inline constexpr std::size_t kItemNameBytesMax = 500;
inline constexpr std::uint32_t kQtyMax = 1000;  // units in one order, of any item
inline constexpr std::int64_t kStockMax = 1'000'000'000'000;
inline constexpr std::int64_t kPriceCentsMax = 1'000'000'000'000;  // an order's total has room
static_assert(kPriceCentsMax <= std::numeric_limits<std::int64_t>::max() / kQtyMax);

// A view, a text of its own, or whatever else a name is kept as.
template <class Text>
struct BasicItemTerms {
  Text name{};
  std::int64_t price_cents = 0;
  std::int64_t total = 0;
  std::uint32_t limit_per_user = 0;  // 0: none
  std::uint32_t max_qty = 0;

  bool operator==(const BasicItemTerms&) const = default;
};
using ItemTerms = BasicItemTerms<std::string_view>;
using OwnedItemTerms = BasicItemTerms<std::string>;

// What is known of a term beside its value.
struct Term {
  std::string_view name;  // as an argument, a column, a member of JSON
  // What a backend takes: of a number itself, of a text its bytes.
  std::int64_t min = 0;
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
  bool required = false;       // a request says it
  std::int64_t otherwise = 0;  // when a request does not
  bool shown = false;          // to clients
  bool in_status = false;      // in the status of the system
  bool added = false;          // is not in what older programs wrote
  // Of `item add`; empty: --name-with-dashes.
  std::string_view flag = {};
  std::string_view help = {};
  std::int64_t flag_max = max;  // above it a slip of the hand is likely
  std::int64_t said_min = min;  // what is less stands for nothing said, and cannot be said
};

inline constexpr Term kNameTerm{.name = "name",
                                .min = 1,
                                .max = kItemNameBytesMax,
                                .required = true,
                                .shown = true,
                                .in_status = true,
                                .help = "Name, 1 to 500 bytes of UTF-8"};
inline constexpr Term kPriceTerm{
    .name = "price_cents", .max = kPriceCentsMax, .shown = true, .help = "Price of one unit"};
inline constexpr Term kTotalTerm{.name = "total",
                                 .max = kStockMax,
                                 .required = true,
                                 .shown = true,
                                 .in_status = true,
                                 .flag = "--stock",
                                 .help = "Units for sale"};
inline constexpr Term kLimitTerm{.name = "limit_per_user",
                                 .max = 1'000'000'000,
                                 .help = "Units one user may buy; 0: no limit",
                                 .flag_max = 1'000'000};
inline constexpr Term kMaxQtyTerm{
    .name = "max_qty", .min = 1, .max = kQtyMax, .otherwise = 5, .help = "Units in one order"};

// fn(term, values…) for each term: the values are those of the given objects, none to all kinds of
// BasicItemTerms. Their order is that of commands, rows and statements.
template <class Fn, class... Terms>
constexpr void each_term(Fn&& fn, Terms&... terms) {
  fn(kNameTerm, terms.name...);
  fn(kPriceTerm, terms.price_cents...);
  fn(kTotalTerm, terms.total...);
  fn(kLimitTerm, terms.limit_per_user...);
  fn(kMaxQtyTerm, terms.max_qty...);
}

// The same terms, each text among them kept in another way.
template <class To, class From, class Keep>
constexpr BasicItemTerms<To> with_texts(const BasicItemTerms<From>& terms, Keep keep) {
  BasicItemTerms<To> out;
  each_term(
      [&](const Term&, auto& to, const auto& from) {
        if constexpr (std::is_same_v<decltype(from), const From&>)
          to = keep(from);
        else
          to = from;
      },
      out, terms);
  return out;
}
inline ItemTerms view_of(const OwnedItemTerms& terms) {
  return with_texts<std::string_view>(
      terms, [](const std::string& text) { return std::string_view(text); });
}
inline OwnedItemTerms copy_of(const ItemTerms& terms) {
  return with_texts<std::string>(terms, [](std::string_view text) { return std::string(text); });
}

// The two parts of the list: what every program wrote, and the first `count` of what was added.
template <class Fn, class... Terms>
constexpr void each_first_term(Fn&& fn, Terms&... terms) {
  each_term(
      [&](const Term& term, auto&... values) {
        if (!term.added) fn(term, values...);
      },
      terms...);
}
template <class Fn, class... Terms>
constexpr void each_added_term(std::uint32_t count, Fn&& fn, Terms&... terms) {
  each_term(
      [&](const Term& term, auto&... values) {
        if (!term.added || count == 0) return;
        --count;
        fn(term, values...);
      },
      terms...);
}

inline constexpr std::uint32_t kAddedTerms = [] {
  std::uint32_t count = 0;
  each_added_term(UINT32_MAX, [&](const Term&) { ++count; });
  return count;
}();

// How many of them have to be written: none behind the last that is not 0 or empty.
template <class Terms>
constexpr std::uint32_t added_terms(const Terms& terms) {
  std::uint32_t needed = 0;
  std::uint32_t at = 0;
  each_added_term(
      UINT32_MAX,
      [&](const Term&, const auto& value) {
        ++at;
        if (value != std::remove_cvref_t<decltype(value)>{}) needed = at;
      },
      terms);
  return needed;
}

}  // namespace stampede::storage
