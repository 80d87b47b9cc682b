#include "actors/webapp/compat/page_forms.h"

#include <utility>

namespace stampede::actors {

namespace {

// False: it is not there, there twice, or no number.
bool read_number(const std::vector<QueryPair>& pairs, std::string_view name,
                 std::uint64_t& number) {
  const auto found = sole_value(pairs, name);
  const auto value = found.value ? parse_number(*found.value) : std::nullopt;
  if (value) number = *value;
  return value.has_value();
}

// A text that may be missing. False: it is there twice.
bool read_text(const std::vector<QueryPair>& pairs, std::string_view name, std::string& text) {
  auto found = sole_value(pairs, name);
  if (found.value) text = std::move(*found.value);
  return found.times <= 1;
}

// A number that may be missing or empty. False: it is there twice, or neither.
bool read_promo(const std::vector<QueryPair>& pairs, std::uint64_t& promo) {
  std::string text;
  if (!read_text(pairs, "promoId", text)) return false;
  return text.empty() || read_number(pairs, "promoId", promo);
}

}  // namespace

std::optional<std::string_view> read_order_form(const std::vector<QueryPair>& pairs,
                                                PageOrder& order) {
  std::uint64_t qty = 0;
  if (!read_number(pairs, "itemId", order.item)) return "itemId";
  if (!read_number(pairs, "amount", qty) || qty < 1 || qty > kQtyMax) return "amount";
  if (!read_promo(pairs, order.promo)) return "promoId";
  if (!read_text(pairs, "token", order.session)) return "token";
  order.qty = static_cast<std::uint32_t>(qty);
  return std::nullopt;
}

std::optional<std::string_view> read_login_form(const std::vector<QueryPair>& pairs,
                                                PageLogin& login) {
  if (!read_text(pairs, "telphone", login.phone) || login.phone.empty()) return "telphone";
  if (!read_text(pairs, "password", login.password) || login.password.empty()) return "password";
  return std::nullopt;
}

std::optional<std::string_view> read_item_query(const std::vector<QueryPair>& pairs,
                                                std::uint64_t& item) {
  if (!read_number(pairs, "id", item)) return "id";
  return std::nullopt;
}

}  // namespace stampede::actors
