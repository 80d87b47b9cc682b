#include "actors/webapp/core/webapp_core.h"

#include <algorithm>
#include <utility>

namespace stampede::actors {

namespace {

constexpr std::int64_t kRetryDetachedUs = 200'000;
constexpr std::int64_t kMsUs = 1000;
constexpr std::int64_t kRetryMsMin = 100;                   // that an answer from memory asks for
constexpr std::size_t kCopiedRowsMax = 64 * kItemsPageMax;  // in one round
constexpr std::uint64_t kNoItem = ~std::uint64_t{0};

using MintedId = std::array<char, 32>;

MintedId minted_id(const std::array<std::uint64_t, 2>& bits) {
  MintedId text;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto nibble = (bits[i / 16] >> (4 * (i % 16))) & 15U;
    text[i] = "0123456789abcdef"[nibble];
  }
  return text;
}

// The batch was not looked at: it may be tried again as it is.
bool backend_absent(Code code) {
  return code == Code::replaying || code == Code::draining || code == Code::no_backend;
}

// A detached order goes on trying after these.
bool passing(Code code) {
  return backend_absent(code) || code == Code::overloaded || code == Code::log_unavailable;
}

// Whole batches are overloaded by the broker alone.
std::string_view limit_of_batch(Code code) {
  return code == Code::overloaded ? limit::kInFlight : std::string_view{};
}

bool is_answer(const Result& result) {
  return result.kind == ResultKind::answer && result.answer.state != State::invalid;
}

// Whether what came answers what was asked.
bool is_answer(const Result& result, RequestKind asked) {
  switch (asked) {
    case RequestKind::items:
      return result.kind == ResultKind::items;
    case RequestKind::changes:
      return result.kind == ResultKind::changes;
    case RequestKind::pay:
    case RequestKind::cancel:
      return result.kind == ResultKind::fulfilled;
    case RequestKind::ticket:
      return result.kind == ResultKind::granted;
    case RequestKind::session:
      return result.kind == ResultKind::session_kept;
    case RequestKind::ended_sessions:
      return result.kind == ResultKind::ended_sessions;
    default:
      return is_answer(result);
  }
}

}  // namespace

WebappCore::WebappCore(const WebappSettings& settings, WebappOutput& output, Mint mint)
    : mint_(std::move(mint)),
      results_(settings.result_ttl_us, settings.results_max),
      table_(settings.waiting_max),
      sender_(output, settings.instance, settings.resend_us),
      replies_(output, settings.limits),
      stock_(output, settings.items_refresh_us, settings.items_max),
      copy_(settings.items_max),
      rates_(settings.rates),
      desk_(settings.login ? std::make_unique<LoginDesk>(*settings.login) : nullptr),
      tickets_(settings.tickets),
      closely_(rates_ || desk_),
      alert_(closely_) {}

Code WebappCore::unavailable() const {
  return sender_.connected() ? refusal_for(sender_.phase()) : Code::no_backend;
}

std::string_view WebappCore::standstill() const {
  if (draining_ || !sender_.connected()) return {};
  return replies_.sentence(actors::limit_of(sender_.standstill()));
}

std::string_view WebappCore::state() const {
  if (draining_ || orders_refused_) return "draining";
  const auto code = unavailable();
  if (code != Code::none) return info(code).text;
  const bool ready = !desk_ || !desk_->sessions() || desk_->ends().begun();
  return ready ? to_text(Phase::serving) : info(Code::replaying).text;
}

WebappCounters WebappCore::counters() const {
  return {replies_.counters(), sender_.counters(), requests_,
          results_malformed_,  answers_late_,      copied_};
}

// --- taking requests ----------------------------------------------------------------------------

// Of most requests all there is to do: part of its callers.
[[gnu::always_inline]] inline void WebappCore::take(const ClientAsk& ask, std::int64_t now_us) {
  if (reply_from_memory(ask, now_us)) return;
  const auto& request = ask.request;
  if (const auto code = draining_ ? Code::draining : room(ask.client, request); code != Code::none)
    return replies_.refuse(ask.client, request.id, code, limit_of(code, ask.client, request));
  const auto lacks_id = [&] {
    return request.op == ClientOp::order || request.op == ClientOp::ticket;
  };
  if (request.id.empty() && lacks_id()) {
    const auto minted = minted_id(mint_());
    return enqueue(ask, {minted.data(), minted.size()}, now_us);
  }
  enqueue(ask, request.id, now_us);
}

bool WebappCore::on_request(const ClientAsk& ask, std::int64_t now_us) {
  const bool own = ask.client.kind == ClientToken::Kind::internal;
  if (!own) ++requests_;
  if (own || ask.request.op == ClientOp::ping || !needs_look(ask.client, ask.request)) {
    take(ask, now_us);
    return true;
  }
  if (take_closely(ask, now_us)) return true;
  --requests_;  // it comes again
  return false;
}

