#pragma once

// What the HTTP actor and the webapp's port send each other: all requests, or all answers, of one
// round in one mail. Mails own their bytes; a mail is not touched after it was sent.

#include <caf/all.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/webapp/core/owned_item_row.h"
#include "actors/webapp/core/webapp_core.h"

namespace stampede::actors {

using RateLimitsPtr = std::shared_ptr<RateLimits>;  // those that count from now on; null: none

struct HttpAsk {
  std::uint64_t token = 0;       // the gateway's name for the waiting HTTP request
  std::uint64_t connection = 0;  // HttpRequest::connection: who shares what is there for all
  ClientAsk ask;                 // its texts are not set: `id`, `user` and `order` hold them
                                 // keep_session: valid_until_ms is its `exp`, `id` its `jti`
  std::string id;
  std::string user;
  std::string order{};
  std::string ticket{};   // of an order, as its user carries it; not looked at yet
  std::string session{};  // the token that it shows; empty: none
};

struct HttpOrder {  // checked: every member holds an allowed value
  std::string id;   // empty: none given
  std::string user;
  std::uint64_t item = 0;
  std::uint32_t qty = 1;
  std::uint64_t promo = kNoNumber;
  std::int64_t valid_until_ms = 0;  // 0: whenever
  bool first = false;               // its id was never sent before
  std::string ticket{};             // as in HttpAsk
  std::string session{};            // the token that it shows; empty: the request's
};

struct HttpArrayAsk {  // orders that are answered together
  std::uint64_t token = 0;
  std::uint64_t connection = 0;
  std::uint64_t address = 0;  // where it comes from: of its orders one is counted (RateLimits)
  std::int64_t deadline_ms = kDeadlineDefaultMs;
  std::vector<HttpOrder> orders;
  std::string session{};  // the token that the request shows; empty: none
};

struct HttpAsks {
  caf::actor from;
  std::vector<HttpAsk> asks;
  std::vector<HttpArrayAsk> arrays;
};

using HttpItem = OwnedItemRow;

struct HttpAnswer {
  std::uint64_t token = 0;
  ReplyKind kind = ReplyKind::invalid;
  std::string id;
  Answer answer;
  Fulfilled fulfilled{};  // its text is `order`
  Granted granted{};      // its id is `order`, without its user
  std::string order{};
  std::string ticket{};  // granted: as its user carries it
  Code code = Code::none;
  std::string field;
  std::string message;                // refused, pong: beside the code's own words
  std::int64_t retry_after_ms = 0;    // refused; 0: what the code says
  std::string state;                  // pong
  std::vector<HttpItem> items;        // items
  std::optional<std::uint64_t> next;  // items: the first item of the next page
  std::vector<HttpAnswer> entries;    // of an array, in its order
};

using HttpAsksPtr = std::shared_ptr<HttpAsks>;
using HttpAnswersPtr = std::shared_ptr<std::vector<HttpAnswer>>;

}  // namespace stampede::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stampede::actors::RateLimitsPtr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stampede::actors::HttpAsksPtr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stampede::actors::HttpAnswersPtr)
