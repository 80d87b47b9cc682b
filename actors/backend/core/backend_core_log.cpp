// What BackendCore writes into the log: decisions and outcomes as records, appends as pieces.

#include <utility>

#include "actors/backend/core/backend_core.h"

namespace stampede::actors {

using storage::RecordType;

void BackendCore::begin_record(RecordType type) {
  if (!current_) current_ = std::make_shared<Append>();
  record_begin_ = storage::begin_record(records_, type);
}

void BackendCore::end_record() {
  storage::end_record(records_, record_begin_);
  ++current_->count;
}

void BackendCore::note_amount(const OrderDecision& decision, Lsn lsn) {
  const auto item = decision.answer.item;
  const auto amount = *decision.answer.left;
  if (!changes_.empty() && changes_.back().item == item) {
    changes_.back().last = lsn;
    changes_.back().amount = amount;
  } else {
    auto& change = changes_.emplace_back();
    change.item = item;
    change.position = decision.item_position;
    change.first = change.last = lsn;
    change.amount = amount;
  }
}

void BackendCore::log_confirmed(const Request& request, const OrderDecision& decision,
                                std::int64_t now_us, Lsn lsn) {
  begin_record(RecordType::emit);
  storage::encode_order_set(
      records_,
      {request.id, request.item, request.user, request.qty, decision.unit_price_cents, now_us},
      {request.item, *decision.answer.left});
  end_record();
  if (current_->decisions++ == 0) current_->first_lsn = lsn;
  current_->last_lsn = lsn;
  ++current_->inserts;
  note_amount(decision, lsn);
}

void BackendCore::log_rejected(const OrderDecision& decision, Lsn lsn) {
  begin_record(RecordType::reject);
  storage::encode_rejection(records_,
                            {decision.request_hash, decision.content_hash, decision.answer.item,
                             decision.answer.qty, decision.answer.reason});
  end_record();
  if (current_->decisions++ == 0) current_->first_lsn = lsn;
  current_->last_lsn = lsn;
}

void BackendCore::log_item(const ItemDecision& decision, Lsn lsn) {
  begin_record(RecordType::emit);
  const auto& put = decision.put;
  storage::encode_item_set(records_, put, {put.item, decision.amount});
  end_record();
  if (current_->decisions++ == 0) current_->first_lsn = lsn;
  current_->last_lsn = lsn;
  auto& change = changes_.emplace_back();
  change.item = put.item;
  change.position = decision.item_position;
  change.first = change.last = lsn;
  change.amount = decision.amount;
  change.put = item_details(put, lsn);
}

void BackendCore::log_outcomes() {
  for (const auto& record : outcomes_) {
    begin_record(record.type);
    storage::encode_outcome(records_, record.outcome);
    end_record();
  }
  outcomes_.clear();
}

void BackendCore::close_append(Effects& effects) {
  if (!current_) return;
  if (current_->decisions == 0) current_->first_lsn = last_lsn_ + 1;
  auto& memory = current_->inserts > 0 ? owed_records_ : passing_records_;
  current_->keep(memory.keep(records_));
  records_.clear();
  effects.appends.push_back(current_);
  if (spare_changes_.empty()) spare_changes_.emplace_back();
  in_log_.push_back(
      {std::move(current_), std::exchange(changes_, std::move(spare_changes_.back()))});
  spare_changes_.pop_back();
}

void BackendCore::flush(Effects& effects) {
  log_outcomes();
  close_append(effects);
}

}  // namespace stampede::actors
