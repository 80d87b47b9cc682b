#include "test/sim/clients.h"

#include <algorithm>

#include "actors/protocol/operator_command.h"
#include "test/sim/violation.h"
#include "test/sim/world.h"

namespace stampede::sim {

using actors::Answer;
using actors::Code;
using actors::ReplyKind;
using actors::State;

namespace {
constexpr std::uint32_t kPatientTries = 6;
}

Clients::Clients(World& world, std::uint64_t seed)
    : world_(world),
      random_(seed, "clients"),
      promo_random_(seed, "buyers in promos"),
      first_random_(seed, "first tries") {
  const auto& plan = world.plan;
  orders_.resize(plan.orders);
  for (std::size_t i = 0; i < orders_.size(); ++i) {
    auto& order = orders_[i];
    order.id = "order-" + std::to_string(i);
    order.content = draw_content();
    order.detached = random_.chance(plan.detached);
    draw_promo(order);
    order.first = first_random_.chance(plan.first);
    if (!random_.chance(plan.other_content)) continue;
    order.other = order.content;
    if (order.content.promo != storage::kNoNumber && promo_random_.chance(0.3))
      order.other->promo = storage::kNoNumber;
    if (random_.chance(0.5))
      order.other->user += "x";
    else
      order.other->qty = order.content.qty % plan.max_qty + 1;
    if (order.other->qty == order.content.qty && order.other->user == order.content.user &&
        order.other->promo == order.content.promo)
      order.other.reset();
  }
  open_ = plan.orders;
}

void Clients::draw_promo(Order& order) {
  const auto& plan = world_.plan;
  if (plan.promos == 0) return;
  if (order.content.item <= plan.promos && promo_random_.chance(plan.in_promo))
    order.content.promo = promo_of(order.content.item);
  if (promo_random_.chance(plan.hasty))
    order.valid_until_ms = world_.wall_us() / 1000 + promo_random_.between(1, 2000);
}

Clients::Content Clients::draw_content() {
  const auto& plan = world_.plan;
  Content content;
  content.item = 1 + (random_.chance(plan.hot) ? 0 : random_.below(plan.items));
  content.user = "user-" + std::to_string(random_.below(plan.users));
  content.qty = static_cast<std::uint32_t>(1 + random_.below(plan.max_qty));
  return content;
}

void Clients::start() {
  for (std::uint32_t i = 0; i < world_.plan.clients; ++i) {
    world_.queue.in(random_.between(0, world_.plan.think_max), [this, i] { next_order(i); });
  }
}

void Clients::next_order(std::uint32_t client) {
  if (next_ >= orders_.size()) return;
  const auto number = next_++;
  auto& order = orders_[number];
  order.started = true;
  if (needs_ticket(order.content))
    world_.askers().want(order.id, order.content.user, order.content.promo);
  attempt(number);
  if (random_.chance(world_.plan.at_once)) send(number, false, false);
  if (order.other) send(number, true, false);
  world_.queue.in(random_.between(1, world_.plan.think_max),
                  [this, client] { next_order(client); });
}

bool Clients::needs_ticket(const Content& content) const {
  return content.promo != storage::kNoNumber &&
         ((world_.plan.tickets >> (content.item % 8)) & 1U) != 0;
}

// Asks until there is a final answer; a detached order is asked for once it was taken.
void Clients::attempt(std::uint32_t number) {
  auto& order = orders_[number];
  if (order.final) return;
  send(number, false, polls(order) && order.tries % 3 != 0, order.first && order.tries == 0);
  ++order.tries;
  const auto patience = patience_of(order);
  world_.queue.in(random_.between(patience / 2, patience * 2), [this, number] { attempt(number); });
}

// Of an order that time or rules judge a poller hears nothing but from the webapp that took it:
// such a one waits for its answer in the end.
bool Clients::polls(const Order& order) const {
  const bool judged = order.content.promo != storage::kNoNumber || order.valid_until_ms != 0 ||
                      world_.plan.rule_changes > 0;
  return order.detached && !(judged && order.tries > kPatientTries);
}

// Who was not served waits longer: many hasty buyers could keep a small window busy for ever.
Time Clients::patience_of(const Order& order) const {
  return world_.plan.client_timeout * (1 + std::min<Time>(order.tries, 20));
}

void Clients::send(std::uint32_t number, bool other, bool get, bool first) {
  const auto& order = orders_[number];
  const auto& content = other ? *order.other : order.content;
  const auto serial = sent_.size();
  sent_.push_back(
      {number, other, get, order.answer && order.answer->state == State::confirmed, first});
  actors::ClientAsk ask;
  const bool detached = polls(order);
  const auto kind = detached ? actors::ClientToken::Kind::http : actors::ClientToken::Kind::dealer;
  ask.client = actors::ClientToken::numbered(kind, serial);
  ask.request.op = get ? actors::ClientOp::get : actors::ClientOp::order;
  ask.request.id = order.id;
  ask.request.item = content.item;
  ask.request.user = content.user;
  ask.request.qty = content.qty;
  ask.request.promo = content.promo;
  ask.request.valid_until_ms = order.valid_until_ms;
  ask.request.first = first;
  if (needs_ticket(content)) ask.request.ticket_ms = world_.askers().worth(order.id);
  ask.request.deadline_ms = patience_of(order) * 2 / kMs;
  if (detached && !get) ask.mode = actors::WaitMode::detach_now;
  world_.trace.note(get ? "get" : "order", {number, other, content.item, content.qty});
  world_.to_webapp_from_client(random_, ask);
}

void Clients::on_reply(std::uint64_t serial, std::string_view id, const SeenAnswer& seen) {
  const auto sent = sent_.at(serial);
  const auto number = sent.order;
  require(orders_[number].id == id, "S15", "a reply with the wrong id");
  world_.trace.note("reply", {number, static_cast<std::uint64_t>(seen.kind), seen.answer.lsn,
                              static_cast<std::uint64_t>(seen.code)});
  if (seen.kind == ReplyKind::answer) return take_answer(number, sent, seen.answer);
  if (seen.kind == ReplyKind::refused) return take_code(number, sent, seen.code);
  if (seen.kind == ReplyKind::edge) return;  // no answer: the next try says no more that it is one
  require(seen.kind == ReplyKind::queued, "S15", "a reply of the wrong kind");
}

void Clients::check_edge(std::uint64_t serial) const {
  const auto& sent = sent_.at(serial);
  require(sent.first, "S19", "an order that may have been asked before was turned away");
  const auto& order = orders_[sent.order];
  require(world_.sold_out_lately(order.content.item), "S19",
          "an order was turned away long after its item came back");
}

void Clients::take_answer(std::uint32_t number, const Sent& sent, const Answer& answer) {
  auto& order = orders_[number];
  const auto& log = world_.log;
  const auto* decision = log.find(answer.lsn);
  require(decision != nullptr && log.durable(answer.lsn), "S1",
          "an answer speaks of a decision that is not durable");
  require(decision->hash == log.hash(order.id), "S3", "an answer to another request id");
  require(answer.item == decision->item && answer.qty == decision->qty &&
              (answer.state == State::confirmed) == (decision->kind == Decision::Kind::confirmed),
          "S3", "an answer says something else than its decision");
  const auto& content = sent.other ? *order.other : order.content;
  require(sent.get || decision->content_hash ==
                          log.order_content(content.item, content.user, content.qty, content.promo),
          "S3", "an id with other content was not refused");
  require(sent.get || decision->kind != Decision::Kind::rejected ||
              decision->user_hash == log.user_hash(content.user),
          "S3", "a rejection names another user");
  ++answered_;
  const bool forgetful = world_.plan.rejections_max < 1000;  // old rejections are decided anew
  if (order.answer) {
    const auto& first = *order.answer;
    const bool same =
        first.lsn == answer.lsn && first.state == answer.state && first.reason == answer.reason;
    const bool older = answer.lsn < first.lsn;
    require(same || (forgetful && (older ? answer : first).state == State::rejected), "S3",
            "the same id got another answer");
    if (!same && !older) order.answer = answer;
  } else {
    order.answer = answer;
    if (answer.state == State::confirmed) ++confirmed_;
    if (answer.fulfilment == storage::Fulfilment::unpaid)
      world_.payers().on_unpaid(order.id, answer, decision->user);
  }
  finish(number);
}

void Clients::take_code(std::uint32_t number, const Sent& sent, Code code) {
  auto& order = orders_[number];
  switch (code) {
    case Code::key_reused: {
      const auto& content = sent.other ? *order.other : order.content;
      const auto* decision = world_.log.durable_about(order.id);
      const bool forgetful = world_.plan.rejections_max < 1000;
      require(forgetful || decision != nullptr, "S7", "key_reused before the first is durable");
      require(forgetful ||
                  decision->content_hash != world_.log.order_content(content.item, content.user,
                                                                     content.qty, content.promo),
              "S3", "key_reused for the same content");
      if (!sent.other) finish(number);
      return;
    }
    case Code::unknown_request:
      require(!sent.confirmed, "S1", "a confirmed id is not known any more");
      return;
    case Code::overloaded:
    case Code::unknown_item:
      if (world_.plan.orders_max < 1000 && order.tries > 4) finish(number);  // full for ever
      return;
    case Code::replaying:
    case Code::draining:
    case Code::no_backend:
    case Code::deadline_passed:
      return;
    case Code::closed:
    case Code::promo_only:
    case Code::unpaid_limit:
      require(world_.plan.rule_changes > 0 || world_.plan.unpaid_max > 0, "S3",
              "an order was judged by rules that no item has");
      require(!sent.confirmed, "S3", "a confirmed id was judged again");
      if (order.tries > kPatientTries) finish(number);  // it may be cured
      return;
    case Code::ticket_required:
    case Code::ticket_invalid:
    case Code::ticket_expired:
    case Code::sold_out_for_now:
      require(world_.plan.tickets != 0, "S20", "an order was asked for a ticket that none needs");
      require(!sent.confirmed, "S3", "a confirmed id was judged again");
      if (order.tries > kPatientTries) finish(number);  // it may be cured
      return;
    case Code::not_started:
    case Code::ended:
    case Code::unknown_promo:
    case Code::expired_request:
      require(order.content.promo != storage::kNoNumber || order.valid_until_ms != 0, "S3",
              "an order without a promo was judged by time");
      require(!sent.confirmed, "S3", "a confirmed id was judged again");
      return take_promo_code(number, code);
    default:
      throw Violation{"S3", "an order was refused with " + std::string(actors::info(code).text)};
  }
}

// Nothing was decided: the same id may be asked again, and is, for a while.
void Clients::take_promo_code(std::uint32_t number, Code code) {
  auto& order = orders_[number];
  const bool may_pass = code == Code::not_started || code == Code::unknown_promo;
  if (!may_pass || order.tries > kPatientTries) finish(number);
}

void Clients::finish(std::uint32_t number) {
  auto& order = orders_[number];
  if (!order.final) {
    order.final = true;
    --open_;
  }
  if (!random_.chance(world_.plan.ask_again)) return;
  const bool get = random_.chance(0.3);
  world_.queue.in(random_.between(kMs, kSecond), [this, number, get] {
    send(number, orders_[number].other && random_.chance(0.2), get);
  });
}

void Clients::compare(const actors::OrderBook& book) const {
  const bool forgetful = world_.plan.rejections_max < 1000;
  for (const auto& order : orders_) {
    if (!order.answer || (forgetful && order.answer->state == State::rejected)) continue;
    const auto known = book.look_up(order.id);
    require(known.error == Code::none && known.answer.lsn == order.answer->lsn &&
                known.answer.state == order.answer->state &&
                known.answer.reason == order.answer->reason,
            "S3", "memory does not give the answer that was given");
    if (order.answer->state != State::confirmed) continue;
    const auto row =
        world_.server.tables().orders.rows.find(static_cast<std::int64_t>(order.answer->lsn));
    require(row != world_.server.tables().orders.rows.end() &&
                row->second[OrderColumn::request_id].text == order.id,
            "S1", "a confirmed order has no row");
  }
}

// --- the operator -------------------------------------------------------------------------------

Operator::Operator(World& world, std::uint64_t seed)
    : world_(world),
      random_(seed, "operator"),
      promo_random_(seed, "operator of promos"),
      rule_random_(seed, "operator of rules"),
      ticket_random_(seed, "operator of gates"),
      clock_random_(seed, "operator of the clock") {
  const auto& plan = world.plan;
  for (std::uint64_t item = 1 + plan.imported; item <= plan.items; ++item)
    changes_.push_back({actors::RequestKind::item_put, "put-" + std::to_string(item),
                        "item " + std::to_string(item), item, plan.stock});
  for (std::uint32_t i = 0; i < plan.stock_changes; ++i)
    changes_.push_back({actors::RequestKind::stock_change, "stock-" + std::to_string(i), "",
                        1 + random_.below(plan.items), random_.between(-plan.stock, plan.stock)});
  plan_promos();
  plan_rules();
  plan_clock();
  open_ = static_cast<std::uint32_t>(changes_.size());
}

void Operator::plan_promos() {
  const auto& plan = world_.plan;
  for (std::uint64_t item = 1; item <= plan.promos; ++item) changes_.push_back(add_promo(item));
  for (std::uint32_t i = 0; plan.promos > 0 && i < plan.promo_changes; ++i)
    changes_.push_back(change_promo(1 + promo_random_.below(plan.promos), i));
}

// Closed and opened, sold through promos alone or not, with a hold and a bound or without.
void Operator::plan_rules() {
  using actors::ItemAction;
  const auto& plan = world_.plan;
  for (std::uint32_t i = 0; i < plan.rule_changes; ++i) {
    Change change;
    change.kind = actors::RequestKind::item_put;
    change.id = "rules-" + std::to_string(i);
    change.item = 1 + rule_random_.below(plan.items);
    change.rules.action = rule_random_.pick(
        {ItemAction::set, ItemAction::set, ItemAction::set, ItemAction::open, ItemAction::close});
    auto& sale = change.rules.sale;
    const bool held = rule_random_.chance(0.8);
    sale.hold_s = held ? plan.hold_s : 0;
    sale.hold_low_s = 1;
    sale.low_stock_percent = held ? plan.low_stock_percent : 0;
    sale.unpaid_per_user_max = held ? plan.unpaid_max : 0;
    sale.promo_only = plan.promos > 0 && rule_random_.chance(0.2) ? 1 : 0;
    constexpr std::uint32_t kRules = 0x7C0;  // of each_settable_term(): hold_s … promo_only
    change.rules.given = change.rules.action == ItemAction::set ? kRules : 0;
    changes_.push_back(change);
  }
}

// Believes the wall clock at times, right or wrong.
void Operator::plan_clock() {
  const auto& plan = world_.plan;
  if (plan.clock_jumps_every == 0 || (plan.hold_s == 0 && plan.promos == 0)) return;
  for (int left = clock_random_.pick({0, 0, 1, 3}); left > 0; --left) {
    Change change;
    change.id = "clock-" + std::to_string(left);
    change.accepts_clock = true;
    changes_.push_back(change);
  }
}

void Operator::accept_clock() {
  Change change;
  change.id = "clock-right";
  change.accepts_clock = true;
  changes_.push_back(change);
  ++open_;
  send(static_cast<std::uint32_t>(changes_.size() - 1));
}

void Operator::on_clock_answer(std::uint64_t serial) {
  finish(changes_[sent_.at(serial).change]);
}

Operator::Change Operator::add_promo(std::uint64_t item) {
  Change change;
  change.kind = actors::RequestKind::promos;
  change.id = "promo-" + std::to_string(item);
  change.name = "promo of " + std::to_string(item);
  change.item = item;
  change.promo.action = actors::PromoAction::add;
  auto& put = change.promo.put;
  put.promo = promo_of(item);
  put.item = item;
  put.price_cents = kPromoPrice;
  put.starts_at_ms = promo_random_.between(-200, 500);
  put.ends_at_ms = put.starts_at_ms + promo_random_.between(100, 3000);
  change.promo.from_now = static_cast<std::uint32_t>(promo_random_.pick({0, 1, 2, 3}));
  const auto now_ms = world_.wall_us() / 1000;
  if ((change.promo.from_now & actors::PromoRequest::kStartsFromNow) == 0)
    put.starts_at_ms += now_ms;
  if ((change.promo.from_now & actors::PromoRequest::kEndsFromNow) == 0) put.ends_at_ms += now_ms;
  put.limit_per_user = world_.plan.promo_limit;
  put.hold_s = world_.plan.hold_s;
  put.hold_low_s = 1;
  put.low_stock_percent = world_.plan.low_stock_percent;
  put.unpaid_per_user_max = world_.plan.unpaid_max;
  put.ticket = (world_.plan.tickets >> (item % 8)) & 1U;
  put.gate_factor = put.ticket != 0 ? world_.plan.gate_factor : 0;
  return change;
}

// Its price, its end, or that it ends now.
Operator::Change Operator::change_promo(std::uint64_t item, std::uint32_t number) {
  constexpr std::uint32_t kPrice = 4, kEnds = 16;  // bits of each_promo_term()
  auto change = add_promo(item);
  change.id = "promo-change-" + std::to_string(number);
  change.promo.action =
      promo_random_.chance(0.3) ? actors::PromoAction::end : actors::PromoAction::set;
  change.promo.given = promo_random_.chance(0.5) ? kPrice : kEnds;
  change.promo.put.price_cents = kPromoPrice + 1 + number;
  constexpr std::uint32_t kTicket = 1U << 10, kGate = 1U << 11;
  if (change.promo.put.ticket == 0 || !ticket_random_.chance(0.4)) return change;
  change.promo.action = actors::PromoAction::set;
  change.promo.given = kGate;
  change.promo.put.gate_factor = static_cast<std::uint32_t>(ticket_random_.between(1, 3));
  if (!ticket_random_.chance(0.2)) return change;
  change.promo.given = kTicket;
  change.promo.put.ticket = 0;
  return change;
}

void Operator::start() {
  for (std::uint32_t i = 0; i < changes_.size(); ++i) {
    const bool put = changes_[i].kind == actors::RequestKind::item_put &&
                     changes_[i].rules.action == actors::ItemAction::invalid;
    world_.queue.in(put ? 0 : random_.between(50 * kMs, kSecond), [this, i] { send(i); });
  }
}

void Operator::send(std::uint32_t number) {
  const auto& change = changes_[number];
  if (change.final && !random_.chance(0.2)) return;
  sent_.push_back({number, change.lsn != 0});
  world_.trace.note("item change", {number, sent_.size() - 1});
  world_.to_supervisor_from_operator(sent_.size() - 1, command_of(change));
  if (!change.final)
    world_.queue.in(random_.between(50 * kMs, 400 * kMs), [this, number] { send(number); });
}

nlohmann::json Operator::command_of(const Change& change) const {
  actors::OperatorCommand command;
  if (change.accepts_clock) {
    command.accepts_clock = true;
    command.request.id = change.id;
    return actors::operator_command_map("clock_accept", command);
  }
  if (change.promo.action != actors::PromoAction::invalid) {
    command.promo = change.promo;
    command.promo.put.request_id = change.id;
    command.promo.put.name = change.name;
    constexpr const char* kWhat[] = {"promo_add", "promo_set", "promo_end"};
    return actors::operator_command_map(kWhat[static_cast<int>(change.promo.action) - 1], command);
  }
  if (change.kind == actors::RequestKind::stock_change) {
    command.request.kind = change.kind;
    command.request.id = change.id;
    command.request.item = change.item;
    command.request.delta = change.number;
    return actors::operator_command_map("stock_change", command);
  }
  auto& item = command.item;
  item = change.rules;
  item.put.request_id = change.id;
  item.put.item = change.item;
  constexpr const char* kWhat[] = {"item_put", "item_set", "item_open", "item_close"};
  if (item.action != actors::ItemAction::invalid)
    return actors::operator_command_map(kWhat[static_cast<int>(item.action) - 1], command);
  item.action = actors::ItemAction::add;
  item.put.terms.name = change.name;
  item.put.terms.total = change.number;
  item.put.terms.price_cents = 100 + static_cast<std::int64_t>(change.item);
  item.put.terms.limit_per_user = world_.plan.limit_per_user;
  item.put.terms.max_qty = world_.plan.max_qty;
  return actors::operator_command_map("item_put", command);
}

void Operator::on_promo_answer(std::uint64_t serial, Lsn lsn, std::uint64_t promo, Code code) {
  const auto sent = sent_.at(serial);
  auto& change = changes_[sent.change];
  world_.trace.note("promo change answered",
                    {serial, lsn, promo, static_cast<std::uint64_t>(code)});
  if (code == Code::none) {
    require(promo == change.promo.put.promo, "S3", "a promo heard the answer to another one");
    require(change.lsn == 0 || lsn == 0 || change.lsn == lsn, "S3",
            "the same change of a promo got another answer");
    if (lsn != 0) change.lsn = lsn;
    check_own(change);
    return finish(change);
  }
  require(!sent.made, "S3", "a change of a promo that was made is refused");
  const bool full = world_.plan.orders_max < 1000;  // it stays so
  const auto& asked = change.promo;
  const bool never = code == Code::unknown_promo && never_put_.contains(asked.put.promo);
  const bool passing =
      code == Code::replaying || code == Code::draining || code == Code::no_backend ||
      (!full && !never &&
       (code == Code::overloaded || code == Code::unknown_item || code == Code::unknown_promo));
  // What it asks cannot be: the promo has begun, sold later, or was over when it was to be put.
  if (!passing) finish(change);
  if (!passing && asked.action == actors::PromoAction::add) never_put_.insert(asked.put.promo);
  require(passing || full || never || code == Code::bad_request, "S3",
          "a change of a promo was refused with a code that speaks of neither");
}

void Operator::on_answer(std::uint64_t serial, Lsn lsn, const std::string& body) {
  const auto sent = sent_.at(serial);
  auto& change = changes_[sent.change];
  actors::BodyReader reader;
  actors::Result result;
  reader.open(body);
  require(reader.next(result), "S15", "a control answer that cannot be read");
  world_.trace.note("item change answered", {serial, lsn, static_cast<std::uint64_t>(result.kind),
                                             static_cast<std::uint64_t>(result.code)});
  if (result.kind == actors::ResultKind::item_changed) {
    require(change.lsn == 0 || lsn == 0 || change.lsn == lsn, "S3",
            "the same item change got another answer");
    require(result.items.front().item == change.item, "S3",
            "an item change heard the answer to another one");
    if (lsn != 0) change.lsn = lsn;
    check_own(change);
    return finish(change);
  }
  require(result.kind == actors::ResultKind::error, "S15", "a control answer of the wrong kind");
  if (result.code == Code::sold_out) {  // perhaps of an ask before the one that was done
    require(!sent.made, "S3", "an item change that was made is refused");
    return finish(change);
  }
  const bool passing = result.code == Code::replaying || result.code == Code::unknown_item ||
                       result.code == Code::draining || result.code == Code::no_backend ||
                       result.code == Code::overloaded;  // the log's disk is full
  const bool full = result.code == Code::overloaded || result.code == Code::unknown_item;
  if (full && world_.plan.orders_max < 1000) return finish(change);  // it stays so
  if (!passing)
    throw Violation{
        "S3", "an item change was refused with " + std::string(actors::info(result.code).text)};
}

// Each change is decided once, for itself.
void Operator::check_own(const Change& change) const {
  for (const auto& other : changes_) {
    require(&other == &change || other.lsn == 0 || other.lsn != change.lsn, "S3",
            "two item changes heard the same answer");
  }
}

void Operator::finish(Change& change) {
  if (change.final) return;
  change.final = true;
  --open_;
}

}  // namespace stampede::sim
