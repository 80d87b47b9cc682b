#include "storage/replay/replay.h"

#include <algorithm>
#include <limits>
#include <string>

namespace stampede::storage {

namespace {

// Format 1 does not say how often: once at least.
std::uint32_t tries_of(const Outcome& fail, std::size_t pair) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint32_t>::max();
  if (fail.tries.empty()) return 1;
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(fail.tries[pair], 1, kMax));
}

}  // namespace

void LastStored::forget(const std::set<Lsn>& refused) {
  for (auto& [lane, of_lane] : by_lane) {
    if (refused.contains(of_lane.order)) of_lane.order = 0;
    if (refused.contains(of_lane.put.lsn)) of_lane.put = {};
    if (refused.contains(of_lane.amount.lsn)) of_lane.amount = {};
    if (refused.contains(of_lane.promo.lsn)) of_lane.promo = {};
    if (refused.contains(of_lane.grant.lsn)) of_lane.grant = {};
    if (refused.contains(of_lane.update.lsn)) of_lane.update = {};
    if (refused.contains(of_lane.stock)) of_lane.stock = 0;
  }
}

Status ReplayFold::record(const RecordView& record) {
  switch (record.type) {
    case RecordType::emit:
      return emit(record);
    case RecordType::exec:
      ++counts_.records;
      return exec(record);
    case RecordType::fail:
      ++counts_.records;
      return fail(record);
    case RecordType::reject:
      ++counts_.records;
      ++counts_.decisions;
      return Done{};
    case RecordType::optm:
    case RecordType::seal:
    case RecordType::epoch:
      ++counts_.records;
      return Done{};
    case RecordType::revoke:
      return revoke(record);
    case RecordType::ha:
    case RecordType::hash:
    case RecordType::config:
    case RecordType::claim: {
      const auto what = "a record of type " + std::to_string(static_cast<int>(record.type));
      if (auto kept = is_kept(what, record, level_of(record.type)); !kept) return kept;
      return not_acted_on(what, level_of(record.type));
    }
    case RecordType::invalid:
    case RecordType::checkpoint:
      break;
  }
  return unread_record_type(record.type);
}

// Owes the database nothing.
Status ReplayFold::revoke(const RecordView& record) {
  if (auto kept = is_kept("a REVOKE record", record, level_of(record.type)); !kept) return kept;
  if (auto readable = readable_control(decoder_, record, record.lsn); !readable) return readable;
  ++counts_.records;
  ++counts_.decisions;
  return Done{};
}

Status ReplayFold::emit(const RecordView& record) {
  if (!decoder_.command_set(record.payload, set_))
    return unreadable_record("a command set", record.lsn);
  if (auto kept = is_kept(record, set_); !kept) return kept;
  return emit(record.lsn, record.payload, set_);
}

Status ReplayFold::emit(Lsn lsn, std::string_view payload, const std::vector<Command>& set) {
  if (lsn <= last_lsn_) return unreadable_record("a decision out of order", lsn);
  last_lsn_ = lsn;
  ++counts_.records;
  ++counts_.decisions;
  counts_.commands += set.size();
  take(lsn, payload, set);
  return Done{};
}

void ReplayFold::take(Lsn lsn, std::string_view payload, const std::vector<Command>& set) {
  for (std::uint32_t position = 0; position < set.size(); ++position) {
    const Command& command = set[position];
    switch (command.kind) {
      case CommandKind::order_insert:
        orders_.add(lsn, position, payload);
        break;
      case CommandKind::item_put:
        puts_.emitted(command.put.item, lsn, position, std::string(payload));
        break;
      case CommandKind::item_amount_update:
        amounts_.emitted(command.amount.item, lsn, position, command.amount.amount);
        break;
      case CommandKind::promo_put:
        promos_.emitted(command.sale->promo.promo, lsn, position, std::string(payload));
        break;
      case CommandKind::ticket_grant:
        grants_.emitted(command.sale->ticket.promo, lsn, position, std::string(payload));
        break;
      case CommandKind::order_update:
        updates_.emitted(command.sale->update.order, lsn, position, std::string(payload));
        break;
      case CommandKind::stock_change:
        stock_.add(lsn, position, payload);
        break;
      default:
        STAMPEDE_ASSERT(false, "a set that is kept has commands that are acted on");
    }
  }
}