// When something is out of the ordinary, or somebody looks at who asks. The first that is looked at
// is the address, so that nothing else costs anything.
[[gnu::noinline]] bool WebappCore::take_closely(ClientAsk ask, std::int64_t now_us) {
  auto& request = ask.request;
  const auto refuse = [&](const Refusal& refusal) {
    replies_.refuse(ask.client, request.id, refusal.code, refusal.field, refusal.retry_after_ms);
    return true;
  };
  if (const auto wait_ms = rates_ ? address_waits(now_us) : 0; wait_ms > 0)
    return refuse({Code::rate_limited, {}, "address", wait_ms});
  if (request.op == ClientOp::auth) return log_in(ask, now_us);
  if (desk_) {
    desk_->begin();
    const auto admission = desk_->admit(request, who_, now_us);
    if (admission.waits) return false;
    if (admission.code != Code::none) return refuse({admission.code, {}, admission.field});
    if (request.op == ClientOp::end_session) {
      const auto& session = *admission.session;
      keep_session(ask.client, {SessionEvent::ended, session.user, session.id, session.expires_ms},
                   now_us);
      return true;
    }
    request.user = admission.user;
    ask.by_user = !admission.service;
    ask.user_is_id = ask.user_is_id && admission.service;
  }
  const auto refusal = look_at_order(ask.client, request, now_us);
  if (refusal.code == Code::sold_out)
    replies_.edge(ask.client, refusal.id);
  else if (refusal.code != Code::none)
    return refuse(refusal);
  else
    take(ask, now_us);
  return true;
}

bool WebappCore::log_in(const ClientAsk& ask, std::int64_t now_us) {
  const auto& id = ask.request.id;
  if (!desk_) {
    replies_.refuse(ask.client, id, Code::unknown_op);
    return true;
  }
  desk_->begin();
  const Session* session = nullptr;
  const auto admission = desk_->log_in(who_, now_us, session);
  if (admission.waits) return false;
  if (admission.code != Code::none)
    replies_.refuse(ask.client, id, admission.code, admission.field);
  else
    replies_.session(ask.client, id, session->user, session->expires_ms);
  return true;
}

// Views of the notice need not outlive the call.
void WebappCore::keep_session(const ClientToken& client, const SessionNotice& notice,
                              std::int64_t now_us) {
  const auto hash = session_hash(notice.user, notice.id);
  ClientAsk ask;
  ask.client = client;
  ask.request.op = ClientOp::keep_session;
  ask.request.item = hash[0];
  ask.request.promo = hash[1];
  ask.request.user = notice.user;
  ask.request.qty = static_cast<std::uint32_t>(notice.what);
  ask.request.valid_until_ms = std::min(notice.expires_ms + kSessionKnownMs, kTimeMsMax);
  const auto code = draining_ ? Code::draining : room(client, ask.request);
  if (code != Code::none)
    return replies_.refuse(client, {}, code, limit_of(code, client, ask.request));
  enqueue(ask, {}, now_us);
}

// What an entry of an array shows for itself, and where it shows nothing, what all of them do.
Credentials WebappCore::shown(std::string_view token) const {
  auto who = who_;
  if (!token.empty()) who.token = token;
  return who;
}

// Looks at the tokens of an array's entries before any of them is taken: it waits as a whole.
// `each_token` calls what it is given with each, and is false when the array cannot be read.
template <class EachToken>
bool WebappCore::waits_for_tokens(const EachToken& each_token, std::int64_t now_us) {
  if (!desk_ || !desk_->sessions() || !who_.waits) return false;
  if (rates_) {
    if (address_waits(now_us) > 0) return false;  // so will its entries be told
    ++counted_;
  }
  desk_->begin();
  ClientRequest any;
  any.op = ClientOp::get;
  const bool whole = each_token(
      [&](std::string_view token) { static_cast<void>(desk_->admit(any, shown(token), now_us)); });
  return whole && !desk_->awaited().empty();
}

// Milliseconds that the address has to wait; 0: its next request is counted.
std::int64_t WebappCore::address_waits(std::int64_t now_us) {
  if (counted_ == 0) return rates_->take_address(address_, now_us);
  --counted_;
  return 0;
}

// Why it is not taken; code none: it is.
Refusal WebappCore::over_user_rate(const ClientRequest& request, std::int64_t now_us) {
  const bool names_user = request.op == ClientOp::order || request.op == ClientOp::cancel ||
                          request.op == ClientOp::ticket;
  const auto wait_ms = rates_ && names_user ? rates_->take_user(request.user, now_us) : 0;
  return {wait_ms > 0 ? Code::rate_limited : Code::none, request.id, "user", wait_ms};
}

