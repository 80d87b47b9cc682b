#include "actors/webapp/core/waiting_table.h"

#include <utility>

#include "config/process/invariant.h"

namespace stampede::actors {

namespace {

RequestKind kind_of(ClientOp op) {
  if (op == ClientOp::order) return RequestKind::order;
  switch (op) {
    case ClientOp::get:
      return RequestKind::get;
    case ClientOp::pay:
      return RequestKind::pay;
    case ClientOp::cancel:
      return RequestKind::cancel;
    case ClientOp::changes:
      return RequestKind::changes;
    case ClientOp::ticket:
      return RequestKind::ticket;
    case ClientOp::keep_session:
      return RequestKind::session;
    case ClientOp::ended_sessions:
      return RequestKind::ended_sessions;
    default:
      return RequestKind::items;
  }
}

// As it is asked of the backend.
Request request_of(const ClientAsk& ask, RequestKind kind, std::string_view id) {
  const auto& asked = ask.request;
  Request request;
  request.kind = kind;
  request.id = id;
  request.item = asked.item;
  request.user = ask.user_is_id ? id : asked.user;
  request.qty = asked.qty;
  request.promo = asked.promo;
  request.valid_until_ms = asked.valid_until_ms;
  request.ticket_ms = asked.ticket_ms;
  if (kind == RequestKind::order) return request;
  if (kind == RequestKind::get && !ask.by_user) request.user = {};
  if (kind == RequestKind::pay || kind == RequestKind::cancel) {
    request.order = asked.order;
    request.amount_cents = asked.amount_cents;
  }
  if (kind == RequestKind::items) request.qty = asked.one_item ? 0 : asked.limit;
  if (kind == RequestKind::changes || kind == RequestKind::ended_sessions)
    request.qty = asked.limit;
  return request;
}

}  // namespace

// --- one batch ----------------------------------------------------------------------------------

Waiter WaitingBatch::begin_array(const ClientToken& client) const {
  Waiter waiter;
  waiter.client = client;
  waiter.kind = RequestKind::order;
  waiter.array = true;
  waiter.first = requests_.count();
  waiter.count = 0;
  waiter.faults_at = static_cast<std::uint32_t>(faults_.size());
  return waiter;
}

void WaitingBatch::append_fault(Waiter& array, std::uint32_t index, const Refusal& refusal) {
  faults_.push_back({index, refusal.code, refusal.field, static_cast<std::uint32_t>(texts_.size()),
                     static_cast<std::uint8_t>(refusal.id.size()), refusal.retry_after_ms});
  texts_.append(refusal.id);
  ++array.faults;
}

void WaitingBatch::cut_back(const End& end) {
  requests_.cut_back(end.requests);
  texts_.resize(end.texts);
  faults_.resize(end.faults);
}

void WaitingBatch::clear() {
  requests_.clear();
  texts_.clear();
  waiters_.clear();
  faults_.clear();
  open_ = detached_ = 0;
  earliest_us_ = kNever;
}

// --- all of them --------------------------------------------------------------------------------

Waiter& WaitingTable::add(WaitingBatch& batch, const ClientAsk& ask, std::string_view id,
                          std::int64_t now_us) {
  auto& waiter = batch.waiters_.emplace_back();
  waiter.client = ask.client;
  waiter.slot = client_slot(ask.client);
  waiter.kind = kind_of(ask.request.op);
  waiter.mode = ask.mode;
  waiter.deadline_us = now_us + ask.request.deadline_ms * 1000;
  waiter.asked_us = now_us;
  waiter.first = batch.requests_.count();
  waiter.rows = rows(ask.request);
  waiter.one_item = waiter.kind == RequestKind::items && ask.request.one_item;
  batch.requests_.append(request_of(ask, waiter.kind, id), answer_bytes_max(waiter.rows));
  if (waiter.kind == RequestKind::items) {
    waiter.items_id_at = static_cast<std::uint32_t>(batch.texts_.size());
    waiter.items_id_size = static_cast<std::uint8_t>(id.size());
    batch.texts_.append(id);
  }
  count(batch, waiter);
  return waiter;
}

void WaitingTable::add(WaitingBatch& batch, const Waiter& array) {
  auto& waiter = batch.waiters_.emplace_back(array);
  waiter.slot = client_slot(array.client);
  count(batch, waiter);
}

void WaitingTable::count(WaitingBatch& batch, const Waiter& waiter) {
  entries_ += waiter.count;
  take(waiter);
  ++batch.open_;
  if (waiter.mode == WaitMode::detach_now) return;
  batch.earliest_us_ = std::min(batch.earliest_us_, waiter.deadline_us);
  next_deadline_us_ = std::min(next_deadline_us_, waiter.deadline_us);
}

void WaitingTable::move_detached(const WaitingBatch& from, WaitingBatch& to) {
  for (auto waiter : from.waiters_) {
    if (waiter.done) continue;
    STAMPEDE_ASSERT(waiter.detached, "only a detached order outlives its batch");
    const auto position = std::exchange(waiter.first, to.requests_.count());
    to.requests_.append_copy(from.requests_, position);
    take(waiter);
    to.waiters_.push_back(waiter);
  }
  to.open_ = to.detached_ = to.requests_.count();
  entries_ += to.requests_.count();
}

void WaitingTable::remove(const WaitingBatch& batch) {
  const auto count = batch.requests_.count();
  STAMPEDE_ASSERT(entries_ >= count, "more entries leave the waiting table than came in");
  entries_ -= count;
  if (batch.open_ == 0) return;
  for (const auto& waiter : batch.waiters_)
    if (!waiter.done) give_back(waiter);
}

}  // namespace stampede::actors