Status ReplayFold::exec(const RecordView& record) {
  if (!decoder_.outcome(record.payload, outcome_) || !valid_exec(outcome_)) {
    return unreadable_record("an EXEC record", last_lsn_);
  }
  if (auto kept = is_kept("an EXEC record", record, outcome_); !kept) return kept;
  for (std::size_t i = 0; i < outcome_.numbers.size(); i += 2) {
    const Lsn from = outcome_.numbers[i];
    const Lsn to = outcome_.numbers[i + 1];
    switch (outcome_.kind) {
      case CommandKind::order_insert:
        counts_.done += settle_orders(from, to);
        break;
      case CommandKind::item_put:
        note(puts_.executed(outcome_.position, from, to), &LastStored::OfLane::put);
        ++counts_.done;
        break;
      case CommandKind::item_amount_update:
        note(amounts_.executed(outcome_.position, from, to), &LastStored::OfLane::amount);
        ++counts_.done;
        break;
      case CommandKind::promo_put:
        note(promos_.executed(outcome_.position, from, to), &LastStored::OfLane::promo);
        ++counts_.done;
        break;
      case CommandKind::ticket_grant:
        note(grants_.executed(outcome_.position, from, to), &LastStored::OfLane::grant);
        ++counts_.done;
        break;
      case CommandKind::order_update:
        note(updates_.executed(outcome_.position, from, to), &LastStored::OfLane::update);
        ++counts_.done;
        break;
      case CommandKind::stock_change:
        counts_.done += settle_stock(from, to);
        break;
      default:
        break;  // none that is kept
    }
  }
  return Done{};
}

namespace {

// 0: there is none yet.
void lower(Lsn& oldest, Lsn lsn) {
  oldest = oldest == 0 ? lsn : std::min(oldest, lsn);
}

}  // namespace

std::uint64_t ReplayFold::settle_stock(Lsn from, Lsn to) {
  const auto settled = stock_.executed(outcome_.position, from, to);
  if (settled.count == 0) return 0;
  last_stored_.by_lane[outcome_.lane].stock = settled.last.back();
  lower(last_stored_.oldest_stock, settled.first);
  return settled.count;
}

std::uint64_t ReplayFold::settle_orders(Lsn from, Lsn to) {
  const auto settled = orders_.executed(outcome_.position, from, to);
  if (settled.count == 0) return 0;
  last_stored_.by_lane[outcome_.lane].order = settled.last.back();
  lower(last_stored_.oldest_order, settled.first);
  auto& newest = last_stored_.newest_orders;
  newest.insert(settled.last.begin(), settled.last.end());
  while (newest.size() > OwedOrders::kNewestKept) newest.erase(newest.begin());
  return settled.count;
}

void ReplayFold::note(const ItemLsn& stored, ItemLsn LastStored::OfLane::*kind) {
  if (stored.lsn != 0) last_stored_.by_lane[outcome_.lane].*kind = stored;
}

Status ReplayFold::fail(const RecordView& record) {
  if (!decoder_.outcome(record.payload, outcome_) || !valid_fail(outcome_)) {
    return unreadable_record("a FAIL record", last_lsn_);
  }
  if (auto kept = is_kept("a FAIL record", record, outcome_); !kept) return kept;
  for (std::size_t i = 0; i < outcome_.numbers.size(); i += 2) {
    const Lsn lsn = outcome_.numbers[i];
    const std::uint32_t tries = tries_of(outcome_, i / 2);
    switch (outcome_.kind) {
      case CommandKind::order_insert:
        orders_.failed(outcome_.position, lsn, tries);
        break;
      case CommandKind::item_put:
        puts_.failed(outcome_.position, lsn, tries);
        break;
      case CommandKind::item_amount_update:
        amounts_.failed(outcome_.position, lsn, tries);
        break;
      case CommandKind::promo_put:
        promos_.failed(outcome_.position, lsn, tries);
        break;
      case CommandKind::ticket_grant:
        grants_.failed(outcome_.position, lsn, tries);
        break;
      case CommandKind::order_update:
        updates_.failed(outcome_.position, lsn, tries);
        break;
      case CommandKind::stock_change:
        stock_.failed(outcome_.position, lsn, tries);
        break;
      default:
        break;  // none that is kept
    }
  }
  return Done{};
}

ReplayCounts ReplayFold::counts() const {
  ReplayCounts counts = counts_;
  counts.owed_orders = orders_.size();
  counts.owed_puts = puts_.owed_count();
  counts.owed_amounts = amounts_.owed_count();
  counts.owed_promos = promos_.owed_count();
  counts.owed_grants = grants_.owed_count();
  counts.owed_updates = updates_.owed_count();
  counts.owed_stock = stock_.size();
  counts.owed = counts.owed_orders + counts.owed_puts + counts.owed_amounts + counts.owed_promos +
                counts.owed_grants + counts.owed_updates + counts.owed_stock;
  counts.failed = orders_.failed_count() + puts_.failed_count() + amounts_.failed_count() +
                  promos_.failed_count() + grants_.failed_count() + updates_.failed_count() +
                  stock_.failed_count();
  counts.settled = counts.commands - counts.owed;
  counts.done = std::min(counts.done, counts.settled);
  return counts;
}