// Of an order in an array: what need not be looked at as long as nothing is out of the ordinary.
// Its user becomes the session's.
Refusal WebappCore::look_closely(const ClientToken& client, ClientRequest& request,
                                 std::string_view token, std::int64_t now_us) {
  if (const auto wait_ms = rates_ ? address_waits(now_us) : 0; wait_ms > 0)
    return {Code::rate_limited, request.id, "address", wait_ms};
  if (desk_) {
    auto who = shown(token);
    who.waits = false;
    const auto admission = desk_->admit(request, who, now_us);
    if (admission.code != Code::none) return {admission.code, request.id, admission.field};
    request.user = admission.user;
  }
  const auto id = request.id;
  const auto refusal = look_at_order(client, request, now_us);
  return refusal.code == Code::none && draining_ ? Refusal{Code::draining, id, {}} : refusal;
}

// What is looked at when it is known who asks. Sold out: here, and nothing is decided.
Refusal WebappCore::look_at_order(const ClientToken& client, ClientRequest& request,
                                  std::int64_t now_us) {
  if (auto over = over_user_rate(request, now_us); over.code != Code::none) return over;
  const bool new_order = request.op == ClientOp::order && is_first(client, request);
  if (orders_refused_ && new_order) return {Code::draining, request.id, kOrdersRefused};
  judge_ticket(request);
  if (!draining_ && sold_out_here(client, request, now_us))
    return {Code::sold_out, id_of(request), {}};
  return {Code::none, request.id, {}};
}

// Of an order whose user is known only now. An order without an id gets the ticket's.
void WebappCore::judge_ticket(ClientRequest& request) {
  if (request.ticket.empty() || tickets_ == nullptr) return;
  request.ticket_ms = tickets_->judge(request.ticket, request.promo, request.item, request.user,
                                      request.id, ticket_bytes_);
}

// An id that was queued here is known, whatever is said of it. Units that come back still go to who
// has a ticket, so he is never turned away.
bool WebappCore::sold_out_here(const ClientToken& client, const ClientRequest& request,
                               std::int64_t now_us) {
  return request.op == ClientOp::order && is_first(client, request) &&
         request.ticket_ms == kNoTicket && results_.find(request.id) == nullptr &&
         stock_.sold_out(request.item, now_us);
}

// That a refusal names: valid until the next call.
std::string_view WebappCore::id_of(const ClientRequest& request) {
  if (!request.id.empty()) return request.id;
  minted_ = minted_id(mint_());
  return {minted_.data(), minted_.size()};
}

void WebappCore::on_malformed(const ClientToken& client, const Refusal& refusal,
                              std::int64_t now_us) {
  ++requests_;
  const auto told = counted(refusal, {}, now_us);
  replies_.refuse(client, told.id, told.code, told.field, told.retry_after_ms);
}

// What somebody is told whose request is malformed: it counts as if it were not, for its address
// and, where it is known so far, for its user.
Refusal WebappCore::counted(const Refusal& refusal, std::string_view token, std::int64_t now_us) {
  if (!rates_) return refusal;
  if (const auto wait_ms = address_waits(now_us); wait_ms > 0)
    return {Code::rate_limited, refusal.id, "address", wait_ms};
  const auto user = refusal.counts ? user_of(refusal, token, now_us) : std::string_view{};
  if (const auto wait_ms = rates_->take_user(user, now_us); wait_ms > 0)
    return {Code::rate_limited, refusal.id, "user", wait_ms};
  return refusal;
}

// With sessions: whose it is, if its token is known already.
std::string_view WebappCore::user_of(const Refusal& refusal, std::string_view token,
                                     std::int64_t now_us) {
  if (!desk_ || !desk_->sessions()) return refusal.user;
  auto who = shown(token);
  who.waits = false;
  ClientRequest any;
  any.op = ClientOp::get;
  const auto admission = desk_->admit(any, who, now_us);
  if (admission.code != Code::none) return {};
  return admission.service ? refusal.user : admission.user;
}

// `more`: entries that are taken already and not yet counted in the table.
Code WebappCore::room(const ClientToken& client, const ClientRequest& request,
                      std::uint64_t more) const {
  if (!table_.has_room(client, more)) return Code::overloaded;
  if (request.op == ClientOp::items && !table_.has_room_for_page(client)) return Code::overloaded;
  return Code::none;
}

// Of a request that was not admitted.
std::string_view WebappCore::limit_of(Code code, const ClientToken& client,
                                      const ClientRequest& request) const {
  if (code != Code::overloaded) return {};
  if (table_.full()) return limit::kWaiting;
  const bool page = request.op == ClientOp::items && !table_.has_room_for_page(client);
  return page ? limit::kPages : limit::kShare;
}

