#include "actors/backend/core/append_builder.h"

#include <algorithm>

#include "storage/commands/sale_terms.h"

namespace stampede::actors {

using storage::FeatureLevel;
using storage::RecordType;

void AppendBuilder::begin_record(RecordType type, FeatureLevel needed) {
  if (!append_) append_ = std::make_shared<Append>();
  level_ = std::max(level_, needed);
  record_begin_ = storage::begin_record(records_, type);
}

void AppendBuilder::end_record() {
  storage::end_record(records_, record_begin_);
  ++append_->count;
}

void AppendBuilder::count_decision(Lsn lsn) {
  if (append_->decisions++ == 0) append_->first_lsn = lsn;
  append_->last_lsn = lsn;
}

void AppendBuilder::note_amount(std::uint64_t item, std::uint32_t position, std::int64_t amount,
                                Lsn lsn) {
  if (!changes_.empty() && changes_.back().item == item) {
    changes_.back().last = lsn;
    changes_.back().amount = amount;
  } else {
    auto& change = changes_.emplace_back();
    change.item = item;
    change.position = position;
    change.first = change.last = lsn;
    change.amount = amount;
  }
}

void AppendBuilder::add_confirmed(const Request& request, const OrderDecision& decision,
                                  std::int64_t now_us, Lsn lsn) {
  const bool sale = decision.promo != kNoNumber || decision.pay_by_ms != 0;
  begin_record(RecordType::emit, sale ? FeatureLevel::sale : FeatureLevel::format_1);
  const storage::OrderInsert insert{
      request.id, request.item, request.user, request.qty, decision.answer.unit_price_cents,
      now_us};
  const storage::ItemAmountUpdate amount{request.item, *decision.answer.left};
  if (sale)
    storage::encode_order_set(
        records_, insert, amount,
        {.promo = decision.promo, .pay_by_ms = decision.pay_by_ms, .counted = decision.counted});
  else
    storage::encode_order_set(records_, insert, amount, format_of(level_));
  end_record();
  count_decision(lsn);
  ++append_->inserts;
  note_amount(request.item, decision.item_position, *decision.answer.left, lsn);
}

void AppendBuilder::add_rejected(const OrderDecision& decision, std::int64_t now_us, Lsn lsn) {
  const bool promo = decision.promo != kNoNumber;
  // Format 2 for the user's hash.
  begin_record(RecordType::reject, promo ? FeatureLevel::sale : FeatureLevel::format_2);
  storage::Rejection rejection{decision.request_hash, decision.content_hash,  decision.answer.item,
                               decision.answer.qty,   decision.answer.reason, decision.user_hash};
  if (promo) {
    rejection.promo = decision.promo;
    rejection.decided_at_us = now_us;
  }
  storage::encode_rejection(records_, rejection);
  end_record();
  count_decision(lsn);
}

void AppendBuilder::add_item(const ItemDecision& decision, Lsn lsn) {
  const bool journalled = decision.stock.delta != 0;
  const bool sale = journalled || storage::sale_terms(decision.sale) > 0;
  begin_record(RecordType::emit, sale ? FeatureLevel::sale : FeatureLevel::format_1);
  const auto& put = decision.put;
  const storage::ItemAmountUpdate amount{put.item, decision.amount};
  payload_.clear();
  if (sale)
    storage::encode_item_set(payload_, put, amount, decision.sale,
                             journalled ? &decision.stock : nullptr);
  else
    storage::encode_item_set(payload_, put, amount, format_of(level_));
  records_.append(payload_);
  end_record();
  count_decision(lsn);
  auto& change = changes_.emplace_back();
  change.item = put.item;
  change.position = decision.item_position;
  change.first = change.last = lsn;
  change.amount = decision.amount;
  change.put = item_details(put, decision.sale, lsn);
  if (journalled) append_->stock.push_back({lsn, decision.stock});
}

void AppendBuilder::add_promo(const PromoDecision& decision, Lsn lsn) {
  begin_record(RecordType::emit, FeatureLevel::sale);
  payload_.clear();
  storage::encode_promo_set(payload_, decision.put);
  records_.append(payload_);
  end_record();
  count_decision(lsn);
  append_->promos.push_back(promo_change(decision.put, lsn));
}

// What a promo has given so far stands for what it had given before.
void AppendBuilder::add_grant(const storage::TicketGrant& grant, Lsn lsn) {
  begin_record(RecordType::emit, FeatureLevel::sale);
  storage::encode_grant_set(records_, grant);
  end_record();
  count_decision(lsn);
  auto& grants = append_->grants;
  if (grants.empty() || grants.back().promo != grant.promo) {
    grants.push_back(grant_change(grant, lsn));
    return;
  }
  grants.back().last = lsn;
  grants.back().granted = grant.granted;
}

void AppendBuilder::add_session(const SessionChange& change, Lsn lsn) {
  begin_record(RecordType::revoke, storage::level_of(RecordType::revoke));
  payload_.clear();
  const std::string_view hash(reinterpret_cast<const char*>(change.session.data()),
                              sizeof change.session);
  storage::encode_control(payload_, storage::RevokeRecord{hash, change.user, change.until_ms,
                                                          static_cast<std::uint32_t>(change.what),
                                                          change.decided_at_us});
  records_.append(payload_);
  end_record();
  count_decision(lsn);
}

void AppendBuilder::add_fulfilment(const FulfilmentDecision& decision, Lsn lsn) {
  begin_record(RecordType::emit, FeatureLevel::sale);
  payload_.clear();
  const storage::ItemAmountUpdate amount{decision.update.item, decision.amount};
  if (decision.moved == 0)
    storage::encode_update_set(payload_, decision.update);
  else
    storage::encode_update_set(payload_, decision.update, amount, decision.stock);
  records_.append(payload_);
  end_record();
  count_decision(lsn);
  append_->updates.push_back(order_change(decision.update, lsn));
  if (decision.moved == 0) return;
  append_->stock.push_back({lsn, decision.stock});
  note_amount(decision.update.item, decision.item_position, decision.amount, lsn);
}

void AppendBuilder::add_outcome(const OutcomeRecord& record) {
  const bool tried = record.type == RecordType::fail;  // and says how often
  const auto level = std::max(tried ? FeatureLevel::format_2 : FeatureLevel::format_1,
                              storage::level_of(record.outcome.kind));
  begin_record(record.type, level);
  payload_.clear();
  storage::encode_outcome(payload_, record.outcome);
  records_.append(payload_);
  end_record();
}

AppendBuilder::Built AppendBuilder::close(Lsn next) {
  if (append_->decisions == 0) append_->first_lsn = next;
  append_->level = level_;
  append_->keep((append_->inserts > 0 ? owed_records_ : passing_records_).keep(records_.view()));
  records_.clear();
  if (spare_changes_.empty()) spare_changes_.emplace_back();
  Built built{std::move(append_), std::exchange(changes_, std::move(spare_changes_.back()))};
  spare_changes_.pop_back();
  return built;
}

void AppendBuilder::reuse(std::vector<ItemChange>&& changes) {
  changes.clear();
  spare_changes_.push_back(std::move(changes));
}

}  // namespace stampede::actors
