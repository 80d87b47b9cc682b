// Tickets: permissions to order in a promo, of which no more are given than its gate lets through.

#include <algorithm>

#include "actors/sale/limits.h"
#include "actors/sale/order_book.h"
#include "config/process/invariant.h"
#include "storage/commands/promo_terms.h"

namespace stampede::actors {

namespace {

TicketDecision refused(TicketDecision decision, Code code, std::string_view field = {}) {
  decision.error = code;
  decision.field = field;
  return decision;
}

}  // namespace

// One whose id somebody has meanwhile used for something else can buy nothing any more.
std::optional<TicketTable::Ticket> OrderBook::live_ticket(std::uint64_t key,
                                                          std::int64_t now_ms) const {
  auto ticket = tickets_.find(key);
  const bool live =
      ticket && now_ms < ticket->expires_at_ms && decided_.find(hasher_.id(ticket->id)) == nullptr;
  return live ? ticket : std::nullopt;
}

TicketDecision OrderBook::decide_ticket(const Request& request, std::int64_t sale_time_us) const {
  TicketDecision decision;
  const auto now_ms = sale_time_us / 1000;
  if (is_doubtful(request.promo)) return refused(decision, Code::internal);
  const auto* promo = promos_.find(request.promo);
  if (promo == nullptr) return refused(decision, Code::unknown_promo, "promo");
  const auto& put = promo->put;
  if (put.ticket == 0) return refused(decision, Code::bad_request, "promo");
  if (is_closed(put.item)) return refused(decision, Code::internal);
  decision.lsn = promo->grant_lsn;
  decision.grant = {put.promo,  put.item,       promo->granted + 1, request.user,
                    request.id, put.ends_at_ms, sale_time_us};
  if (promo->state(now_ms) == PromoState::ended) return refused(decision, Code::ended);
  if (auto live = live_ticket(ticket_key(nullptr, put.promo, request.user), now_ms)) {
    decision.known = true;
    decision.grant.expires_at_ms = live->expires_at_ms;
    decision.older_id = std::move(live->id);
    return decision;
  }
  judge_ticket(*promo, now_ms, decision);
  return decision;
}

// Whether a user who has none may have one.
void OrderBook::judge_ticket(const PromoTable::Promo& promo, std::int64_t now_ms,
                             TicketDecision& decision) const {
  const auto& put = promo.put;
  const auto position = items_.find(put.item);
  STAMPEDE_ASSERT(position != ItemTable::kNone, "a promo's item exists");
  const auto& item = items_[position];
  const auto* sale = items_.sale(item);
  const auto user = decision.grant.user;
  const auto reached = [&](std::uint64_t key, std::uint32_t limit) {
    return users_.bought(key) >= limit;
  };
  if (now_ms < put.starts_at_ms - tickets_ahead_ms_) {
    decision.error = Code::not_started;
    decision.retry_after_ms = put.starts_at_ms - tickets_ahead_ms_ - now_ms;
  } else if (sale != nullptr && sale->closed != 0) {
    decision.error = Code::closed;
  } else if (decided_.find(hasher_.id(decision.grant.ticket)) != nullptr) {
    decision.error = Code::key_reused;
  } else if ((item.terms.limit_per_user != 0 &&
              reached(hasher_.user_on_item(put.item, user), item.terms.limit_per_user)) ||
             (put.limit_per_user != 0 &&
              reached(hasher_.user_in_promo(put.promo, user), put.limit_per_user))) {
    decision.error = Code::limit_reached;
  } else if (promo.granted >= gate_of(put, item.terms.total)) {
    decision.error = Code::gate_closed;  // no unit that comes back opens it
  } else if (item.amount == 0) {
    decision.error = Code::sold_out_for_now;
  } else if (tickets_.full() && !tickets_.any_expired(now_ms)) {
    decision.error = Code::overloaded;
    decision.field = limit::kTickets;
  }
}

// Of an order in a promo that needs one. The webapp has read the ticket and says until when it is
// good; that it was given, and is live, is known here.
Code OrderBook::refusal_by_ticket(const Request& order, const UserKeys* users,
                                  std::int64_t now_ms) const {
  if (order.ticket_ms == kNoTicket) return Code::ticket_required;
  if (order.ticket_ms == kForeignTicket) return Code::ticket_invalid;
  if (now_ms >= order.ticket_ms) return Code::ticket_expired;
  const auto expires_at_ms = tickets_.expiry(ticket_key(users, order.promo, order.user), order.id);
  if (!expires_at_ms) return Code::ticket_invalid;
  return now_ms < *expires_at_ms ? Code::none : Code::ticket_expired;
}

void OrderBook::apply_ticket(const TicketDecision& decision, Lsn lsn) {
  STAMPEDE_ASSERT(decision.error == Code::none && !decision.known, "only a new one is given");
  take_grant(decision.grant, lsn);
}

// What is over makes room for it, by the record's own time: a replay forgets the same.
void OrderBook::take_grant(const storage::TicketGrant& grant, Lsn lsn) {
  if (tickets_.full()) tickets_.drop_expired(grant.decided_at_us / 1000);
  promos_.note_grant(grant.promo, grant.granted, lsn);
  tickets_.put(ticket_key(nullptr, grant.promo, grant.user), grant.ticket, grant.expires_at_ms);
  note_decision(kNoNumber, grant.decided_at_us);
}

// Its order was rejected for good.
void OrderBook::end_ticket(std::uint64_t promo, std::uint64_t user_hash) {
  if (tickets_.size() > 0) tickets_.end(TicketTable::key(promo, user_hash));
}

// Whether there was a ticket left is not asked again. Of an item that is closed, of which decisions
// were passed over, the record is taken as it stands.
bool OrderBook::replay_grant(const storage::TicketGrant& grant, Lsn lsn) {
  if (items_.find(grant.item) == ItemTable::kNone || !valid_request_id(grant.ticket)) return false;
  const auto* promo = promos_.find(grant.promo);
  const bool closed = is_closed(grant.item);
  if (promo == nullptr) return closed;  // what put it may be parked
  if (promo->put.item != grant.item || (!closed && grant.granted != promo->granted + 1))
    return false;
  take_grant(grant, lsn);
  return true;
}

// --- snapshots ----------------------------------------------------------------------------------

void OrderBook::save_tickets(storage::SnapshotSink& sink) const {
  promos_.save_grants(sink);
  tickets_.save(sink);
}

bool OrderBook::load_tickets(storage::SnapshotSection section, storage::EntryReader& in) {
  if (section == storage::SnapshotSection::tickets) {
    storage::SnapshotTicket ticket;
    return decode(in, ticket) && tickets_.load(ticket);
  }
  storage::SnapshotGrant grant;
  return decode(in, grant) && promos_.load(grant);
}

}  // namespace stampede::actors
