#pragma once

// JSON faces of the backend: what its heartbeat says, and the answers to an operator's commands.
// Pure but for reading the status' atomics.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "actors/backend/backend_status.h"
#include "actors/backend/core/backend_core.h"

namespace stampede::actors {

// A backend's part of a heartbeat. Takes the list of items with it, which the supervisor keeps.
void report_backend(nlohmann::json& out, BackendStatus& status);

// A backend's metrics (a MetricReport).
void report_backend_metrics(nlohmann::json& out, BackendStatus& status);

// What an alarm of the clock is, and what to do; `ahead_us`: see SaleClock::ahead_us().
std::string clock_note(std::int64_t ahead_us);

// To an operator's command while the backend cannot decide anything for a reason that only people
// can end: changes are overloaded, who only looks hears that it is not ready.
nlohmann::json standstill_reply(const nlohmann::json& command, Standstill standstill,
                                const LimitTexts& limits);
nlohmann::json control_reply(const ControlAnswer& answer, const LimitTexts& limits);
nlohmann::json promo_reply(const PromoAnswer& answer, const LimitTexts& limits);
// A page of the promos, with their states at `now_us`; those of which a record is parked say so,
// and are there by their number when nothing else is known of them.
nlohmann::json promos_reply(const OrderBook& book, const Request& page, std::int64_t now_us);
nlohmann::json books_reply(const BooksAnswer& answer);
nlohmann::json error_reply(Code code, std::string_view field, std::string_view message);
nlohmann::json items_reply(const OrderBook& book, const Request& page);
nlohmann::json item_json(const ItemRow& row);    // all that is known of it
nlohmann::json item_status(const ItemRow& row);  // what the status shows

}  // namespace stampede::actors
