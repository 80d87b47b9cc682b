#include "actors/backend/core/backend_core.h"

#include <algorithm>

#include "actors/sale/limits.h"

namespace stampede::actors {

using transport::Envelope;
using transport::EnvelopeKind;

namespace {

bool legal_move(Phase from, Phase to) {
  switch (to) {
    case Phase::replaying:
      return from == Phase::starting;
    case Phase::serving:
      return from == Phase::replaying || from == Phase::draining;
    case Phase::draining:
      return from == Phase::serving;
    case Phase::stopped:
      return from != Phase::stopped;
    default:
      return false;
  }
}

}  // namespace

BackendCore::BackendCore(const LogUuid& uuid, BackendLimits limits)
    : book_(uuid, limits.book),
      projection_(limits.projection),
      limits_(limits),
      builder_(limits.projection.rows_max) {}

void BackendCore::set_phase(Phase phase) {
  STAMPEDE_ASSERT(legal_move(phase_, phase), "a backend changes its phase only in order");
  phase_ = phase;
}

void BackendCore::take_over(std::uint64_t epoch, Lsn last, storage::FeatureLevel level) {
  STAMPEDE_ASSERT(epoch > storage::lsn_epoch(last) && epoch <= storage::kEpochMax,
                  "a new epoch is higher than all before");
  epoch_ = epoch;
  last_lsn_ = storage::make_lsn(epoch, 0);
  durable_lsn_ = last_lsn_;
  changed_.begin(durable_lsn_);
  sessions_told_ = durable_lsn_;
  builder_.go_on_in(level);
}

void BackendCore::start_lanes(Effects& effects) {
  lanes_started_ = true;
  projection_.dispatch(effects.work);
}

// --- requests ----------------------------------------------------------------------------------

void BackendCore::on_work(const Envelope& envelope, std::string_view body, std::int64_t now_us,
                          Effects& effects) {
  open_.on_broker(envelope.broker);
  if (const auto code = refusal_for(phase_); code != Code::none)
    return refuse(envelope, code, effects);
  ResultMessage result{envelope, {}};
  result.envelope.kind = EnvelopeKind::result;
  result.body.reserve(envelope.count * 24 + 16);
  ResultWriter results(result.body);
  now_us = book_.sale_time_us(now_us);
  Lsn need = 0;
  std::uint32_t count = 0;
  reader_.open(body);
  while (prepare(envelope.count - count)) {
    for (const auto& one : prepared_) decide_one(one, now_us, results, need);
    count += static_cast<std::uint32_t>(prepared_.size());
  }
  counters_.requests += count;
  if (reader_.bad() || count != envelope.count) {
    // Only a broken webapp sends this. What was decided stays; the rest is answered as a fault.
    ++counters_.malformed;
    for (; count < envelope.count; ++count) results.error(Code::internal);
  }
  results.finish();
  wait_for(need, std::move(result), effects);
}

void BackendCore::refuse(const Envelope& envelope, Code code, Effects& effects) {
  ResultMessage result{envelope, {}};
  result.envelope.kind = EnvelopeKind::refusal;
  result.envelope.code = static_cast<std::uint16_t>(code);
  counters_.refused += envelope.count;
  wait_for(0, std::move(result), effects);
}

// Decodes the next requests of the batch, `left` at most, and hashes their ids before the first of
// them is decided: by then the index lines of all have been asked for, and the memory works while
// we do. Of so few that their lines are still in the core's own cache when they are needed.
// False: there is no other.
bool BackendCore::prepare(std::uint32_t left) {
  prepared_.clear();
  bool promo = false;
  for (const auto most = std::min(left, kPreparedMax); prepared_.size() < most;) {
    auto& next = prepared_.emplace_back();
    const auto& request = next.request;
    if (!reader_.next(next.request)) {
      prepared_.pop_back();
      break;
    }
    next.valid =
        request.kind != RequestKind::order ||
        (valid_request_id(request.id) && valid_user(request.user) && request.qty <= kQtyMax);
    if (request.kind != RequestKind::order || !next.valid) continue;
    next.keys = book_.keys(request);
    if (request.promo == kNoNumber) continue;
    auto& users = user_keys_[prepared_.size() - 1];
    users = book_.user_keys(request);
    next.keys.users = &users;
    promo = true;
  }
  prefetch_prepared(promo);
  return !prepared_.empty();
}

// `promo`: some are in one.
void BackendCore::prefetch_prepared(bool promo) const {
  const auto each_users = [&](auto&& prefetch) {
    if (!promo) return;
    for (const auto& one : prepared_)
      if (one.keys.users != nullptr) prefetch(*one.keys.users);
  };
  for (const auto& one : prepared_) book_.prefetch(one.request, one.keys);
  each_users([this](const UserKeys& users) { book_.prefetch(users); });
  for (const auto& one : prepared_) book_.prefetch_item(one.request.item);
  each_users([this](const UserKeys& users) { book_.prefetch_ticket(users); });
}

void BackendCore::decide_one(const Prepared& prepared, std::int64_t now_us, ResultWriter& results,
                             Lsn& need) {
  const auto& request = prepared.request;
  switch (request.kind) {
    case RequestKind::order:
      return decide_order(prepared, now_us, results, need);
    case RequestKind::get:
      return look_up(request, results, need);
    case RequestKind::items:
      return list_items(request, now_us, results, need);
    case RequestKind::changes:
      return list_changes(request, now_us, results, need);
    case RequestKind::pay:
    case RequestKind::cancel:
      return change_fulfilment(request, now_us, results, need);
    case RequestKind::ticket:
      return give_ticket(request, now_us, results, need);
    case RequestKind::session:
      return keep_session(request, now_us, results, need);
    case RequestKind::ended_sessions:
      return list_ended_sessions(request, now_us, results);
    default:
      break;  // item changes come from the supervisor only
  }
  ++counters_.malformed;
  results.error(Code::unknown_op);
}

void BackendCore::decide_order(const Prepared& prepared, std::int64_t now_us, ResultWriter& results,
                               Lsn& need) {
  const auto& request = prepared.request;
  if (!prepared.valid) {
    ++counters_.malformed;
    return results.error(Code::bad_request);
  }
  auto decision = book_.decide_order(request, prepared.keys, now_us);
  if (decision.known) {
    ++counters_.replayed;
    complete(decision.answer, need);
    return results.answer(decision.answer);
  }
  const bool owes = decision.answer.state == State::confirmed;
  if (orders_refused_) {
    decision.error = Code::draining;
    decision.field = kOrdersRefused;
  } else if (decision.error == Code::none && full(owes)) {
    decision.error = Code::overloaded;
    decision.field = reached_limit();
  }
  if (decision.error != Code::none) {
    ++counters_.refused;
    return results.error(decision.error, decision.field, decision.retry_after_ms);
  }
  const auto lsn = next_lsn();
  decision.answer.lsn = lsn;
  need = lsn;
  busy_.note(decision.item_position);
  if (decision.answer.state == State::confirmed) {
    ++counters_.confirmed;
    builder_.add_confirmed(request, decision, now_us, lsn);
  } else {
    ++(decision.answer.reason == RejectReason::sold_out ? counters_.sold_out
                                                        : counters_.limit_reached);
    builder_.add_rejected(decision, now_us, lsn);
  }
  book_.apply_order(decision, request.user, lsn, now_us);
  results.answer(decision.answer);
}

std::string_view BackendCore::reached_limit() const {
  return log_full() ? limit::kLogRoom : limit::kBacklog;
}

void BackendCore::look_up(const Request& request, ResultWriter& results, Lsn& need) const {
  auto decision = book_.look_up(request.id, request.user);
  if (decision.error != Code::none) return results.error(decision.error, decision.field);
  complete(decision.answer, need);
  decision.answer.replayed = false;
  results.answer(decision.answer);
}

// Of an earlier decision, what else is to be said and to be waited for.
void BackendCore::complete(Answer& answer, Lsn& need) const {
  need = std::max({need, answer.lsn, change_on_its_way(answer.lsn)});
  answer.stored = answer.state == State::confirmed && answer.lsn <= durable_lsn_ &&
                  projection_.stored(answer.lsn);
}

// --- payment and expiry --------------------------------------------------------------------------

void BackendCore::change_fulfilment(const Request& request, std::int64_t now_us,
                                    ResultWriter& results, Lsn& need) {
  if (!valid_request_id(request.id) || !valid_request_id(request.order)) {
    ++counters_.malformed;
    return results.error(Code::bad_request);
  }
  auto decision = request.kind == RequestKind::pay ? book_.decide_payment(request, now_us)
                                                   : book_.decide_cancel(request, now_us);
  if (decision.error == Code::none && !decision.known && full(true)) {
    decision.error = Code::overloaded;
    decision.field = reached_limit();
  }
  if (decision.error == Code::none && !decision.known) take_fulfilment(decision);
  need = std::max({need, decision.update.order, change_on_its_way(decision.update.order)});
  if (decision.error != Code::none) {
    ++counters_.refused;
    return results.error(decision.error, decision.field);
  }
  results.fulfilled({request.order, decision.update.order, decision.fulfilment(), decision.at_ms});
}

// --- tickets -------------------------------------------------------------------------------------

void BackendCore::give_ticket(const Request& request, std::int64_t now_us, ResultWriter& results,
                              Lsn& need) {
  if (!valid_request_id(request.id) || !valid_user(request.user)) {
    ++counters_.malformed;
    return results.error(Code::bad_request);
  }
  auto decision = book_.decide_ticket(request, now_us);
  if (decision.error == Code::none && !decision.known && orders_refused_) {
    decision.error = Code::draining;
    decision.field = kOrdersRefused;
  } else if (decision.error == Code::none && !decision.known && full(true)) {
    decision.error = Code::overloaded;
    decision.field = reached_limit();
  }
  if (decision.error == Code::none && !decision.known) {
    decision.lsn = next_lsn();
    builder_.add_grant(decision.grant, decision.lsn);
    book_.apply_ticket(decision, decision.lsn);
    ++counters_.tickets;
  }
  need = std::max(need, decision.lsn);
  if (decision.error != Code::none) {
    ++counters_.refused;
    return results.error(decision.error, decision.field, decision.retry_after_ms);
  }
  const auto& grant = decision.grant;
  results.granted({decision.ticket_id(), grant.promo, grant.item, grant.user, grant.expires_at_ms});
}

// --- sessions ------------------------------------------------------------------------------------

void BackendCore::keep_session(const Request& request, std::int64_t now_us, ResultWriter& results,
                               Lsn& need) {
  const auto what = static_cast<SessionEvent>(request.qty);
  const bool known_event = what == SessionEvent::opened || what == SessionEvent::ended;
  if (!known_event || !valid_user(request.user) || request.valid_until_ms < 0 ||
      request.valid_until_ms > kTimeMsMax) {
    ++counters_.malformed;
    return results.error(Code::bad_request);
  }
  decide_session(request, now_us, results, need);
}

void BackendCore::decide_session(const Request& request, std::int64_t now_us, ResultWriter& results,
                                 Lsn& need) {
  auto decision = book_.decide_session(request, now_us);
  const bool changes = decision.error == Code::none && !decision.known;
  if (changes && full(false)) {
    decision.error = Code::overloaded;
    decision.field = reached_limit();
  } else if (changes) {
    decision.lsn = next_lsn();
    builder_.add_session(decision.change, decision.lsn);
    book_.apply_session(decision, decision.lsn);
    ++counters_.sessions;
  }
  need = std::max(decision.lsn, need);
  if (decision.error != Code::none) {
    ++counters_.refused;
    return results.error(decision.error, decision.field);
  }
  const auto left_ms = std::max<std::int64_t>(request.valid_until_ms - now_us / 1000, 0);
  EndedSession kept{decision.change.session, decision.change.what, left_ms};
  if (kept.what == SessionEvent::barred) kept.opened_ms = request.valid_until_ms - kBarKnownMs;
  results.session_kept(kept);
}

// All sessions of a user that were opened up to a moment, as the operator wants it.
void BackendCore::bar_sessions(std::uint64_t number, const Request& request, std::int64_t now_us,
                               Effects& effects) {
  Request bar = request;
  const auto hash = bar_hash(request.user);
  bar.item = hash[0];
  bar.promo = hash[1];
  bar.qty = static_cast<std::uint32_t>(SessionEvent::barred);
  ControlAnswer answer{number, 0, {}};
  ResultWriter results(answer.body);
  decide_session(bar, now_us, results, answer.lsn);
  results.finish();
  wait_for(answer.lsn, std::move(answer), effects);
}

// Of those that ended durably. A webapp that has heard of a later log than this one begins anew.
void BackendCore::list_ended_sessions(const Request& request, std::int64_t now_us,
                                      ResultWriter& results) const {
  const auto limit = std::clamp<std::uint32_t>(request.qty, 1, kEndedSessionsPageMax);
  const Lsn since = request.item > durable_lsn_ ? 0 : request.item;
  results.ended_sessions(book_.sessions().behind(since, durable_lsn_, limit, now_us / 1000));
}

std::uint32_t BackendCore::take_session_news(std::string& body, std::size_t max,
                                             std::int64_t now_us) {
  if (book_.sessions().last_lsn() <= sessions_told_) return 0;
  const auto page =
      book_.sessions().behind(sessions_told_, durable_lsn_, max, book_.sale_time_us(now_us) / 1000);
  sessions_told_ = page.upto;
  for (const auto& row : page.rows) append_ended_session(body, row);
  return static_cast<std::uint32_t>(page.rows.size());
}

// The lsn of what the order became last, if that is not durable yet; else 0.
Lsn BackendCore::change_on_its_way(Lsn order) const {
  if (newest_changes_.empty()) return 0;
  const auto found = newest_changes_.find(order);
  return found == newest_changes_.end() ? 0 : found->second;
}

void BackendCore::take_fulfilment(const FulfilmentDecision& decision) {
  const auto lsn = next_lsn();
  builder_.add_fulfilment(decision, lsn);
  book_.apply_fulfilment(decision, lsn);
  changes_.emplace_back(lsn, decision.update.order);
  newest_changes_[decision.update.order] = lsn;
  count_fulfilment(decision.fulfilment());
}

void BackendCore::count_fulfilment(storage::Fulfilment fulfilment) {
  using storage::Fulfilment;
  if (fulfilment == Fulfilment::paid) ++counters_.paid;
  if (fulfilment == Fulfilment::expired) ++counters_.expired;
  if (fulfilment == Fulfilment::cancelled) ++counters_.cancelled;
  if (fulfilment == Fulfilment::refund_due) ++counters_.refund_due;
}

bool BackendCore::expire(std::int64_t now_us, Effects& effects) {
  if (phase_ != Phase::serving || now_us < expire_from_us_) return false;
  bool more = true;
  const auto goes_on = [&] { return !full(true) && in_log_bytes_ < kExpiryBytesMax; };
  const auto since_us = std::clamp<std::int64_t>(now_us - expired_at_us_, 0, 1'000'000);
  expired_at_us_ = now_us;
  const auto at_once =
      std::clamp(since_us * kExpiriesPerMs / 1000, kExpiriesAtLeast, kExpiriesAtOnce);
  for (std::int64_t i = 0; more && i < at_once && goes_on(); ++i) {
    const auto decision = book_.decide_expiry(now_us, more);
    if (!decision) continue;
    take_fulfilment(*decision);
    if (builder_.full()) close_append(effects);
  }
  return more && !full(true);
}

void BackendCore::list_items(const Request& request, std::int64_t now_us, ResultWriter& results,
                             Lsn& need) const {
  std::vector<ItemRow> rows;
  std::optional<std::uint64_t> next;
  if (request.qty == 0) {
    const auto row = book_.item(request.item);
    if (!row) return results.error(Code::unknown_item, "item");
    rows.push_back(*row);
  } else {
    next = book_.page(request.item, std::min<std::size_t>(request.qty, kItemsPageMax), rows);
    for (auto& row : rows) make_brief(row);
  }
  for (const auto& row : rows) need = std::max(need, row.seq);
  need = std::max(need, book_.add_promos(rows, now_us));
  results.items(rows, next);
}

// Of the items that changed durably, as they are now.
void BackendCore::list_changes(const Request& request, std::int64_t now_us, ResultWriter& results,
                               Lsn& need) const {
  std::vector<std::uint64_t> items;
  const auto limit = std::clamp<std::size_t>(request.qty, 1, kItemsPageMax);
  const auto changes = changed_.behind(request.item, durable_lsn_, limit, items);
  std::vector<ItemRow> rows;
  for (const auto item : items) {
    auto row = book_.item(item);
    STAMPEDE_ASSERT(row.has_value(), "an item that changed exists");
    make_brief(*row);
    need = std::max(need, row->seq);
    rows.push_back(*row);
  }
  need = std::max(need, book_.add_promos(rows, now_us));
  results.changes(changes, rows);
}

// --- item changes -----------------------------------------------------------------------------

bool BackendCore::on_item(std::uint64_t number, const ItemRequest& request, std::int64_t now_us,
                          Effects& effects) {
  if (refuses_items(number, effects)) return true;
  return take_item(number, book_.decide_item(request, book_.sale_time_us(now_us)), effects);
}

void BackendCore::on_control(std::uint64_t number, const Request& request, Effects& effects,
                             std::int64_t now_us) {
  if (refuses_items(number, effects)) return;
  now_us = book_.sale_time_us(now_us);
  if (request.kind == RequestKind::session) return bar_sessions(number, request, now_us, effects);
  const bool done =
      take_item(number,
                request.kind == RequestKind::item_put ? book_.decide_item_put(request)
                                                      : book_.decide_stock_change(request, now_us),
                effects);
  STAMPEDE_ASSERT(done, "units come and go without a look at orders");
}

bool BackendCore::refuses_items(std::uint64_t number, Effects& effects) {
  const auto code = refusal_for(phase_);
  if (code == Code::none) return false;
  ControlAnswer answer{number, 0, {}};
  append_error(answer.body, code);
  wait_for(0, std::move(answer), effects);
  return true;
}

bool BackendCore::take_item(std::uint64_t number, ItemDecision decision, Effects& effects) {
  ControlAnswer answer{number, 0, {}};
  if (decision.error == Code::none && !valid_request_id(decision.put.request_id)) {
    decision.error = Code::bad_request;
    decision.field = "request_id";
  }
  if (decision.error == Code::none && decision.changed && log_full()) {
    decision.error = Code::overloaded;
    decision.field = limit::kLogRoom;
  }
  if (decision.error != Code::none) {
    append_error(answer.body, decision.error, decision.field);
    wait_for(0, std::move(answer), effects);
    return true;
  }
  if (decision.changed && !book_.look_ahead(decision, limits_.looks_ahead_max)) return false;
  answer.lsn = decision.lsn;
  if (decision.changed) change_item(decision, answer.lsn = next_lsn());
  const auto row = book_.item(decision.put.item);
  STAMPEDE_ASSERT(row.has_value(), "an item that was changed exists");
  append_item_changed(answer.body, decision.changed || decision.known, *row);
  wait_for(std::max(answer.lsn, row->seq), std::move(answer), effects);
  return true;
}

void BackendCore::change_item(const ItemDecision& decision, Lsn lsn) {
  builder_.add_item(decision, lsn);
  book_.apply_item(decision, lsn);
}

bool BackendCore::on_promo(std::uint64_t number, const PromoRequest& request, std::int64_t now_us,
                           Effects& effects) {
  PromoAnswer answer;
  answer.number = number;
  answer.error = refusal_for(phase_);
  const bool done = answer.error != Code::none || take_promo(request, now_us, answer);
  if (!done) return false;
  const auto rests_on = answer.error == Code::none ? std::max(answer.lsn, answer.promo.put_lsn) : 0;
  wait_for(rests_on, std::move(answer), effects);
  return true;
}

// False: not yet.
bool BackendCore::take_promo(const PromoRequest& request, std::int64_t now_us,
                             PromoAnswer& answer) {
  now_us = book_.sale_time_us(now_us);
  const auto decision = book_.decide_promo(request, now_us);
  answer.error = decision.error;
  answer.field = decision.field;
  if (answer.error == Code::none && decision.changed && log_full()) {
    answer.error = Code::overloaded;
    answer.field = limit::kLogRoom;
  }
  if (answer.error != Code::none) return true;
  if (decision.changed && !book_.look_ahead(decision, limits_.looks_ahead_max)) return false;
  answer.lsn = decision.lsn;
  answer.changed = decision.changed || decision.known;
  if (decision.changed) change_promo(decision, answer.lsn = next_lsn());
  const auto* promo = book_.promos().find(request.put.promo);
  STAMPEDE_ASSERT(promo != nullptr, "a promo that was changed exists");
  answer.promo = *promo;
  answer.state = promo->state(book_.sale_time_us(now_us) / 1000);
  return true;
}

void BackendCore::change_promo(const PromoDecision& decision, Lsn lsn) {
  builder_.add_promo(decision, lsn);
  book_.apply_promo(decision, lsn);
}

std::string BackendCore::import_item(const ItemRequest& request, Effects& effects) {
  const auto decision = book_.decide_item(request);
  if (decision.error == Code::overloaded)
    return "backend.orders_max is less than there are items; raise it";
  if (decision.error != Code::none)
    return "its " + std::string(decision.field.empty() ? "id" : decision.field) +
           " is out of bounds; correct the row";
  if (!decision.changed) return {};
  change_item(decision, next_lsn());
  if (builder_.full()) close_append(effects);
  return {};
}

void BackendCore::on_books(std::uint64_t number, Effects& effects) {
  wait_for(last_lsn_, BooksAnswer{number, last_lsn_, book_.books()}, effects);
}

// --- what waits for the log ----------------------------------------------------------------------

void BackendCore::wait_for(Lsn need, OpenAnswers::Answer&& answer, Effects& effects) {
  open_.push(need, std::move(answer));
  if (builder_.full()) close_append(effects);
  release(effects);
}

void BackendCore::close_append(Effects& effects) {
  in_log_.push_back(builder_.close(last_lsn_ + 1));
  in_log_bytes_ += in_log_.back().append->records.size();
  effects.appends.push_back(in_log_.back().append);
}

void BackendCore::flush(Effects& effects) {
  for (const auto& record : outcomes_) builder_.add_outcome(record);
  outcomes_.clear();
  if (!builder_.empty()) close_append(effects);
}

void BackendCore::on_durable(std::size_t appends, Effects& effects) {
  STAMPEDE_ASSERT(appends <= in_log_.size(), "only what was sent can become durable");
  for (; appends > 0; --appends) {
    auto& [append, changes] = in_log_.front();
    in_log_bytes_ -= append->records.size();
    if (append->last_lsn != 0) durable_lsn_ = append->last_lsn;
    note_changes(*append, changes);
    projection_.add(append, changes);
    builder_.reuse(std::move(changes));
    in_log_.pop_front();
  }
  for (; !changes_.empty() && changes_.front().first <= durable_lsn_; changes_.pop_front()) {
    const auto& [lsn, order] = changes_.front();
    if (const auto newest = newest_changes_.find(order); newest->second == lsn)
      newest_changes_.erase(newest);
  }
  release(effects);
  if (lanes_started_) projection_.dispatch(effects.work);
}

// For the news, and for who asks. A change of a promo is one of its item.
void BackendCore::note_changes(const Append& append, const std::vector<ItemChange>& changes) {
  auto promo = append.promos.begin();
  const auto note_promos = [&](Lsn before) {
    for (; promo != append.promos.end() && promo->last < before; ++promo)
      changed_.note(promo->put.item, promo->last, false);
  };
  for (const auto& change : changes) {
    news_.push(change.position, change.amount);
    note_promos(change.last);
    changed_.note(change.item, change.last, change.put != nullptr);
  }
  note_promos(~Lsn{0});
}

bool BackendCore::make_room(std::uint64_t orders) {
  if (work_open() || !projection_.idle()) return false;
  return book_.make_room(orders) || builder_.make_room(orders);
}

void BackendCore::on_lane_done(std::uint32_t lane, const std::vector<FailedCommand>& failed,
                               Effects& effects) {
  projection_.done(lane, failed, outcomes_);
  projection_.dispatch(effects.work);
}

std::uint32_t BackendCore::take_news(std::string& body, std::size_t max) {
  std::uint32_t count = 0;
  for (; count < max; ++count) {
    const auto position = news_.pop();
    if (!position) break;
    auto row = book_.item_at(*position);
    const auto& durable = projection_.newest(*position);
    news_.told(*position, durable.amount);
    row.left = durable.amount;
    row.seq = durable.last;
    make_brief(row);
    append_item_row(body, row);
  }
  return count;
}

}  // namespace stampede::actors
