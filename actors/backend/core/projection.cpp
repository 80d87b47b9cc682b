#include "actors/backend/core/projection.h"

#include <algorithm>

#include "actors/memory/prefetch.h"
#include "config/process/invariant.h"
#include "storage/commands/sale_terms.h"

namespace stampede::actors {

using storage::CommandKind;
using storage::Outcome;
using storage::RecordType;

namespace {

// Positions of the commands in their sets: an order's set is {OrderInsert, ItemAmountUpdate}, an
// item change's {ItemPut, ItemAmountUpdate}, a promo's {PromoPut} or {TicketGrant}, that of what an
// order becomes {OrderUpdate} or {OrderUpdate, ItemAmountUpdate, StockChange}.
constexpr std::uint32_t position_of(CommandKind kind) {
  if (kind == CommandKind::stock_change) return 2;
  return kind == CommandKind::item_amount_update ? 1 : 0;
}

// One record holds so many numbers at most: a multiple of pairs and of triples, and at 9 bytes a
// number, with the tries of half of them, below the log's 64 KiB a record.
constexpr std::size_t kNumbersPerRecord = 4200;
static_assert(kNumbersPerRecord % 6 == 0);
static_assert(kNumbersPerRecord * 9 + kNumbersPerRecord / 2 * 9 + 64 <
              storage::kRecordPayloadBytesMax);

template <class T>
std::vector<T> part_of(const std::vector<T>& all, std::size_t from, std::size_t to) {
  return {all.begin() + static_cast<std::ptrdiff_t>(from),
          all.begin() + static_cast<std::ptrdiff_t>(to)};
}

void emit(std::vector<OutcomeRecord>& out, RecordType type, const Outcome& outcome) {
  for (std::size_t at = 0; at < outcome.numbers.size(); at += kNumbersPerRecord) {
    const auto end = std::min(outcome.numbers.size(), at + kNumbersPerRecord);
    Outcome part{outcome.lane, outcome.kind, outcome.position, part_of(outcome.numbers, at, end)};
    if (!outcome.tries.empty()) part.tries = part_of(outcome.tries, at / 2, end / 2);
    out.push_back({type, std::move(part)});
  }
}

// Merges `newer` into the `older` change of the same item.
void merge(ItemChange& older, const ItemChange& newer) {
  older.item = newer.item;
  older.position = newer.position;
  if (newer.last != 0) {
    STAMPEDE_ASSERT(newer.last >= older.last, "item changes are merged in lsn order");
    if (older.first == 0) older.first = newer.first;
    older.last = newer.last;
    older.amount = newer.amount;
  }
  if (!newer.put) return;
  if (older.put) {
    auto merged = std::make_shared<ItemDetails>(*newer.put);
    merged->first = older.put->first;
    older.put = std::move(merged);
  } else {
    older.put = newer.put;
  }
}

}  // namespace

std::shared_ptr<const ItemDetails> item_details(const storage::ItemPut& put,
                                                const storage::ItemSale& sale, Lsn lsn) {
  return std::make_shared<const ItemDetails>(
      ItemDetails{lsn, lsn, copy_of(put.terms), copy_of(sale)});
}

PromoChange promo_change(const storage::PromoPut& put, Lsn lsn) {
  PromoChange change{put.promo, lsn, lsn, put, std::make_shared<const std::string>(put.name)};
  change.put.request_id = {};
  change.put.name = *change.name;
  return change;
}

GrantChange grant_change(const storage::TicketGrant& grant, Lsn lsn) {
  return {lsn, lsn, grant.promo, grant.item, grant.granted};
}

OrderChange order_change(const storage::OrderUpdate& update, Lsn lsn) {
  OrderChange change{lsn, lsn, update, std::string(update.action_id)};
  change.update.action_id = {};
  return change;
}

Projection::Projection(ProjectionLimits limits) : limits_(limits), lanes_(limits.lanes) {
  STAMPEDE_ASSERT(limits.lanes > 0 && limits.rows_max > 0 && limits.items_max > 0,
                  "a projection has lanes and room in their batches");
}

void Projection::add(const AppendPtr& append, std::span<const ItemChange> items) {
  if (append->inserts > 0) {
    STAMPEDE_ASSERT(queue_.empty() || queue_.back()->last_lsn < append->first_lsn,
                    "appends become durable in lsn order");
    queue_.push_back(append);
    queued_inserts_ += append->inserts;
  }
  for (const auto& promo : append->promos) add_promo(promo);
  for (const auto& grant : append->grants) add_grant(grant);
  for (const auto& update : append->updates) add_update(update);
  for (const auto& entry : append->stock) {
    lanes_[entry.change.item % lanes_.size()].stock.push_back(entry);
    ++owed_stock_;
  }
  constexpr std::size_t kAhead = 8;  // memory works while we do
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i + kAhead < items.size() && items[i + kAhead].position < newest_.size())
      prefetch_line(&newest_[items[i + kAhead].position]);
    add_item(items[i]);
  }
}