bool WebappCore::reply_from_memory(const ClientAsk& ask, std::int64_t now_us) {
  if (ask.request.op == ClientOp::order) return false;
  if (ask.request.op == ClientOp::items) return reply_from_copy(ask, now_us);
  if (ask.request.op == ClientOp::ping) {
    replies_.pong(ask.client, ask.request.id, state(), standstill());
    return true;
  }
  if (ask.request.op != ClientOp::get || ask.client.kind != ClientToken::Kind::http) return false;
  const auto* known = results_.find(ask.request.id);
  if (known == nullptr || (!known->queued && !ask.cached)) return false;
  if (ask.by_user && !results_.is_of(ask.request.id, ask.request.user)) return false;
  // The request was refused, but its id may be decided all the same, by whichever door: the backend
  // is asked, and the refusal told when it knows of nothing.
  if (known->code != Code::none) return false;
  if (known->queued)
    replies_.queued(ask.client, ask.request.id);
  else
    replies_.answer(ask.client, ask.request.id, known->answer);
  return true;
}

// Not to this webapp's own questions, which are to know better.
bool WebappCore::reply_from_copy(const ClientAsk& ask, std::int64_t now_us) {
  const bool own = ask.client.kind == ClientToken::Kind::internal;
  if (own || draining_ || !stock_.recent(now_us)) return false;
  // Many at once are what they are to the backend: pages of which there may be too many.
  if (copied_rows_ >= kCopiedRowsMax) return false;
  const auto& asked = ask.request;
  std::optional<std::uint64_t> next;
  rows_.clear();
  const bool known = asked.one_item ? copy_.item(asked.item, wall_ms_, rows_)
                                    : copy_.page(asked.item, asked.limit, wall_ms_, rows_, next);
  if (!known) return false;
  copied_rows_ += rows_.size();
  ++copied_;
  replies_.items(ask.client, asked.id, rows_, next);
  return true;
}

void WebappCore::enqueue(const ClientAsk& ask, std::string_view id, std::int64_t now_us) {
  const auto rows = WaitingTable::rows(ask.request);
  auto& batch = sender_.open_batch(1, answer_bytes_max(rows)).content;
  auto& waiter = table_.add(batch, ask, id, now_us);
  if (ask.by_user) waiter.foreign = !results_.is_of(id, ask.request.user);
  if (waiter.mode != WaitMode::deadline)
    results_.queued(id, desk_ ? ask.request.user : std::string_view{});
  say_queued(batch, waiter, ask.request.ack);
}

void WebappCore::say_queued(WaitingBatch& batch, Waiter& waiter, bool ack) {
  const bool detach = waiter.mode == WaitMode::detach_now;
  if (!detach && !(ack && waiter.client.kind == ClientToken::Kind::dealer)) return;
  replies_.queued(waiter.client, batch.id(waiter));
  if (detach) WaitingTable::detach(batch, waiter);
}

// Once an order: not called, but part of both loops below.
[[gnu::always_inline]] inline void WebappCore::take_entry(WaitingBatch& batch, Waiter& waiter,
                                                          std::uint32_t index,
                                                          const ClientRequest& request,
                                                          std::int64_t now_us) {
  if (const auto code = room(waiter.client, request, waiter.count); code != Code::none)
    return batch.append_fault(waiter, index,
                              Refusal{code, request.id, limit_of(code, waiter.client, request)});
  MintedId minted;
  Request order;
  order.kind = RequestKind::order;
  order.id = request.id;
  if (order.id.empty()) minted = minted_id(mint_()), order.id = {minted.data(), minted.size()};
  order.item = request.item;
  order.user = request.user;
  order.qty = request.qty;
  order.promo = request.promo;
  order.valid_until_ms = request.valid_until_ms;
  order.ticket_ms = request.ticket_ms;
  batch.append_order(waiter, order, now_us + request.deadline_ms * 1000);
}

void WebappCore::take_entry_closely(WaitingBatch& batch, Waiter& waiter, std::uint32_t index,
                                    ClientRequest request, std::string_view token,
                                    std::int64_t now_us) {
  const auto refusal = look_closely(waiter.client, request, token, now_us);
  if (refusal.code != Code::none) return batch.append_fault(waiter, index, refusal);
  take_entry(batch, waiter, index, request, now_us);
}

bool WebappCore::on_orders(const ClientToken& client, Sf1Decoder& orders, std::int64_t now_us) {
  const auto each_token = [&](const auto& look) {
    auto ahead = orders;
    for (auto left = ahead.unread(); left > 0; --left) {
      const auto found = ahead.next_entry();
      if (found == Sf1Decoder::Entry::damaged) return false;
      if (found == Sf1Decoder::Entry::order) look(ahead.token());
    }
    return true;
  };
  if (alert_ && waits_for_tokens(each_token, now_us)) return false;
  const auto entries = orders.unread();
  auto& batch = sender_.open_batch(entries, entries * kAnswerBytes).content;
  const auto end = batch.end();
  auto waiter = batch.begin_array(client);
  waiter.asked_us = now_us;
  if (!read_array(batch, waiter, orders, now_us)) {
    batch.cut_back(end);
    on_malformed(client, orders.refusal(), now_us);
    return true;
  }
  add_array(batch, end, waiter);
  return true;
}