Owed ReplayFold::owed() const {
  Owed owed;
  owed.orders = orders_.list();
  puts_.each_owed([&](std::uint64_t item, const auto& newest) {
    owed.puts.push_back({item, newest.lsn, newest.position, newest.tries, newest.value});
  });
  amounts_.each_owed([&](std::uint64_t item, const auto& newest) {
    owed.amounts.push_back({item, newest.lsn, newest.position, newest.tries, newest.value});
  });
  promos_.each_owed([&](std::uint64_t promo, const auto& newest) {
    owed.promos.push_back({promo, newest.lsn, newest.position, newest.tries, newest.value});
  });
  grants_.each_owed([&](std::uint64_t promo, const auto& newest) {
    owed.grants.push_back({promo, newest.lsn, newest.position, newest.tries, newest.value});
  });
  updates_.each_owed([&](Lsn order, const auto& newest) {
    owed.updates.push_back({order, newest.lsn, newest.position, newest.tries, newest.value});
  });
  owed.stock = stock_.list();
  return owed;
}

bool valid_exec(const Outcome& outcome) {
  if (outcome.numbers.size() % 2 != 0) return false;
  for (std::size_t i = 0; i < outcome.numbers.size(); i += 2) {
    if (outcome.numbers[i] > outcome.numbers[i + 1]) return false;
  }
  return true;
}

bool valid_fail(const Outcome& outcome) {
  return outcome.numbers.size() % 2 == 0;
}

bool valid_optm(const Outcome& outcome) {
  if (outcome.numbers.size() % 3 != 0) return false;
  for (std::size_t i = 0; i < outcome.numbers.size(); i += 3) {
    if (outcome.numbers[i + 1] >= outcome.numbers[i + 2]) return false;
  }
  return true;
}

Error unreadable_record(std::string_view what, Lsn near) {
  return {Errc::corrupt, "the log holds " + std::string(what) + " that cannot be read, at lsn " +
                             to_text(near) + " or soon behind it; its checksum is right, so a " +
                             "faulty or newer program wrote it"};
}

Status fits_segment(std::string_view what, const RecordView& record, FeatureLevel needed) {
  if (needed <= record.level) return Done{};
  return Error{Errc::version, "the log holds " + std::string(what) + " of " + to_text(needed) +
                                  " in a segment of " + to_text(record.level) +
                                  (record.lsn != 0 ? ", at lsn " + to_text(record.lsn) : "") +
                                  "; a faulty or newer program wrote it"};
}

Status is_kept(std::string_view what, const RecordView& record, FeatureLevel needed) {
  if (auto fits = fits_segment(what, record, needed); !fits) return fits;
  return is_kept(what, needed);
}

namespace {

bool is_acted_on(CommandKind kind) {
  return kind != CommandKind::invalid;
}

}  // namespace

bool is_acted_on(const std::vector<Command>& set) {
  return std::all_of(set.begin(), set.end(),
                     [](const Command& command) { return is_acted_on(command.kind); });
}

Status is_kept(const RecordView& record, const std::vector<Command>& set) {
  if (auto kept = is_kept("a command set", record, level_of(set)); !kept) return kept;
  if (is_acted_on(set)) return Done{};
  return not_acted_on("the command set at lsn " + to_text(record.lsn), level_of(set));
}

Status is_kept(std::string_view what, const RecordView& record, const Outcome& outcome) {
  if (auto kept = is_kept(what, record, outcome.level); !kept) return kept;
  if (is_acted_on(outcome.kind)) return Done{};
  return not_acted_on(what, outcome.level);
}

Error not_acted_on(std::string_view what, FeatureLevel level) {
  return {Errc::version, std::string(what) + " is of a part of " + to_text(level) +
                             " that this program does not act on; use the newer program"};
}

Status is_kept(std::string_view what, FeatureLevel level) {
  if (level <= kFeatureLevelKept) return Done{};
  return Error{Errc::version, std::string(what) + " needs " + to_text(level) +
                                  ", a backend of this program has " + to_text(kFeatureLevelKept) +
                                  "; use the newer program"};
}

namespace {

template <class Record>
bool decodes(CommandDecoder& decoder, std::string_view payload) {
  Record record;
  return decoder.control(payload, record);
}

bool decodes(CommandDecoder& decoder, const RecordView& record) {
  switch (record.type) {
    case RecordType::ha:
      return decodes<HaRecord>(decoder, record.payload);
    case RecordType::hash:
      return decodes<HashRecord>(decoder, record.payload);
    case RecordType::config:
      return decodes<ConfigRecord>(decoder, record.payload);
    case RecordType::claim:
      return decodes<ClaimRecord>(decoder, record.payload);
    default:
      return decodes<RevokeRecord>(decoder, record.payload);
  }
}

}  // namespace

Status readable_control(CommandDecoder& decoder, const RecordView& record, Lsn near) {
  if (decodes(decoder, record)) return Done{};
  return unreadable_record("a record of type " + std::to_string(static_cast<int>(record.type)),
                           near);
}

Error unread_record_type(RecordType type) {
  return {Errc::version, "the log holds a record of type " +
                             std::to_string(static_cast<int>(type)) +
                             " that this program does not read; use the newer program"};
}

}  // namespace stampede::storage
