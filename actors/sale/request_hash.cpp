#include "actors/sale/request_hash.h"

#include <sodium.h>

#include <cstring>
#include <string>
#include <utility>

#include "actors/sale/item_request.h"
#include "config/process/invariant.h"
#include "storage/commands/command_arguments.h"

namespace stampede::actors {

namespace {

std::uint64_t short_hash(const LogUuid& key, const void* data, std::size_t size) {
  std::uint64_t hash = 0;
  static_assert(sizeof hash == crypto_shorthash_BYTES);
  crypto_shorthash(reinterpret_cast<unsigned char*>(&hash), static_cast<const unsigned char*>(data),
                   size, key.data());
  return hash;
}

// A tag, two numbers and a bounded text in one flat buffer: what is hashed never runs together.
struct Keyed {
  std::uint64_t tag;
  std::uint64_t item;
  std::uint64_t qty;
  char text[kUserBytesMax];
};

std::uint64_t hash_keyed(const LogUuid& key, std::uint64_t tag, std::uint64_t item,
                         std::uint64_t qty, std::string_view text) {
  STAMPEDE_ASSERT(text.size() <= kUserBytesMax, "users are bounded at the edge");
  Keyed keyed{tag, item, qty, {}};
  std::memcpy(keyed.text, text.data(), text.size());
  return short_hash(key, &keyed, offsetof(Keyed, text) + text.size());
}

}  // namespace

storage::RequestHash RequestHasher::id(std::string_view request_id) const {
  storage::RequestHash hash;
  static_assert(sizeof hash == crypto_shorthash_siphashx24_BYTES);
  crypto_shorthash_siphashx24(reinterpret_cast<unsigned char*>(hash.data()),
                              reinterpret_cast<const unsigned char*>(request_id.data()),
                              request_id.size(), key_.data());
  return hash;
}

std::uint64_t RequestHasher::plain_content(std::uint64_t item, std::string_view user,
                                           std::uint32_t qty) const {
  return hash_keyed(key_, 1, item, qty, user);
}

std::uint64_t RequestHasher::content_in_promo(std::uint64_t plain, std::uint64_t promo) const {
  return hash_keyed(key_, 4, promo, plain, {});
}

// The others begin with a tag, which no user does: it has a byte that is 0.
std::uint64_t RequestHasher::user(std::string_view user) const {
  return short_hash(key_, user.data(), user.size());
}

std::uint64_t RequestHasher::user_on_item(std::uint64_t item, std::string_view user) const {
  return hash_keyed(key_, 2, item, 0, user);
}

std::uint64_t RequestHasher::user_in_promo(std::uint64_t promo, std::string_view user) const {
  return hash_keyed(key_, 3, promo, 0, user);
}

namespace {

// What a change of an item is hashed from: numbers, and its texts behind them.
struct ChangeBytes {
  std::string numbers;
  std::string texts;

  ChangeBytes& number(std::int64_t value) {
    numbers.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  void operator()(const storage::Term&, std::string_view value) { texts += value; }
  void operator()(const storage::Term&, std::int64_t value) { number(value); }
  // Arguments of a command.
  void operator()(std::string_view, storage::WithinText<const std::string_view> value) {
    number(static_cast<std::int64_t>(value.value.size()));
    texts += value.value;
  }
  void operator()(std::string_view, storage::AsHex<const std::uint64_t>) {}  // what is made here
  template <class Number>
  void operator()(std::string_view, storage::Within<Number> value) {
    number(static_cast<std::int64_t>(value.value));
  }
};

// Where several texts follow each other: none runs into the next.
struct SizedTexts {
  ChangeBytes& change;
  void operator()(const storage::Term& term, std::string_view value) {
    change.number(static_cast<std::int64_t>(value.size()));
    change(term, value);
  }
  void operator()(const storage::Term&, std::int64_t value) { change.number(value); }
};

constexpr std::int64_t kPutTag = 101;
constexpr std::int64_t kStockTag = 102;
constexpr std::int64_t kPromoTag = 103;
constexpr std::int64_t kItemTag = 104;

std::uint64_t hash_change(const LogUuid& key, const ChangeBytes& change) {
  const std::string all = change.numbers + change.texts;
  return short_hash(key, all.data(), all.size());
}

}  // namespace

// One that is added and says nothing of its sale leaves the hash of an older program as it was.
std::uint64_t RequestHasher::item_content(const ItemRequest& request) const {
  ChangeBytes change;
  const auto item = static_cast<std::int64_t>(request.put.item);
  if (request.action != ItemAction::add) {
    change.number(kItemTag).number(static_cast<std::int64_t>(request.action)).number(item);
    change.number(request.given);
    storage::each_settable_term(SizedTexts{change}, request);
    return hash_change(key_, change);
  }
  change.number(kPutTag).number(item);
  each_first_term(change, request.put.terms);
  if (storage::sale_terms(request.sale) > 0) each_sale_term(SizedTexts{change}, request.sale);
  return hash_change(key_, change);
}

// With as many numbers as a put has: logs hold hashes that were made so.
std::uint64_t RequestHasher::stock_content(std::uint64_t item, std::int64_t delta) const {
  ChangeBytes change;
  change.number(kStockTag).number(static_cast<std::int64_t>(item)).number(delta);
  for (int unused = 0; unused < 3; ++unused) change.number(0);
  return hash_change(key_, change);
}

std::uint64_t RequestHasher::promo_change_content(std::uint32_t what,
                                                  const storage::PromoPut& put) const {
  ChangeBytes change;
  change.number(kPromoTag).number(what);
  auto terms = put;
  terms.request_id = {};
  terms.decided_at_us = 0;
  each_command_argument(std::as_const(terms), change);
  return hash_change(key_, change);
}

}  // namespace stampede::actors