bool WebappCore::on_orders(const ClientToken& client, std::span<const ClientRequest> orders,
                           std::int64_t now_us, std::span<const std::string_view> tokens) {
  const auto token = [&](std::size_t index) {
    return tokens.empty() ? std::string_view{} : tokens[index];
  };
  const auto each_token = [&](const auto& look) {
    for (std::size_t index = 0; index < orders.size(); ++index) look(token(index));
    return true;
  };
  if (alert_ && waits_for_tokens(each_token, now_us)) return false;
  auto& batch = sender_.open_batch(orders.size(), orders.size() * kAnswerBytes).content;
  const auto end = batch.end();
  auto waiter = batch.begin_array(client);
  waiter.asked_us = now_us;
  for (std::uint32_t index = 0; index < orders.size(); ++index) {
    if (needs_look(client, orders[index]))
      take_entry_closely(batch, waiter, index, orders[index], token(index), now_us);
    else
      take_entry(batch, waiter, index, orders[index], now_us);
  }
  add_array(batch, end, waiter);
  return true;
}

// The array was read. One of which nothing is to be asked is answered at once.
void WebappCore::add_array(WaitingBatch& batch, const WaitingBatch::End& end,
                           const Waiter& waiter) {
  requests_ += waiter.count + waiter.faults;
  if (waiter.count > 0) return table_.add(batch, waiter);
  replies_.array(batch, waiter, [](std::size_t) { return false; });
  batch.cut_back(end);
}

// Reads the orders straight into the batch. False: the frame is damaged, and what was read of it is
// to be taken out again.
bool WebappCore::read_array(WaitingBatch& batch, Waiter& waiter, Sf1Decoder& orders,
                            std::int64_t now_us) {
  const auto entries = orders.unread();
  for (std::uint32_t index = 0; index < entries; ++index) {
    const auto found = orders.next_entry();
    if (found == Sf1Decoder::Entry::damaged) return false;
    if (found == Sf1Decoder::Entry::order && !needs_look(waiter.client, orders.request()))
      take_entry(batch, waiter, index, orders.request(), now_us);
    else if (found == Sf1Decoder::Entry::order)
      take_entry_closely(batch, waiter, index, orders.request(), orders.token(), now_us);
    else
      take_malformed_entry(batch, waiter, index, orders, now_us);
  }
  return true;
}

void WebappCore::take_malformed_entry(WaitingBatch& batch, Waiter& waiter, std::uint32_t index,
                                      const Sf1Decoder& orders, std::int64_t now_us) {
  auto refusal = orders.refusal();
  refusal.id = orders.request().id;
  batch.append_fault(waiter, index, counted(refusal, orders.token(), now_us));
}

// --- answers ------------------------------------------------------------------------------------

void WebappCore::on_result(const BatchHead& head, std::string_view body, std::int64_t now_us) {
  auto* batch = sender_.find_result(head);
  if (batch == nullptr) return;
  if (sender_.epoch() != stock_epoch_) begin_epoch();
  reader_.open(body);
  if (answer_all(batch->content, now_us))
    retire(sender_.remove(head.number), now_us + kRetryDetachedUs);
  else
    ++results_malformed_;  // what was not answered is asked again
  if (desk_ != nullptr) ask_for_ends(now_us);
}

// Answers the waiters from the result that reader_ has opened. False: it breaks off.
bool WebappCore::answer_all(WaitingBatch& batch, std::int64_t now_us) {
  for (auto& waiter : batch.waiters()) {
    if (waiter.done) {
      if (!skip_late(waiter)) return false;
    } else if (waiter.array) {
      if (!answer_array(batch, waiter, now_us)) return false;
    } else {
      if (!reader_.next(result_)) return false;
      answer(batch, waiter, now_us);
    }
  }
  return true;
}

bool WebappCore::skip_late(const Waiter& waiter) {
  for (auto left = waiter.count; left > 0; --left)
    if (!reader_.next(result_)) return false;
  answers_late_ += waiter.count;
  return true;
}

