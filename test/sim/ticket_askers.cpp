#include "test/sim/ticket_askers.h"

#include <utility>

#include "test/sim/clients.h"
#include "test/sim/violation.h"
#include "test/sim/world.h"

namespace stampede::sim {

using actors::Code;
using actors::ReplyKind;

namespace {
constexpr std::uint32_t kPatientTries = 6;
}

TicketAskers::TicketAskers(World& world, std::uint64_t seed)
    : world_(world), random_(seed, "who wants tickets") {}

void TicketAskers::want(std::string_view id, std::string_view user, std::uint64_t promo) {
  wishes_.push_back({std::string(id), std::string(user), promo});
  ++open_;
  const auto number = static_cast<std::uint32_t>(wishes_.size() - 1);
  attempt(number);
  if (random_.chance(0.2)) attempt(number);
}

void TicketAskers::attempt(std::uint32_t number) {
  auto& wish = wishes_[number];
  const auto patience = world_.plan.client_timeout;
  const bool last = wish.final;
  ++wish.tries;
  actors::ClientAsk ask;
  ask.client =
      actors::ClientToken::numbered(actors::ClientToken::Kind::dealer, kAskerSerial + sent_.size());
  sent_.push_back(number);
  ask.request.op = actors::ClientOp::ticket;
  ask.request.id = wish.id;
  ask.request.user = wish.user;
  ask.request.promo = wish.promo;
  ask.request.deadline_ms = patience * 2 / kMs;
  world_.trace.note("ticket wanted", {number, wish.promo});
  world_.to_webapp_from_client(random_, ask);
  if (last) return;
  world_.queue.in(random_.between(patience / 2, patience * 2), [this, number] {
    if (!wishes_[number].final || random_.chance(0.2)) attempt(number);
  });
}

void TicketAskers::on_reply(std::uint64_t serial, std::string_view id, const SeenAnswer& seen) {
  auto& wish = wishes_[sent_.at(serial - kAskerSerial)];
  require(wish.id == id, "S15", "a reply with the wrong id");
  world_.trace.note("ticket reply", {serial, static_cast<std::uint64_t>(seen.code)});
  if (seen.kind == ReplyKind::refused) return take_code(wish, seen.code);
  require(seen.kind == ReplyKind::granted, "S15", "a reply of the wrong kind");
  const auto& granted = seen.granted;
  require(granted.promo == wish.promo && seen.granted_user == wish.user, "S20",
          "a ticket for another user or promo");
  require(world_.log.durably_granted(granted.promo, wish.user, seen.granted_id), "S7",
          "a ticket is handed out before it is durable");
  held_[seen.granted_id] = granted.expires_at_ms;
  finish(wish);
}

void TicketAskers::take_code(Wish& wish, Code code) {
  switch (code) {
    case Code::replaying:
    case Code::draining:
    case Code::no_backend:
    case Code::deadline_passed:
      return;
    case Code::overloaded:
      if (world_.plan.orders_max < 1000 && wish.tries > kPatientTries) finish(wish);
      return;
    case Code::unknown_promo:
    case Code::not_started:
    case Code::sold_out_for_now:
    case Code::closed:
    case Code::gate_closed:
      if (wish.tries > kPatientTries) finish(wish);  // it may be cured
      return;
    case Code::ended:
    case Code::limit_reached:
    case Code::key_reused:   // its order was decided meanwhile
    case Code::bad_request:  // the promo needs none any more
      return finish(wish);
    default:
      throw Violation{"S20", "a ticket was refused with " + std::string(info(code).text)};
  }
}

std::int64_t TicketAskers::worth(std::string_view id) {
  const auto held = held_.find(id);
  if (random_.chance(0.05)) return actors::kForeignTicket;
  if (held != held_.end() && !random_.chance(0.05)) return held->second;
  return random_.chance(0.3) ? actors::kTimeMsMax : actors::kNoTicket;
}

void TicketAskers::finish(Wish& wish) {
  if (std::exchange(wish.final, true)) return;
  --open_;
}

}  // namespace stampede::sim
