#pragma once

// What the pages of springboot-seckill are told: numbers that their scripts compare, and sentences
// in Chinese that they show as they are. Pure; values in, values out; any thread.

#include <cstdint>
#include <string>
#include <string_view>

#include "actors/sale/codes.h"

namespace stampede::actors {

// The numbers of that project. The pages compare done, not_logged_in and logged_in; the others tell
// programs apart what people read in the text.
enum class PageCode : int {
  done = 200,       // an item is shown; an order is confirmed
  bad_field = 405,  // nothing was looked at but the form
  failed = 500,     // nothing was ordered, nobody logged in
  unknown_item = 20001,
  sold_out = 20003,
  not_logged_in = 30005,
  logged_in = 30006,
  login_failed = 30007,
  undecided = 100001,  // the order may be confirmed or not
};

struct PageText {
  PageCode code = PageCode::failed;
  std::string text;
};

// Why something was refused. `field`: of bad_request, as a form or the rest of the system calls it;
// empty: the form as a whole.
// `retry_after_ms`: of not_started and rate_limited; 0: not known.
PageText refusal_text(Code code, std::string_view field = {}, std::int64_t retry_after_ms = 0);

// The same of an order. `waited`: its whole time to wait had passed before the refusal came; then,
// and after a fault on its way, nobody knows whether it is decided.
PageText order_refusal_text(Code code, bool waited, std::string_view field = {},
                            std::int64_t retry_after_ms = 0);

// The same of a log-in, where not_logged_in means: not with this phone and password.
PageText login_refusal_text(Code code, std::string_view field = {},
                            std::int64_t retry_after_ms = 0);

PageText no_accounts_text();  // people log in elsewhere

}  // namespace stampede::actors
