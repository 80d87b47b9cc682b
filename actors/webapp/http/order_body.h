#pragma once

// Reading the JSON bodies of orders, strictly: one object, or an array of them; and those of
// payments and of who asks for a ticket. Pure functions.
//
// Of one order every fault refuses the body. Of an array a fault in an order is that order's alone,
// as in SF1's batches: what cannot be told apart from its neighbours (an entry that is no object,
// or whose `id` is malformed or there twice) refuses the body, as does what is no JSON, no order at
// all, or more than kSf1BatchOrdersMax of them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/protocol/sf1.h"
#include "actors/webapp/http/http_mail.h"

namespace stampede::actors {

inline constexpr std::size_t kOrderBodyBytesMax = 4 * 1024;
inline constexpr std::size_t kOrdersBodyBytesMax = 64 * 1024;  // of an array

struct BodyFault {
  Code code = Code::bad_request;
  std::string field;  // the member at fault; empty: the body is no JSON object
  std::string text;   // for people
};

// Whose tokens say who asks. Where nobody looks at them a member `token` may be any text.
enum class Sessions : bool { no, needed };

// {"item":1,"user":"ann","qty":1,"id":"…","promo":7,"ticket":"…","valid_until_ms":1767225600000,
// "token":"…"}: unknown, doubled, missing and wrong members are faults. With sessions the user may
// be missing.
std::optional<BodyFault> parse_order_body(std::string_view body, HttpOrder& order,
                                          Sessions sessions = Sessions::no);

struct HttpPayment {
  std::string id;  // empty: none given
  std::int64_t amount_cents = 0;
  std::string session{};  // the token that it shows; empty: none
};
// {"id":"…","amount_cents":1000,"token":"…"}; id and token may be missing.
std::optional<BodyFault> parse_payment_body(std::string_view body, HttpPayment& payment);

struct HttpTicketAsk {
  std::string id;  // empty: none given
  std::string user;
  std::string session{};  // the token that it shows; empty: none
};
// {"id":"…","user":"ann","token":"…"}; id and token may be missing, with sessions the user, too.
std::optional<BodyFault> parse_ticket_body(std::string_view body, HttpTicketAsk& ask,
                                           Sessions sessions = Sessions::no);

// The user whom a malformed body names, an object's; empty: nobody, or not as a user is named.
std::string user_in(std::string_view body);

struct OrderFault {  // an order of an array that nobody is asked about
  std::uint32_t index = 0;
  std::string id;         // empty: it has none
  std::string field;      // no longer than kFieldBytesMax
  std::string_view text;  // a literal
  std::string user{};     // that it names; empty: nobody
  Code code = Code::bad_request;
  std::int64_t retry_after_ms = 0;  // 0: what the code says
  static constexpr std::size_t kFieldBytesMax = 64;
};

struct OrdersBody {  // together they are what the array held
  std::vector<HttpOrder> orders;
  std::vector<OrderFault> faults;  // by index
};

// Whether a body is meant to be an array: its first character says so.
bool is_array(std::string_view body);
std::optional<BodyFault> parse_orders_body(std::string_view body, OrdersBody& orders,
                                           Sessions sessions = Sessions::no);

}  // namespace stampede::actors