void WebappCore::answer(WaitingBatch& batch, Waiter& waiter, std::int64_t now_us) {
  if (!is_answer(result_, waiter.kind)) {
    const bool error = result_.kind == ResultKind::error;
    if (!error) ++results_malformed_;
    const auto code = error ? result_.code : Code::internal;
    const auto retry_after_ms = error ? result_.retry_after_ms : 0;
    return answer_error(batch, waiter, {code, {}, result_.field, retry_after_ms}, now_us);
  }
  if (waiter.one_item && result_.items.empty())
    return answer_error(batch, waiter, {Code::unknown_item, {}, {}}, now_us);
  ++answered_;
  if (waiter.kind == RequestKind::order) count(result_.answer);
  const auto id = batch.id(waiter);
  if (!waiter.detached) reply(waiter.client, id, now_us);
  if (waiter.mode != WaitMode::deadline) results_.settle(id, result_.answer, now_us);
  finish(batch, waiter, now_us);
}

// What result_ says.
void WebappCore::reply(const ClientToken& client, std::string_view id, std::int64_t now_us) {
  if (result_.kind == ResultKind::answer)
    replies_.answer(client, id, result_.answer);
  else if (result_.kind >= ResultKind::session_kept)
    take_session(client, now_us);
  else if (is_own(client))
    take_own();
  else if (result_.kind == ResultKind::items)
    replies_.items(client, id, result_.items, result_.next);
  else if (result_.kind == ResultKind::granted)
    replies_.granted(client, id, result_.granted);
  else
    replies_.fulfilled(client, id, result_.fulfilled);
}

// A repeated decision says nothing of what is left.
void WebappCore::note_nothing_left(const Answer& answer) {
  nothing_left_ = answer.item;
  stock_.on_nothing_left(answer.item, answer.lsn);
  be_alert();
}

void WebappCore::answer_error(WaitingBatch& batch, Waiter& waiter, const Refusal& refusal,
                              std::int64_t now_us) {
  const auto code = refusal.code;
  if (drop_if_own(waiter.client, passing(code))) return table_.finish(batch, waiter);
  ++answered_;
  if (waiter.detached && passing(code)) return;  // stays open: retire() keeps it
  const auto id = batch.id(waiter);
  if (!waiter.detached) {
    const auto as = told(waiter, id, refusal, now_us);
    replies_.refuse(waiter.client, id, as.code, as.field, as.retry_after_ms);
  }
  if (waiter.mode != WaitMode::deadline) {
    // key_reused is said of this request alone: the id has an answer, another one's.
    if (passing(code) || code == Code::key_reused)
      results_.forget(id);
    else
      results_.refuse(id, code, now_us,
                      refusal.retry_after_ms > 0 ? now_us + refusal.retry_after_ms * kMsUs : 0);
  }
  finish(batch, waiter, now_us);
}

// An id that the backend does not know: why this webapp's order with it was refused, if it was.
Refusal WebappCore::told(const Waiter& waiter, std::string_view id, const Refusal& refusal,
                         std::int64_t now_us) const {
  const bool asked = waiter.kind == RequestKind::get && refusal.code == Code::unknown_request &&
                     waiter.client.kind == ClientToken::Kind::http && !waiter.foreign;
  const auto* known = asked ? results_.find(id) : nullptr;
  if (known == nullptr || known->code == Code::none) return refusal;
  if (known->retry_us == 0) return {known->code, {}, {}};
  const auto wait_us = known->retry_us - now_us;
  if (wait_us <= 0) return refusal;  // the reason is over: nothing is decided, the same id may come
  return {known->code, {}, {}, std::max((wait_us + kMsUs - 1) / kMsUs, kRetryMsMin)};
}

// Answers an array from the result at hand. False: the result breaks off.
bool WebappCore::answer_array(WaitingBatch& batch, Waiter& waiter, std::int64_t now_us) {
  const bool whole = replies_.array(batch, waiter, [&](std::size_t position) {
    if (!reader_.next(result_)) return false;
    answer_entry(waiter.client, batch.requests().id_at(position));
    return true;
  });
  if (whole) finish(batch, waiter, now_us);
  return whole;
}

void WebappCore::answer_entry(const ClientToken& client, std::string_view id) {
  ++answered_;
  if (is_answer(result_)) {
    count(result_.answer);
    return replies_.answer(client, id, result_.answer);
  }
  if (result_.kind == ResultKind::error)
    return replies_.refuse(client, id, result_.code, result_.field, result_.retry_after_ms);
  ++results_malformed_;
  replies_.refuse(client, id, Code::internal);
}

void WebappCore::refuse_array(WaitingBatch& batch, Waiter& waiter, const Refusal& as,
                              std::int64_t now_us) {
  replies_.array(batch, waiter, [&](std::size_t position) {
    replies_.refuse(waiter.client, batch.requests().id_at(position), as.code, as.field);
    return true;
  });
  answered_ += waiter.count;
  finish(batch, waiter, now_us);
}

// What is said of a batch that nobody looked at. A backend that waits for room before it serves is
// overloaded as one that runs out of it.
Refusal WebappCore::batch_refusal(Code code) const {
  const auto stands =
      code == Code::replaying ? actors::limit_of(sender_.standstill()) : std::string_view{};
  if (!stands.empty()) return {Code::overloaded, {}, stands};
  return {code, {}, limit_of_batch(code)};
}

