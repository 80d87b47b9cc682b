#include "test/sim/payers.h"

#include <algorithm>
#include <utility>

#include "test/sim/clients.h"
#include "test/sim/violation.h"
#include "test/sim/world.h"

namespace stampede::sim {

using actors::ClientOp;
using actors::Code;
using actors::ReplyKind;
using storage::Fulfilment;

Payers::Payers(World& world, std::uint64_t seed) : world_(world), random_(seed, "payers") {}

void Payers::on_unpaid(std::string_view order, const actors::Answer& answer,
                       std::string_view user) {
  const auto hold = std::min<Time>(world_.plan.hold_s, 3) * kSecond;
  const std::string name(order);
  Act pay{ClientOp::pay, "pay-" + name, name, {}, answer.unit_price_cents * answer.qty};
  Act cancel{ClientOp::cancel, "cancel-" + name, name,
             random_.chance(0.5) ? std::string(user) : ""};
  const auto in_time = [&] { return random_.between(0, hold); };
  const auto whenever = [&] { return random_.between(0, 2 * hold); };
  if (random_.chance(0.1)) {
    auto wrong = pay;
    wrong.id += "-wrong";
    ++wrong.amount_cents;
    wrong.wrong = true;
    plan(std::move(wrong), in_time());
  }
  if (random_.chance(0.05)) {
    auto other = cancel;
    other.user = std::string(user) + "-other";
    other.wrong = true;
    plan(std::move(other), in_time());
  }
  if (random_.chance(0.2)) plan(cancel, whenever());
  if (random_.chance(0.5)) plan(pay, whenever());
  if (random_.chance(0.1)) {  // the provider tells it under another id
    pay.id += "-again";
    plan(std::move(pay), whenever());
  }
}

void Payers::plan(Act act, Time after) {
  acts_.push_back(std::move(act));
  ++open_;
  world_.queue.in(
      after, [this, number = static_cast<std::uint32_t>(acts_.size() - 1)] { attempt(number); });
}

// Until it is answered, and sometimes once more.
void Payers::attempt(std::uint32_t number) {
  const auto& act = acts_[number];
  const auto patience = world_.plan.client_timeout;
  const bool last = act.final;
  actors::ClientAsk ask;
  ask.client =
      actors::ClientToken::numbered(actors::ClientToken::Kind::dealer, kPayerSerial + sent_.size());
  sent_.push_back(number);
  ask.request.op = act.op;
  ask.request.id = act.id;
  ask.request.order = act.order;
  ask.request.user = act.user;
  ask.request.amount_cents = act.amount_cents;
  ask.request.deadline_ms = patience * 2 / kMs;
  world_.trace.note(act.op == ClientOp::pay ? "pay" : "cancel", {number});
  world_.to_webapp_from_client(random_, ask);
  if (last) return;
  world_.queue.in(random_.between(patience / 2, patience * 2), [this, number] {
    if (!acts_[number].final || random_.chance(0.2)) attempt(number);
  });
}

void Payers::on_reply(std::uint64_t serial, std::string_view id, const SeenAnswer& seen) {
  auto& act = acts_[sent_.at(serial - kPayerSerial)];
  require(act.id == id, "S15", "a reply with the wrong id");
  world_.trace.note("payer's reply", {serial, static_cast<std::uint64_t>(seen.code),
                                      static_cast<std::uint64_t>(seen.fulfilled.fulfilment)});
  if (seen.kind == ReplyKind::fulfilled) {
    take(act, seen.fulfilled);
    return finish(act);
  }
  require(seen.kind == ReplyKind::refused, "S15", "a reply of the wrong kind");
  take_code(act, seen.code);
  switch (seen.code) {
    case Code::overloaded:
    case Code::replaying:
    case Code::draining:
    case Code::no_backend:
    case Code::deadline_passed:
      return;
    default:
      finish(act);
  }
}

void Payers::take(Act& act, const actors::Fulfilled& fulfilled) const {
  require(!act.wrong, "S17", "a payment or cancel was taken that was wrong");
  require(world_.log.durably_became(fulfilled.order_id, fulfilled.fulfilment), "S7",
          "a payment or cancel is answered before it is durable");
  const bool pays = act.op == ClientOp::pay;
  const bool fits = pays ? fulfilled.fulfilment == Fulfilment::paid ||
                               fulfilled.fulfilment == Fulfilment::refund_due
                         : fulfilled.fulfilment == Fulfilment::cancelled;
  require(fits, "S17", "a payment or cancel is answered with another state");
  require(act.told == Fulfilment::none || act.told == fulfilled.fulfilment, "S17",
          "the same payment got another answer");
  act.told = fulfilled.fulfilment;
}

void Payers::take_code(const Act& act, Code code) const {
  const bool pays = act.op == ClientOp::pay;
  switch (code) {
    case Code::overloaded:
    case Code::replaying:
    case Code::draining:
    case Code::no_backend:
    case Code::deadline_passed:
      return;
    case Code::bad_request:
      return require(act.wrong && pays, "S17", "a right amount was refused");
    case Code::not_allowed:
      return require(act.wrong && !pays, "S17", "the buyer may not cancel");
    case Code::already_paid:
      return require(pays && act.told == Fulfilment::none, "S17",
                     "a payment was taken, and is not");
    case Code::not_cancellable:
      return require(!pays, "S17", "a payment was refused as a cancel");
    default:
      throw Violation{"S17",
                      "a payment or cancel was refused with " + std::string(info(code).text)};
  }
}

void Payers::finish(Act& act) {
  if (std::exchange(act.final, true)) return;
  --open_;
}

void Payers::compare(const actors::OrderBook& book) const {
  for (const auto& act : acts_) {
    if (act.op != ClientOp::pay || act.told == Fulfilment::none) continue;
    const auto known = book.look_up(act.order);
    require(known.error == Code::none && known.answer.fulfilment == act.told, "S17",
            "memory does not know of a payment that was answered");
  }
}

}  // namespace stampede::sim
