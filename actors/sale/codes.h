#pragma once

// The codes and states that clients see, in one table (contract §5). Explicit numbers travel
// between the nodes; texts travel to clients. 0 is invalid.

#include <cstdint>
#include <optional>
#include <string_view>

namespace stampede::actors {

enum class Code : std::uint16_t {
  none = 0,
  sold_out = 1,
  limit_reached = 2,
  unknown_item = 10,
  unknown_request = 11,
  bad_request = 12,
  bad_protocol = 13,
  unknown_op = 14,
  key_reused = 15,
  too_large = 16,
  overloaded = 20,
  replaying = 21,
  draining = 22,
  no_backend = 23,
  log_unavailable = 24,
  deadline_passed = 25,
  internal = 26,
  not_started = 30,
  ended = 31,
  unknown_promo = 32,
  expired_request = 33,
  not_payable = 34,
  already_paid = 35,
  not_cancellable = 36,
  not_allowed = 37,
  closed = 38,
  promo_only = 39,
  unpaid_limit = 40,
  ticket_required = 41,
  ticket_invalid = 42,
  ticket_expired = 43,
  gate_closed = 44,
  sold_out_for_now = 45,  // nothing was decided; to clients it reads sold_out, too
  rate_limited = 50,
  not_logged_in = 60,
  session_expired = 61,
  session_replaced = 62,
  user_exists = 63,
};

struct CodeInfo {
  Code code;
  std::string_view text;  // as clients see it
  int http_status;
  bool retry;                // the same request id may be sent again
  int retry_after_ms;        // 0: no advice
  std::string_view message;  // one sentence for people
};

const CodeInfo& info(Code code);  // `internal` for an unknown number
std::optional<Code> parse_code(std::string_view text);

// Phase of a node, as reported in heartbeats, hello and `ping`.
enum class Phase : std::uint16_t {
  invalid = 0,
  starting = 1,
  replaying = 2,
  serving = 3,
  draining = 4,
  stopped = 5,
};
std::string_view to_text(Phase phase);  // serving reads "ready"
Code refusal_for(Phase phase);          // why a request cannot be served in this phase

}  // namespace stampede::actors
