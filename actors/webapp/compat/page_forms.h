#pragma once

// The forms that the pages of springboot-seckill send. Pure functions. Names that are not known are
// ignored; one of these that is there twice, or has another value than it may, is a fault, and the
// first one counts. An empty `promoId` or `token` says that there is none: so does a page send what
// it does not have.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/http/http_fields.h"
#include "actors/sale/request.h"

namespace stampede::actors {

struct PageOrder {  // POST /order/create
  std::uint64_t item = 0;
  std::uint32_t qty = 0;            // 1 to kQtyMax; how many one order may have, the item says
  std::uint64_t promo = kNoNumber;  // none: the item as it is
  std::string session{};            // the token that it shows; empty: none
};

struct PageLogin {  // POST /user/login
  std::string phone;
  std::string password;
};

// The name of the field at fault; nothing: the form was read.
std::optional<std::string_view> read_order_form(const std::vector<QueryPair>& pairs,
                                                PageOrder& order);
std::optional<std::string_view> read_login_form(const std::vector<QueryPair>& pairs,
                                                PageLogin& login);
// GET /item/get?id=1
std::optional<std::string_view> read_item_query(const std::vector<QueryPair>& pairs,
                                                std::uint64_t& item);

}  // namespace stampede::actors