void WebappCore::on_refusal(const BatchHead& head, Code code, std::int64_t now_us) {
  auto* batch = sender_.find(head);
  if (batch == nullptr) return;
  const auto as = batch_refusal(code);
  // Its clients wait on, until their deadlines. `overloaded` for a repeat may mean no more than
  // that its first copy still takes the room.
  if (backend_absent(as.code) || (as.code == Code::overloaded && batch->attempts > 1))
    return sender_.hold(*batch, code, now_us);
  for (auto& waiter : batch->content.waiters()) {
    if (waiter.done) continue;
    if (waiter.array)
      refuse_array(batch->content, waiter, as, now_us);
    else
      answer_error(batch->content, waiter, as, now_us);
  }
  retire(sender_.remove(head.number), now_us + kRetryDetachedUs);
}

// A batch leaves; its detached orders that are still open are tried again, in one of their own.
void WebappCore::retire(OutgoingBatchPtr batch, std::int64_t retry_us) {
  if (batch->content.open() > 0) {
    auto kept = sender_.new_batch();
    table_.move_detached(batch->content, kept->content);
    sender_.send_later(std::move(kept), retry_us);
  }
  table_.remove(batch->content);
  sender_.release(std::move(batch));
}

// --- what is known here of items -----------------------------------------------------------------

void WebappCore::on_hello(const Hello& hello, std::int64_t now_us) {
  sender_.on_hello(hello, now_us);
  if (sender_.epoch() != stock_epoch_) begin_epoch();
  if (desk_ != nullptr && !desk_->ends().known(now_us)) ask_for_ends(now_us);
}

void WebappCore::begin_epoch() {
  if (desk_ != nullptr) desk_->ends().ask_anew();
  stock_epoch_ = sender_.epoch();
  stock_.begin_anew();
  copy_.clear();
  be_alert();
}

void WebappCore::on_news(std::uint64_t epoch, const ItemRow& row) {
  if (epoch != stock_epoch_) return;
  stock_.on_row(row);
  copy_.on_news(row);
  be_alert();
}

void WebappCore::on_session_news(const EndedSession& session, std::int64_t now_us) {
  if (desk_ != nullptr) desk_->ends().take(session, now_us);
}

void WebappCore::ask_for_ends(std::int64_t now_us) {
  if (desk_ == nullptr || !desk_->sessions() || !desk_->ends().due(now_us)) return;
  if (draining_ || unavailable() != Code::none) return;
  ClientAsk ask;
  ask.client = ClientToken::numbered(ClientToken::Kind::internal, kEndsNumber);
  ask.request.op = ClientOp::ended_sessions;
  ask.request.item = desk_->ends().ask(now_us);
  ask.request.limit = kEndedSessionsPageMax;
  // An answer that takes longer says nothing any more; one that was lost is not waited for.
  ask.request.deadline_ms = EndedSessions::kKnownForUs / kMsUs;
  enqueue(ask, {}, now_us);
}

// What result_ says of one session, which somebody wanted to be kept, or of those that have ended.
void WebappCore::take_session(const ClientToken& client, std::int64_t now_us) {
  if (result_.kind == ResultKind::ended_sessions) {
    if (desk_ != nullptr) desk_->ends().on_answer(result_.sessions, now_us);
    return;
  }
  if (desk_ != nullptr) desk_->ends().take(result_.session, now_us);
  replies_.session_kept(client);
}

// One question at a time, so that what an answer says is newer than what the one before said.
void WebappCore::ask_own(std::int64_t now_us) {
  if (draining_ || own_ != Own::none || unavailable() != Code::none) return;
  ClientAsk ask;
  ask.client = ClientToken::numbered(ClientToken::Kind::internal, kOwnNumber);
  ask.request.deadline_ms = stock_.patience_us() / kMsUs;
  if (stock_.due(now_us))
    ask_for_changes(ask, now_us);
  else if (const auto wish = copy_.wish(); wish && stock_.recent(now_us))
    ask_for_items(ask, *wish);
  else if (const auto item = stock_.recent(now_us) ? stock_.doubt() : std::nullopt)
    ask_for_item(ask, Own::doubt, *item);
  else
    return;
  enqueue(ask, {}, now_us);
}

void WebappCore::ask_for_changes(ClientAsk& ask, std::int64_t now_us) {
  own_ = Own::changes;
  ask.request.op = ClientOp::changes;
  ask.request.item = stock_.ask(now_us);
}

void WebappCore::ask_for_items(ClientAsk& ask, const ItemCopy::Wish& wish) {
  if (wish.alone) return ask_for_item(ask, Own::item, wish.item);
  own_ = wish.renewal ? Own::renewal : Own::page;
  ask.request.op = ClientOp::items;
  ask.request.item = wish.item;
}

