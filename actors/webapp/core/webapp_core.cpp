#include "actors/webapp/core/webapp_core.h"

#include <algorithm>
#include <cstring>

#include "actors/webapp/core/webapp_batch.h"
#include "config/faults/mutation.h"
#include "config/process/invariant.h"

namespace stampede::actors {

namespace {

constexpr std::size_t kRowBytes = kItemNameBytesMax + 80;
constexpr std::size_t kBatchAnswerBytesMax = 1'400'000;  // a result must fit a 2 MiB message
constexpr std::uint64_t kOpenRowsMax = 64 * kItemsPageMax;
constexpr std::int64_t kRetryDetachedUs = 200'000;
constexpr std::size_t kSpareBatchesMax = 32;

static_assert(kItemsPageMax * kRowBytes < kBatchAnswerBytesMax, "a full page must fit a batch");
static_assert(kBatchEntries * kAnswerBytes < kBatchAnswerBytesMax, "a batch of answers must fit");

RequestKind kind_of(ClientOp op) {
  switch (op) {
    case ClientOp::order:
      return RequestKind::order;
    case ClientOp::get:
      return RequestKind::get;
    default:
      return RequestKind::items;
  }
}

// The batch was not looked at: it may be tried again as it is.
bool backend_absent(Code code) {
  return code == Code::replaying || code == Code::draining || code == Code::no_backend;
}

// A detached order goes on trying after these.
bool passing(Code code) {
  return backend_absent(code) || code == Code::overloaded || code == Code::log_unavailable;
}

}  // namespace

MintedId minted_id(const std::array<std::uint64_t, 2>& bits) {
  MintedId text;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto nibble = (bits[i / 16] >> (4 * (i % 16))) & 15U;
    text[i] = "0123456789abcdef"[nibble];
  }
  return text;
}

ClientToken ClientToken::router(Kind kind, std::string_view identity) {
  STAMPEDE_ASSERT(identity.size() <= kIdentityBytesMax, "an identity must fit a token");
  ClientToken token;
  token.kind = kind;
  token.size = static_cast<std::uint8_t>(identity.size());
  std::copy(identity.begin(), identity.end(), token.bytes.begin());
  return token;
}

ClientToken ClientToken::numbered(Kind kind, std::uint64_t number) {
  ClientToken token;
  token.kind = kind;
  token.size = sizeof number;
  std::memcpy(token.bytes.data(), &number, sizeof number);
  return token;
}

