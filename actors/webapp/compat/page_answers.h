#pragma once

// What the pages of springboot-seckill are answered: one JSON object {code, msg, data}, whatever
// was asked and found. Pure; values in, values out; any thread.
//
// Numbers above 2^53 are texts, because a page would round them and name another item when it sends
// them back. Prices are in yuan, with cents behind the point.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "actors/sale/request.h"
#include "actors/webapp/compat/page_texts.h"
#include "actors/webapp/core/owned_item_row.h"

namespace stampede::actors {

using PageJson = nlohmann::ordered_json;

// The body; `data` null: nothing is to be said beside the text.
std::string page_body(const PageText& says, const PageJson& data = nullptr);

// An item: id, title, description, price, stock, sales, imgUrl, promoStatus, promoPrice, promoId,
// startDate; the last three are null where there is no promo.
std::string page_item(const OwnedItemRow& item);

// A decision on an order. `id`: its request id.
std::string page_decision(const Answer& answer, std::string_view id);

// A log-in that has a session.
std::string page_session(std::string_view token);

// When a promo starts, "2026-12-01 20:00:00 GMT+0800", rounded up to a second: a page that puts '/'
// for each '-' can make a Date of it, of the right moment in every zone. `ms`: Unix time up to
// kTimeMsMax.
std::string page_date(std::int64_t ms);

}  // namespace stampede::actors