void WebappCore::ask_for_item(ClientAsk& ask, Own why, std::uint64_t item) {
  own_ = why;
  own_item_ = item;
  ask.request.op = ClientOp::items;
  ask.request.item = item;
  ask.request.one_item = true;
}

void WebappCore::take_own() {
  const auto own = std::exchange(own_, Own::none);
  if (own == Own::changes)
    stock_.on_changes(result_.changes, result_.items);
  else
    for (const auto& row : result_.items) stock_.on_row(row);
  be_alert();
  switch (own) {
    case Own::changes:
      return copy_.on_changes(result_.changes, result_.items);
    case Own::page:
      return copy_.on_page(result_.items, result_.next);
    case Own::renewal:
      return copy_.on_renewed(result_.items);
    case Own::item:
      return copy_.on_item(own_item_, &result_.items.front());
    case Own::doubt:
    case Own::none:
      return;
  }
}

// It was refused, or not answered in time. `again`: it may be answered yet.
void WebappCore::drop_own(bool again) {
  const auto own = std::exchange(own_, Own::none);
  if (own == Own::changes) stock_.not_answered();
  if (own == Own::item) copy_.on_item(own_item_, nullptr);
  if (own == Own::doubt && again) stock_.doubt_again(own_item_);
}

// True: the question was this webapp's own.
bool WebappCore::drop_if_own(const ClientToken& client, bool again) {
  if (asks_for_ends(client)) {
    desk_->ends().not_answered();
    return true;
  }
  if (!is_own(client)) return false;
  drop_own(again);
  return true;
}

void WebappCore::limit_rates(std::shared_ptr<RateLimits> rates) {
  rates_ = std::move(rates);
  counted_ = 0;
  be_alert();
}

// After whatever may change it.
void WebappCore::be_alert() {
  closely_ = draining_ || orders_refused_ || rates_ != nullptr || desk_ != nullptr;
  alert_ = closely_ || stock_.any();
  if (stock_.on() && !stock_.marked(nothing_left_)) nothing_left_ = kNoItem;
}

// --- time ---------------------------------------------------------------------------------------

void WebappCore::on_tick(std::int64_t now_us) {
  results_.expire(now_us);
  sender_.check_silence(now_us);
  ask_own(now_us);
  ask_for_ends(now_us);
  if (table_.entries() == 0) return;
  if (now_us >= table_.next_deadline_us()) pass_deadlines(now_us);
  sender_.on_tick(now_us);
}

void WebappCore::drain() {
  draining_ = true;  // from now on detached orders have deadlines too
  be_alert();
  sender_.for_each([this](OutgoingBatch& batch) { table_.look_again(batch.content); });
}

void WebappCore::refuse_orders(bool refuse) {
  orders_refused_ = refuse;
  be_alert();
}

void WebappCore::pass_deadlines(std::int64_t now_us) {
  table_.begin_pass();
  sender_.for_each([&](OutgoingBatch& batch) {
    table_.pass(batch.content, now_us, draining_,
                [&](Waiter& waiter) { pass_deadline(batch, waiter, now_us); });
  });
  drop_abandoned(now_us);
}

void WebappCore::pass_deadline(OutgoingBatch& batch, Waiter& waiter, std::int64_t now_us) {
  auto& content = batch.content;
  const auto id = content.id(waiter);
  if (drop_if_own(waiter.client, true)) return table_.finish(content, waiter);
  if (waiter.mode == WaitMode::detach_at_deadline && !waiter.detached && !draining_) {
    replies_.queued(waiter.client, id);
    return WaitingTable::detach(content, waiter);
  }
  auto code = unavailable();
  if (code == Code::none) code = batch.refused;
  if (code == Code::none) code = Code::deadline_passed;
  const auto as = batch_refusal(code);
  if (waiter.array) return refuse_array(content, waiter, as, now_us);
  if (!waiter.detached) replies_.refuse(waiter.client, id, as.code, as.field);
  if (waiter.mode != WaitMode::deadline) results_.forget(id);
  finish(content, waiter, now_us);
}

// Batches nobody waits for any more leave the table; of those that are not under way and hold only
// detached orders beside finished ones, the orders are kept in a batch of their own.
void WebappCore::drop_abandoned(std::int64_t now_us) {
  const auto abandoned = [](const OutgoingBatch& batch) {
    const auto& content = batch.content;
    if (content.open() == 0) return true;
    return !batch.in_flight && !batch.delayed && content.open() == content.detached() &&
           content.open() * std::size_t{2} <= content.waiters().size();
  };
  sender_.remove_if(abandoned, [&](OutgoingBatchPtr batch) { retire(std::move(batch), now_us); });
}

}  // namespace stampede::actors
