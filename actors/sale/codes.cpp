#include "actors/sale/codes.h"

#include <array>

namespace stampede::actors {

namespace {

constexpr std::array<CodeInfo, 38> kCodes{{
    {Code::none, "none", 200, false, 0, "no error"},
    {Code::sold_out, "sold_out", 409, false, 0, "the item is sold out"},
    {Code::limit_reached, "limit_reached", 409, false, 0,
     "the user's limit on this item is reached"},
    {Code::unknown_item, "unknown_item", 404, false, 0, "there is no such item"},
    {Code::unknown_request, "unknown_request", 404, true, 0,
     "no decision is known for this request id yet; send the order with the same id, then ask "
     "again"},
    {Code::bad_request, "bad_request", 400, false, 0,
     "a field is missing or has a value not allowed"},
    {Code::bad_protocol, "bad_protocol", 400, false, 0, "the message is not one SF1 request"},
    {Code::unknown_op, "unknown_op", 400, false, 0,
     "op is none of order, get, items, ticket, pay, cancel, ping"},
    {Code::key_reused, "key_reused", 422, false, 0,
     "the id was used before with another item, user, qty or promo, or to pay another order or "
     "amount"},
    {Code::too_large, "too_large", 413, false, 0,
     "a map over 64 KiB, or a batch over 1000 orders or 256 KiB"},
    {Code::overloaded, "overloaded", 503, true, 200, "no room for this order now; try again"},
    {Code::replaying, "replaying", 503, true, 500, "the backend is replaying its log; try again"},
    {Code::draining, "draining", 503, true, 2000, "the system is being stopped; try again"},
    {Code::no_backend, "no_backend", 503, true, 500, "no backend is serving now; try again"},
    {Code::log_unavailable, "log_unavailable", 503, true, 1000,
     "the command log cannot be written now; try again"},
    {Code::deadline_passed, "deadline_passed", 504, true, 0,
     "not decided in time; ask again with the same id"},
    {Code::not_started, "not_started", 409, true, 0,
     "the promo has not started; ask again with the same id when it has"},
    {Code::ended, "ended", 409, false, 0, "the promo is over"},
    {Code::unknown_promo, "unknown_promo", 404, false, 0,
     "there is no such promo, or it is another item's"},
    {Code::expired_request, "expired_request", 409, false, 0,
     "valid_until_ms has passed; nothing was ordered"},
    {Code::not_payable, "not_payable", 409, false, 0, "the order needs no payment"},
    {Code::already_paid, "already_paid", 409, false, 0, "the order was paid by another payment"},
    {Code::not_cancellable, "not_cancellable", 409, false, 0,
     "the order cannot be given back any more"},
    {Code::not_allowed, "not_allowed", 403, false, 0, "this is not yours to ask for"},
    {Code::closed, "closed", 409, false, 0, "the item is closed"},
    {Code::promo_only, "promo_only", 409, false, 0,
     "the item is sold through promos only; the order names none"},
    {Code::unpaid_limit, "unpaid_limit", 409, false, 0,
     "the user has too many unpaid units; paying or cancelling helps"},
    {Code::ticket_required, "ticket_required", 403, false, 0,
     "an order in this promo needs a ticket"},
    {Code::ticket_invalid, "ticket_invalid", 403, false, 0,
     "this ticket does not belong to this user, promo and request id"},
    {Code::ticket_expired, "ticket_expired", 403, false, 0, "the time of this ticket is over"},
    {Code::gate_closed, "gate_closed", 409, false, 0, "all tickets of this promo were given"},
    {Code::sold_out_for_now, "sold_out", 409, true, 0,
     "nothing is left now; units that come back still go to who has a ticket"},
    {Code::rate_limited, "rate_limited", 429, true, 0,
     "too many requests of this user or address; try again later"},
    {Code::not_logged_in, "not_logged_in", 401, false, 0,
     "this needs a session: no token was shown, or none of ours"},
    {Code::session_expired, "session_expired", 401, false, 0,
     "the session is over; log in again, then ask again with the same id"},
    {Code::session_replaced, "session_replaced", 401, false, 0,
     "a newer session of this user has replaced this one; log in again to go on here"},
    {Code::user_exists, "user_exists", 409, false, 0, "there is such an account already"},
    {Code::internal, "internal", 500, true, 500, "an unexpected fault; ask again with the same id"},
}};

// Where each stands, by its number; a number that is no code's is an internal fault.
constexpr std::size_t kPlaceOfInternal = kCodes.size() - 1;
static_assert(kCodes[kPlaceOfInternal].code == Code::internal);
constexpr auto kPlaces = [] {
  std::array<std::uint8_t, 256> places{};
  places.fill(kPlaceOfInternal);
  for (std::size_t at = 0; at < kCodes.size(); ++at)
    places.at(static_cast<std::size_t>(kCodes[at].code)) = static_cast<std::uint8_t>(at);
  return places;
}();

}  // namespace

const CodeInfo& info(Code code) {
  const auto number = static_cast<std::size_t>(code);
  return kCodes[number < kPlaces.size() ? kPlaces[number] : kPlaceOfInternal];
}

std::optional<Code> parse_code(std::string_view text) {
  for (const auto& entry : kCodes)
    if (entry.text == text) return entry.code;
  return std::nullopt;
}

std::string_view to_text(Phase phase) {
  switch (phase) {
    case Phase::starting:
      return "starting";
    case Phase::replaying:
      return "replaying";
    case Phase::serving:
      return "ready";
    case Phase::draining:
      return "draining";
    case Phase::stopped:
      return "stopped";
    case Phase::invalid:
      break;
  }
  return "no_backend";
}

Code refusal_for(Phase phase) {
  switch (phase) {
    case Phase::starting:
    case Phase::replaying:
      return Code::replaying;
    case Phase::draining:
      return Code::draining;
    case Phase::serving:
      return Code::none;
    case Phase::stopped:
    case Phase::invalid:
      break;
  }
  return Code::no_backend;
}

}  // namespace stampede::actors
