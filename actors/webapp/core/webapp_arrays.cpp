// Arrays of orders in WebappCore: one frame, one waiter, one array of answers.

#include <algorithm>

#include "actors/webapp/core/webapp_batch.h"

namespace stampede::actors {

void WebappCore::on_orders(const ClientToken& client, Sf1Decoder& orders, std::int64_t now_us) {
  const auto entries = orders.unread();
  Batch& batch = building_for(entries, entries * kAnswerBytes);
  const auto end = batch.end();
  Waiter waiter;
  waiter.client = client;
  waiter.kind = RequestKind::order;
  waiter.array = true;
  waiter.first = batch.count();
  waiter.count = 0;
  waiter.faults_at = static_cast<std::uint32_t>(batch.faults.size());
  if (!read_array(batch, waiter, orders, now_us)) {
    batch.cut_back(end);
    return on_malformed(client, orders.refusal());
  }
  counters_.requests += entries;
  if (waiter.count > 0) {
    batch.answer_bytes += waiter.count * kAnswerBytes;
    return admit(batch, waiter);
  }
  answer_array(batch, waiter, [](std::size_t) { return false; });
  batch.cut_back(end);
}

// Reads the orders straight into the batch. False: the frame is damaged, and what was read of it is
// to be taken out again.
bool WebappCore::read_array(Batch& batch, Waiter& waiter, Sf1Decoder& orders, std::int64_t now_us) {
  Request entry;
  entry.kind = RequestKind::order;
  const auto entries = orders.unread();
  for (std::uint32_t index = 0; index < entries; ++index) {
    const auto found = orders.next_entry();
    if (found == Sf1Decoder::Entry::damaged) return false;
    const auto& request = orders.request();
    const auto code = found == Sf1Decoder::Entry::order ? admission(request, waiter.count)
                                                        : orders.refusal().code;
    if (code != Code::none) {
      const auto field = found == Sf1Decoder::Entry::order ? "" : orders.refusal().field;
      batch.add_fault(index, Refusal{code, request.id, field});
      ++waiter.faults;
      continue;
    }
    MintedId minted;
    entry.id = request.id;
    if (entry.id.empty()) minted = minted_id(mint_()), entry.id = {minted.data(), minted.size()};
    entry.item = request.item;
    entry.user = request.user;
    entry.qty = request.qty;
    batch.begin_entry();
    append_request(batch.body, entry);
    ++waiter.count;
    waiter.deadline_us = std::max(waiter.deadline_us, now_us + request.deadline_ms * 1000);
  }
  return true;
}

// Answers every entry in its place: what was refused here, and what answer_entry(position) says of
// the others. False: answer_entry was, and nothing left.
template <class F>
bool WebappCore::answer_array(const Batch& batch, const Waiter& waiter, F&& answer_entry) {
  const auto entries = waiter.count + waiter.faults;
  const auto faults_end = waiter.faults_at + waiter.faults;
  auto fault = waiter.faults_at;
  std::size_t position = waiter.first;
  output_.open_array(waiter.client, entries);
  for (std::uint32_t index = 0; index < entries; ++index) {
    if (fault < faults_end && batch.faults[fault].index == index) {
      const auto& refused = batch.faults[fault++];
      const auto id = std::string_view(batch.texts).substr(refused.id_at, refused.id_size);
      refuse(waiter.client, id, refused.code, refused.field);
    } else if (!answer_entry(position++)) {
      output_.drop_array();
      return false;
    }
  }
  output_.close_array(waiter.client);
  return true;
}

// Answers an array from the result at hand. False: the result breaks off.
bool WebappCore::take_array(Batch& batch, Waiter& waiter) {
  Reply reply;
  reply.kind = ReplyKind::answer;
  reply.answer = &result_.answer;
  const bool whole = answer_array(batch, waiter, [&](std::size_t position) {
    if (!reader_.next(result_)) return false;
    if (result_.kind == ResultKind::answer && result_.answer.state != State::invalid) {
      count_decision(RequestKind::order, result_.answer);
      reply.id = batch.id_at(position);
      output_.reply(waiter.client, reply);
      return true;
    }
    ++answered_;
    const bool error = result_.kind == ResultKind::error;
    if (!error) ++counters_.results_malformed;
    refuse(waiter.client, batch.id_at(position), error ? result_.code : Code::internal,
           error ? result_.field : std::string_view{});
    return true;
  });
  if (whole) finish(batch, waiter);
  return whole;
}

void WebappCore::refuse_array(Batch& batch, Waiter& waiter, Code code) {
  answer_array(batch, waiter, [&](std::size_t position) {
    refuse(waiter.client, batch.id_at(position), code);
    return true;
  });
  answered_ += waiter.count;
  finish(batch, waiter);
}

}  // namespace stampede::actors
