#pragma once

// The routes of springboot-seckill's pages as HTTP replies. Their scripts read a text only from a
// reply with status 200, so every reply has it; `code` in the body says what happened. Only what
// this server refuses whatever the path is (http_server.h), and methods that a route does not take,
// are answered as everywhere else. Pure functions.

#include <cstdint>
#include <string_view>

#include "actors/auth/account_mail.h"
#include "actors/http/http_server.h"
#include "actors/webapp/compat/page_forms.h"
#include "actors/webapp/http/http_mail.h"

namespace stampede::actors {

inline constexpr std::string_view kPageLoginPath = "/user/login";
inline constexpr std::string_view kPageOrderPath = "/order/create";
inline constexpr std::string_view kPageItemPath = "/item/get";
inline constexpr std::int64_t kPageWaitMs = 5000;  // for a decision

inline bool is_page_route(std::string_view path) {
  return path == kPageOrderPath || path == kPageItemPath || path == kPageLoginPath;
}

HttpReply page_item_reply(const HttpAnswer& answer);
// `waited_ms`: since it was asked for.
HttpReply page_order_reply(const HttpAnswer& answer, std::int64_t waited_ms);
HttpReply page_login_reply(const LoginReply& reply);
HttpReply page_fault_reply(std::string_view field);  // as in refusal_text()
HttpReply page_rate_reply(std::int64_t retry_after_ms);
HttpReply page_no_accounts_reply();

}  // namespace stampede::actors