void Projection::add_item(const ItemChange& change) {
  while (newest_.size() <= change.position) newest_.push_back({});
  auto& newest = newest_[change.position];
  if (newest.first == 0 && !newest.put) {
    lanes_[change.item % lanes_.size()].dirty.push_back(change.position);
    ++dirty_items_;
  }
  merge(newest, change);
}

namespace {

// A change stands in for the one of its key that is owed already. False: none is.
template <class Change>
bool stands_in(std::map<std::uint64_t, Change>& owed, std::uint64_t key, const Change& change) {
  const auto [at, added] = owed.try_emplace(key, change);
  if (added) return false;
  const auto first = at->second.first;
  at->second = change;
  at->second.first = first;
  return true;
}

}  // namespace

void Projection::add_promo(const PromoChange& change) {
  auto& lane = lanes_[change.promo % lanes_.size()];
  if (!stands_in(lane.promos, change.promo, change)) ++owed_promos_;
}

void Projection::add_grant(const GrantChange& change) {
  auto& lane = lanes_[change.promo % lanes_.size()];
  if (!stands_in(lane.grants, change.promo, change)) ++owed_grants_;
}

void Projection::add_update(const OrderChange& change) {
  const auto order = change.update.order;
  if (stands_in(lanes_[order % lanes_.size()].updates, order, change)) return;
  ++owed_updates_;
  update_firsts_.emplace_back(change.first, order);
}

// Whether an insert is yet to be committed or refused.
bool Projection::insert_pending(Lsn order, const LaneWork& next) const {
  if (!queue_.empty() && order >= queue_.front()->first_lsn) return true;
  const auto among = [order](const LaneWork& work) {
    return !work.inserts.empty() && order >= work.inserts.front()->first_lsn &&
           order <= work.inserts.back()->last_lsn;
  };
  return among(next) || std::any_of(lanes_.begin(), lanes_.end(),
                                    [&](const Lane& lane) { return among(lane.work); });
}

// Inserts are taken in the order of their lsns: behind an order that has to wait, all do.
void Projection::fill_updates(Lane& lane, LaneWork& work) {
  while (!lane.updates.empty() && work.updates.size() < limits_.items_max &&
         !insert_pending(lane.updates.begin()->first, work))
    work.updates.push_back(std::move(lane.updates.extract(lane.updates.begin()).mapped()));
}

void Projection::fill_stock(Lane& lane, LaneWork& work) {
  for (; !lane.stock.empty() && work.stock.size() < limits_.items_max; lane.stock.pop_front())
    work.stock.push_back(lane.stock.front());
}

void Projection::fill_promos(Lane& lane, LaneWork& work) {
  while (!lane.promos.empty() && work.promos.size() < limits_.items_max)
    work.promos.push_back(std::move(lane.promos.extract(lane.promos.begin()).mapped()));
}

void Projection::fill_grants(Lane& lane, LaneWork& work) {
  while (!lane.grants.empty() && work.grants.size() < limits_.items_max)
    work.grants.push_back(lane.grants.extract(lane.grants.begin()).mapped());
}

void Projection::dispatch(std::vector<LaneWork>& out) {
  for (std::uint32_t i = 0; i < lanes_.size(); ++i) {
    auto& lane = lanes_[i];
    if (lane.busy) continue;
    LaneWork work;
    work.lane = i;
    fill_inserts(work);
    const bool items_due = lane.batches_since_items >= limits_.batches_between_items;
    if (work.inserts.empty() || items_due) {
      fill_items(lane, work);
      fill_promos(lane, work);
      fill_grants(lane, work);
      fill_updates(lane, work);
      fill_stock(lane, work);
    }
    const bool keyed = work.keyed();
    if (work.inserts.empty() && !keyed) continue;
    lane.batches_since_items = keyed ? 0 : lane.batches_since_items + 1;
    lane.busy = true;
    lane.work = work;
    out.push_back(std::move(work));
  }
}