std::uint64_t ClientToken::number() const {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

WebappCore::WebappCore(const WebappSettings& settings, WebappOutput& output, Mint mint)
    : settings_(settings),
      output_(output),
      mint_(std::move(mint)),
      results_(settings.result_ttl_us, settings.results_max),
      next_deadline_us_(kNever) {}

WebappCore::~WebappCore() = default;

// --- taking requests ----------------------------------------------------------------------------

void WebappCore::on_request(const ClientAsk& ask, std::int64_t now_us) {
  if (ask.client.kind != ClientToken::Kind::internal) ++counters_.requests;
  if (reply_from_memory(ask)) return;
  const auto& request = ask.request;
  if (const auto code = admission(request); code != Code::none)
    return refuse(ask.client, request.id, code);
  if (request.op == ClientOp::order && request.id.empty()) {
    const auto minted = minted_id(mint_());
    return enqueue(ask, {minted.data(), minted.size()}, now_us);
  }
  enqueue(ask, request.id, now_us);
}

void WebappCore::on_malformed(const ClientToken& client, const Refusal& refusal) {
  ++counters_.requests;
  refuse(client, refusal.id, refusal.code, refusal.field);
}

// `more`: entries that are taken already and not yet counted in held_.
Code WebappCore::admission(const ClientRequest& request, std::uint64_t more) const {
  if (draining_) return Code::draining;
  if (held_ + more >= settings_.waiting_max) return Code::overloaded;
  if (request.op == ClientOp::items && item_rows_open_ >= kOpenRowsMax) return Code::overloaded;
  return Code::none;
}

bool WebappCore::reply_from_memory(const ClientAsk& ask) {
  Reply reply;
  reply.id = ask.request.id;
  if (ask.request.op == ClientOp::ping) {
    reply.kind = ReplyKind::pong;
    reply.state = state();
    output_.reply(ask.client, reply);
    return true;
  }
  if (ask.request.op != ClientOp::get || ask.client.kind != ClientToken::Kind::http) return false;
  const auto* known = results_.find(ask.request.id);
  if (known == nullptr || (!known->queued && !ask.cached)) return false;
  if (known->code != Code::none) {
    refuse(ask.client, ask.request.id, known->code);
    return true;
  }
  reply.kind = known->queued ? ReplyKind::queued : ReplyKind::answer;
  reply.answer = &known->answer;
  output_.reply(ask.client, reply);
  return true;
}

WebappCore::BatchPtr WebappCore::new_batch() {
  if (spare_.empty()) return std::make_unique<Batch>();
  auto batch = std::move(spare_.back());
  spare_.pop_back();
  return batch;
}

void WebappCore::close_building() {
  unsent_.push_back(std::move(building_));
}

// The batch that takes `entries` more, which are not torn apart.
WebappCore::Batch& WebappCore::building_for(std::size_t entries, std::size_t answer_bytes) {
  constexpr std::size_t kLargestEntry = kRequestIdBytesMax + kUserBytesMax + 32;
  static_assert(kSf1BatchOrdersMax * kLargestEntry < kBatchBytesMax, "an array must fit a batch");
  const auto room =
      hello_.window == 0 ? kBatchEntries : std::min<std::uint64_t>(kBatchEntries, hello_.window);
  if (building_ && !building_->waiters.empty() &&
      (building_->count() + entries > room ||
       building_->body.size() + entries * kLargestEntry > kBatchBytesMax ||
       building_->answer_bytes + answer_bytes > kBatchAnswerBytesMax))
    close_building();
  if (!building_) building_ = new_batch();
  return *building_;
}

void WebappCore::enqueue(const ClientAsk& ask, std::string_view id, std::int64_t now_us) {
  const auto& request = ask.request;
  Waiter waiter;
  waiter.client = ask.client;
  waiter.kind = kind_of(request.op);
  waiter.mode = ask.mode;
  waiter.deadline_us = now_us + request.deadline_ms * 1000;
  if (waiter.kind == RequestKind::items) waiter.rows = request.one_item ? 1 : request.limit;
  const auto answer_bytes = kAnswerBytes + waiter.rows * kRowBytes;

  Batch& batch = building_for(1, answer_bytes);
  batch.answer_bytes += answer_bytes;
  waiter.first = batch.count();
  append_entry(batch, waiter, ask, id);
  item_rows_open_ += waiter.rows;
  admit(batch, waiter);
  say_queued(batch, batch.waiters.back(), request.ack);
}

// Takes a waiter whose entries are in the batch.
void WebappCore::admit(Batch& batch, const Waiter& waiter) {
  held_ += waiter.count;
  ++batch.open;
  batch.waiters.push_back(waiter);
  if (waiter.mode == WaitMode::detach_now) return;
  batch.earliest_us = std::min(batch.earliest_us, waiter.deadline_us);
  next_deadline_us_ = std::min(next_deadline_us_, waiter.deadline_us);
}

void WebappCore::append_entry(Batch& batch, Waiter& waiter, const ClientAsk& ask,
                              std::string_view id) {
  const auto& request = ask.request;
  Request entry;
  entry.kind = waiter.kind;
  entry.id = id;
  entry.item = request.item;
  entry.user = ask.user_is_id ? id : request.user;
  entry.qty =
      waiter.kind == RequestKind::items ? (request.one_item ? 0 : request.limit) : request.qty;
  batch.begin_entry();
  append_request(batch.body, entry);
  if (waiter.kind != RequestKind::items) return;
  waiter.items_id_at = static_cast<std::uint32_t>(batch.texts.size());
  waiter.items_id_size = static_cast<std::uint8_t>(id.size());
  batch.texts.append(id);
}

void WebappCore::say_queued(Batch& batch, Waiter& waiter, bool ack) {
  if (waiter.mode != WaitMode::deadline) results_.queued(batch.id(waiter));
  const bool detach = waiter.mode == WaitMode::detach_now;
  if (!detach && !(ack && waiter.client.kind == ClientToken::Kind::dealer)) return;
  Reply reply;
  reply.kind = ReplyKind::queued;
  reply.id = batch.id(waiter);
  output_.reply(waiter.client, reply);
  if (!detach) return;
  waiter.detached = true;
  ++batch.detached;
}

// --- answers ------------------------------------------------------------------------------------

WebappCore::Batch* WebappCore::find(const BatchHead& head) {
  const auto found = head.sender == settings_.instance ? sent_.find(head.number) : sent_.end();
  if (found != sent_.end()) return found->second.get();
  ++counters_.results_ignored;
  return nullptr;
}

void WebappCore::on_result(const BatchHead& head, std::string_view body, std::int64_t now_us) {
  if (head.epoch < epoch_ && !config::mutation("webapp_takes_stale_epoch")) {
    ++counters_.results_ignored;
    return;
  }
  Batch* batch = find(head);
  if (batch == nullptr) return;
  epoch_ = head.epoch;
  reader_.open(body);
  if (take_all(*batch, now_us))
    retire(head.number, now_us);
  else
    ++counters_.results_malformed;  // what was not answered is asked again
}

// Answers the waiters from the result that reader_ has opened. False: it breaks off.
bool WebappCore::take_all(Batch& batch, std::int64_t now_us) {
  for (auto& waiter : batch.waiters) {
    if (waiter.done) {
      if (!skip_late(waiter)) return false;
    } else if (waiter.array) {
      if (!take_array(batch, waiter)) return false;
    } else {
      if (!reader_.next(result_)) return false;
      take(batch, waiter, result_, now_us);
    }
  }
  return true;
}

bool WebappCore::skip_late(const Waiter& waiter) {
  for (auto left = waiter.count; left > 0; --left)
    if (!reader_.next(result_)) return false;
  counters_.answers_late += waiter.count;
  return true;
}

void WebappCore::take(Batch& batch, Waiter& waiter, const Result& result, std::int64_t now_us) {
  const bool wants_items = waiter.kind == RequestKind::items;
  const bool fits =
      wants_items ? result.kind == ResultKind::items
                  : result.kind == ResultKind::answer && result.answer.state != State::invalid;
  if (!fits) {
    if (result.kind != ResultKind::error) ++counters_.results_malformed;
    const auto code = result.kind == ResultKind::error ? result.code : Code::internal;
    return take_error(batch, waiter, code, result.field, now_us);
  }
  if (wants_items && waiter.rows == 1 && result.items.empty())
    return take_error(batch, waiter, Code::unknown_item, {}, now_us);
  count_decision(waiter.kind, result.answer);
  Reply reply;
  reply.kind = wants_items ? ReplyKind::items : ReplyKind::answer;
  reply.id = batch.id(waiter);
  reply.answer = &result.answer;
  reply.items = &result.items;
  reply.next = result.next;
  if (!waiter.detached) output_.reply(waiter.client, reply);
  if (waiter.mode != WaitMode::deadline)
    results_.settle(reply.id, CachedResult{false, result.answer, Code::none}, now_us);
  finish(batch, waiter);
}

void WebappCore::count_decision(RequestKind kind, const Answer& answer) {
  ++answered_;
  if (kind != RequestKind::order) return;
  if (answer.state == State::confirmed)
    ++counters_.confirmed;
  else if (answer.reason == RejectReason::sold_out)
    ++counters_.sold_out;
  else if (answer.reason == RejectReason::limit_reached)
    ++counters_.limit_reached;
}

void WebappCore::take_error(Batch& batch, Waiter& waiter, Code code, std::string_view field,
                            std::int64_t now_us) {
  ++answered_;
  if (waiter.detached && passing(code)) return;  // stays open: retire() keeps it
  const auto id = batch.id(waiter);
  if (!waiter.detached) refuse(waiter.client, id, code, field);
  if (waiter.mode != WaitMode::deadline) {
    if (passing(code))
      results_.forget(id);
    else
      results_.settle(id, CachedResult{false, {}, code}, now_us);
  }
  finish(batch, waiter);
}

void WebappCore::finish(Batch& batch, Waiter& waiter) {
  waiter.done = true;
  --batch.open;
  if (waiter.detached) --batch.detached;
  item_rows_open_ -= waiter.rows;
}

void WebappCore::refuse(const ClientToken& client, std::string_view id, Code code,
                        std::string_view field) {
  const auto number = static_cast<std::size_t>(code);
  if (client.kind != ClientToken::Kind::internal && number < counters_.refused.size())
    ++counters_.refused[number];
  Reply reply;
  reply.kind = ReplyKind::refused;
  reply.id = id;
  reply.code = info(code).code;  // a number nobody knows reads `internal`
  reply.field = field;
  output_.reply(client, reply);
}

void WebappCore::on_refusal(const BatchHead& head, Code code, std::int64_t now_us) {
  Batch* batch = find(head);
  if (batch == nullptr) return;
  // Its clients wait on, until their deadlines. `overloaded` for a repeat may mean no more than
  // that its first copy still takes the room.
  if (backend_absent(code) || (code == Code::overloaded && batch->attempts > 1)) {
    land(*batch);
    batch->refused = code;
    batch->sent_us = now_us;
    return;
  }
  for (auto& waiter : batch->waiters) {
    if (waiter.done) continue;
    if (waiter.array)
      refuse_array(*batch, waiter, code);
    else
      take_error(*batch, waiter, code, {}, now_us);
  }
  retire(head.number, now_us);
}

// Takes an answered batch out of the table; detached orders that were refused are tried again.
void WebappCore::retire(std::uint64_t number, std::int64_t now_us) {
  auto node = sent_.extract(number);
  if (node.mapped()->open > 0) keep_detached(*node.mapped(), now_us + kRetryDetachedUs);
  release(std::move(node.mapped()));
}

// Copies the open detached orders of a batch that goes away into one of their own.
void WebappCore::keep_detached(const Batch& from, std::int64_t not_before_us) {
  auto batch = new_batch();
  batch->not_before_us = not_before_us;
  for (auto waiter : from.waiters) {
    if (waiter.done) continue;
    STAMPEDE_ASSERT(waiter.detached, "only a detached order outlives its batch");
    const auto entry = from.entry(waiter.first);
    waiter.first = batch->count();
    batch->begin_entry();
    batch->body.append(entry);
    batch->waiters.push_back(waiter);
    batch->answer_bytes += kAnswerBytes;
  }
  batch->open = batch->detached = batch->count();
  held_ += batch->count();
  delayed_.push_back(std::move(batch));
}

void WebappCore::release(BatchPtr batch) {
  land(*batch);
  if (batch->repeat) --repeats_;
  STAMPEDE_ASSERT(held_ >= batch->count(), "more entries leave the waiting table than came in");
  held_ -= batch->count();
  for (const auto& waiter : batch->waiters)
    if (!waiter.done) item_rows_open_ -= waiter.rows;
  if (spare_.size() >= kSpareBatchesMax || batch->body.capacity() > 2 * kBatchBytesMax) return;
  batch->clear();
  spare_.push_back(std::move(batch));
}

}  // namespace stampede::actors
