#pragma once

// The status, headers and JSON of each answer the webapp gives over HTTP (contract §4, §5). Pure.

#include <cstdint>

#include "actors/auth/account_mail.h"
#include "actors/http/http_server.h"
#include "actors/webapp/http/http_mail.h"
#include "actors/webapp/http/order_body.h"

namespace stampede::actors {

HttpReply code_problem(Code code, std::string_view id = {}, std::string_view field = {},
                       std::string_view detail = {}, std::string_view state = {},
                       std::int64_t retry_after_ms = 0);

HttpReply order_reply(const HttpAnswer& answer);  // POST /v1/orders
// POST /v1/orders of an array: `faults` stand in their places, the answer's entries between them.
HttpReply orders_reply(const HttpAnswer& answer, const std::vector<OrderFault>& faults);
HttpReply fulfilled_reply(const HttpAnswer& answer);  // of a payment or a cancel
HttpReply granted_reply(const HttpAnswer& answer);
HttpReply session_kept_reply(const HttpAnswer& answer);  // POST /v1/promos/{promo}/tickets
HttpReply show_reply(const HttpAnswer& answer);          // GET /v1/orders/{id}
HttpReply items_reply(const HttpAnswer& answer, std::int64_t now_ms);
HttpReply item_reply(const HttpAnswer& answer, std::int64_t now_ms);
HttpReply miaosha_order_reply(const HttpAnswer& answer, std::uint64_t item);
HttpReply miaosha_result_reply(const HttpAnswer& answer);
HttpReply session_reply(const LoginReply& reply);   // POST /v1/sessions
HttpReply account_reply(const SignUpReply& reply);  // POST /v1/accounts
HttpReply busy_reply(std::string_view why);         // either: overloaded
HttpReply ready_reply(const HttpAnswer& answer);    // GET /readyz
HttpReply alive_reply();                            // GET /healthz
HttpReply version_reply();                          // GET /version

}  // namespace stampede::actors