void Projection::fill_inserts(LaneWork& work) {
  while (!queue_.empty()) {
    const auto& next = queue_.front();
    if (work.insert_count > 0 && work.insert_count + next->inserts > limits_.rows_max) return;
    work.insert_count += next->inserts;
    queued_inserts_ -= next->inserts;
    busy_inserts_ += next->inserts;
    work.inserts.push_back(next);
    queue_.pop_front();
  }
}

void Projection::fill_items(Lane& lane, LaneWork& work) {
  for (; !lane.dirty.empty() && work.items.size() < limits_.items_max; lane.dirty.pop_front()) {
    auto& newest = newest_[lane.dirty.front()];
    auto& change = work.items.emplace_back(newest);
    if (change.first == 0) change.last = 0;  // only its put is owed
    newest.first = 0;
    newest.put = nullptr;
  }
  dirty_items_ -= work.items.size();
  busy_items_ += work.items.size();
}

void Projection::add_failure(Outcome& fail, const FailedCommand& failed) const {
  const auto before = tries_.find({failed.lsn, failed.kind});
  fail.numbers.insert(fail.numbers.end(), {failed.lsn, failed.error});
  fail.tries.push_back(before == tries_.end() ? 1 : std::uint64_t{before->second} + 1);
}

// EXEC ranges of the inserts of `work` without the failed ones (ascending), and the FAIL pairs.
void Projection::insert_outcomes(const LaneWork& work, const std::vector<FailedCommand>& failed,
                                 std::vector<OutcomeRecord>& out) const {
  if (work.inserts.empty()) return;
  constexpr auto kInsert = CommandKind::order_insert;
  Outcome exec{work.lane, kInsert, position_of(kInsert), {}};
  Outcome fail = exec;
  auto from = work.inserts.front()->first_lsn;
  const auto to = work.inserts.back()->last_lsn;
  for (const auto& one : failed) {
    if (one.kind != CommandKind::order_insert) continue;
    if (from < one.lsn) exec.numbers.insert(exec.numbers.end(), {from, one.lsn - 1});
    add_failure(fail, one);
    from = one.lsn + 1;
  }
  if (from <= to) exec.numbers.insert(exec.numbers.end(), {from, to});
  emit(out, RecordType::exec, exec);
  emit(out, RecordType::fail, fail);
}

namespace {

const FailedCommand* find_failed(const std::vector<FailedCommand>& failed, CommandKind kind,
                                 Lsn lsn) {
  const auto it = std::find_if(failed.begin(), failed.end(), [&](const FailedCommand& one) {
    return one.kind == kind && one.lsn == lsn;
  });
  return it == failed.end() ? nullptr : &*it;
}

}  // namespace

void Projection::keyed_outcomes(std::uint32_t lane, CommandKind kind,
                                const std::vector<KeyedCommand>& commands,
                                const std::vector<FailedCommand>& failed,
                                std::vector<OutcomeRecord>& out) {
  Outcome exec{lane, kind, position_of(kind), {}};
  Outcome fail = exec;
  Outcome optm = exec;
  for (const auto& command : commands) {
    failed_keyed_.erase({command.key, kind});
    if (const auto* one = find_failed(failed, kind, command.last)) {
      add_failure(fail, *one);
      continue;
    }
    if (command.first < command.last)
      optm.numbers.insert(optm.numbers.end(), {command.key, command.first, command.last});
    exec.numbers.insert(exec.numbers.end(), {command.last, command.last});
  }
  emit(out, RecordType::optm, optm);
  emit(out, RecordType::exec, exec);
  emit(out, RecordType::fail, fail);
}

void Projection::done(std::uint32_t lane_number, const std::vector<FailedCommand>& failed,
                      std::vector<OutcomeRecord>& outcomes) {
  auto& lane = lanes_[lane_number];
  STAMPEDE_ASSERT(lane.busy, "only a busy lane can be done");
  insert_outcomes(lane.work, failed, outcomes);
  std::vector<KeyedCommand> puts;
  std::vector<KeyedCommand> amounts;
  std::vector<KeyedCommand> promos;
  std::vector<KeyedCommand> grants;
  std::vector<KeyedCommand> updates;
  std::vector<KeyedCommand> stock;
  for (const auto& change : lane.work.items) {
    if (change.put) puts.push_back({change.item, change.put->first, change.put->last});
    if (change.last != 0) amounts.push_back({change.item, change.first, change.last});
  }
  for (const auto& change : lane.work.promos)
    promos.push_back({change.promo, change.first, change.last});
  for (const auto& change : lane.work.grants)
    grants.push_back({change.promo, change.first, change.last});
  for (const auto& change : lane.work.updates)
    updates.push_back({change.update.order, change.first, change.last});
  for (const auto& entry : lane.work.stock) stock.push_back({entry.lsn, entry.lsn, entry.lsn});
  keyed_outcomes(lane_number, CommandKind::item_put, puts, failed, outcomes);
  keyed_outcomes(lane_number, CommandKind::item_amount_update, amounts, failed, outcomes);
  keyed_outcomes(lane_number, CommandKind::promo_put, promos, failed, outcomes);
  keyed_outcomes(lane_number, CommandKind::ticket_grant, grants, failed, outcomes);
  keyed_outcomes(lane_number, CommandKind::order_update, updates, failed, outcomes);
  keyed_outcomes(lane_number, CommandKind::stock_change, stock, failed, outcomes);
  for (const auto& one : failed) {
    if (one.kind == CommandKind::order_insert)
      failed_inserts_.emplace(one.lsn, one.error);
    else
      failed_keyed_.emplace(std::pair(one.item, one.kind), one.lsn);
  }
  busy_inserts_ -= lane.work.insert_count;
  busy_items_ -= lane.work.items.size();
  owed_promos_ -= lane.work.promos.size();
  owed_grants_ -= lane.work.grants.size();
  owed_updates_ -= lane.work.updates.size();
  owed_stock_ -= lane.work.stock.size();
  lane.work = {};
  lane.busy = false;
  forget_settled_updates();
}

bool Projection::stored(Lsn lsn) const {
  if (!queue_.empty() && lsn >= queue_.front()->first_lsn) return false;
  for (const auto& lane : lanes_) {
    const auto& inserts = lane.work.inserts;
    if (!inserts.empty() && lsn >= inserts.front()->first_lsn && lsn <= inserts.back()->last_lsn)
      return false;
  }
  return !failed_inserts_.contains(lsn);
}

std::uint64_t Projection::owed() const {
  return queued_inserts_ + busy_inserts_ + dirty_items_ + busy_items_ + owed_promos_ +
         owed_grants_ + owed_updates_ + owed_stock_;
}

bool Projection::idle() const {
  return owed() == 0;
}

Lsn Projection::oldest_owed() const {
  Lsn oldest = queue_.empty() ? 0 : queue_.front()->first_lsn;
  const auto older = [&](Lsn lsn) { oldest = oldest == 0 ? lsn : std::min(oldest, lsn); };
  for (const auto& lane : lanes_) {
    if (!lane.work.stock.empty())
      older(lane.work.stock.front().lsn);
    else if (!lane.stock.empty())
      older(lane.stock.front().lsn);
    if (lane.work.inserts.empty()) continue;
    older(lane.work.inserts.front()->first_lsn);
  }
  if (!update_firsts_.empty()) older(update_firsts_.front().first);
  return oldest;
}

// A lane takes updates in the order of their orders.
bool Projection::owes_update(Lsn order, Lsn first) const {
  const auto& lane = lanes_[order % lanes_.size()];
  const auto waiting = lane.updates.find(order);
  if (waiting != lane.updates.end() && waiting->second.first == first) return true;
  const auto& taken = lane.work.updates;
  const auto found =
      std::lower_bound(taken.begin(), taken.end(), order,
                       [](const OrderChange& one, Lsn lsn) { return one.update.order < lsn; });
  return found != taken.end() && found->update.order == order && found->first == first;
}

void Projection::forget_settled_updates() {
  while (!update_firsts_.empty() &&
         !owes_update(update_firsts_.front().second, update_firsts_.front().first))
    update_firsts_.pop_front();
}

}  // namespace stampede::actors
