#include "storage/replay/fate_table.h"

#include <algorithm>
#include <utility>

#include "config/process/invariant.h"
#include "storage/replay/replay.h"

namespace stampede::storage {

std::string_view to_text(Fate fate) {
  switch (fate) {
    case Fate::pending:
      return "pending";
    case Fate::failed:
      return "failed";
    case Fate::superseded:
      return "superseded";
    case Fate::executed:
      return "executed";
  }
  return "invalid";
}

Status FateTable::record(const RecordView& record) {
  switch (record.type) {
    case RecordType::emit:
      return emit(record);
    case RecordType::exec:
    case RecordType::fail:
    case RecordType::optm:
      return outcome(record);
    case RecordType::reject:
    case RecordType::seal:
    case RecordType::epoch:
      return Done{};
    case RecordType::ha:
    case RecordType::hash:
    case RecordType::config:
    case RecordType::claim:
    case RecordType::revoke:
      return readable_control(decoder_, record, last_lsn_);
    case RecordType::invalid:
    case RecordType::checkpoint:
      break;
  }
  return unread_record_type(record.type);
}

Status FateTable::emit(const RecordView& record) {
  if (!decoder_.command_set(record.payload, set_)) {
    return unreadable_record("a command set", record.lsn);
  }
  if (auto fits = fits_segment("a command set", record, level_of(set_)); !fits) return fits;
  if (record.lsn <= last_lsn_) return unreadable_record("a decision out of order", record.lsn);
  last_lsn_ = record.lsn;
  for (std::size_t position = 0; position < set_.size(); ++position) {
    add(record.lsn, static_cast<std::uint16_t>(position), set_[position]);
  }
  return Done{};
}

void FateTable::add(Lsn lsn, std::uint16_t position, const Command& command) {
  STAMPEDE_ASSERT(commands_.size() < kNone, "more commands than this table can number");
  const auto index = static_cast<Index>(commands_.size());
  const auto key = command.key();
  Entry entry{lsn, key.value_or(command.item()), kNone, position, command.kind, false, false};
  if (key) entry.older = std::exchange(keys_of(command.kind)[*key].newest, index);
  commands_.push_back(entry);
  if (!command.id_text.empty()) own_ids_.emplace(index, command.id_text);
}

Status FateTable::outcome(const RecordView& record) {
  const bool exec = record.type == RecordType::exec;
  const bool fail = record.type == RecordType::fail;
  const bool readable =
      decoder_.outcome(record.payload, outcome_) && (exec   ? valid_exec(outcome_)
                                                     : fail ? valid_fail(outcome_)
                                                            : valid_optm(outcome_));
  if (!readable) return unreadable_record("an outcome record", last_lsn_);
  if (auto fits = fits_segment("an outcome record", record, outcome_.level); !fits) return fits;
  const std::size_t step = record.type == RecordType::optm ? 3 : 2;
  for (std::size_t i = 0; i < outcome_.numbers.size(); i += step) {
    const std::uint64_t* number = outcome_.numbers.data() + i;
    bool named = false;
    if (exec) {
      named = each_in_range(outcome_, number[0], number[1], {},
                            [this](Index command, const Named&) { executed(command); });
    } else if (fail) {
      named =
          each_in_range(outcome_, number[0], number[0], {},
                        [this](Index command, const Named&) { commands_[command].failed = true; });
    } else {
      const Keys* known = keys(outcome_.kind);  // none: nothing stands in for an order
      named = known != nullptr && number[2] <= last_lsn_ && known->contains(number[0]);
    }
    if (!named) stray(record.type, outcome_, number[step - 2]);
  }
  return Done{};
}

void FateTable::executed(Index command) {
  Entry& entry = commands_[command];
  entry.executed = true;
  if (keys(entry.kind) == nullptr) return;
  Key& same = keys_of(entry.kind)[entry.key];
  if (same.newest_executed == kNone || same.newest_executed < command) {
    same.newest_executed = command;
  }
}

void FateTable::stray(RecordType type, const Outcome& outcome, std::uint64_t lsn) {
  if (lsn < speaks_from_ || ++strays_ > 1) return;
  const std::string_view word = type == RecordType::exec   ? "EXEC"
                                : type == RecordType::fail ? "FAIL"
                                                           : "OPTM";
  first_stray_ = std::string(word) + " of " + std::string(to_text(outcome.kind)) + " " +
                 command_id(lsn, outcome.position) + ", which the log never emitted before it";
}

std::string FateTable::id(Index command) const {
  const auto own = own_ids_.find(command);
  if (own != own_ids_.end()) return own->second;
  return command_id(commands_[command].lsn, commands_[command].position);
}

Fate FateTable::fate(Index command) const {
  const Entry& entry = commands_[command];
  if (entry.executed) return Fate::executed;
  if (superseded_by(command)) return Fate::superseded;
  return entry.failed ? Fate::failed : Fate::pending;
}

std::optional<FateTable::Index> FateTable::find(Lsn lsn, std::uint32_t position) const {
  for (Index i = first_at(lsn); i < commands_.size() && commands_[i].lsn == lsn; ++i) {
    if (commands_[i].position == position) return i;
  }
  return std::nullopt;
}

std::optional<FateTable::Index> FateTable::superseded_by(Index command) const {
  const Key* same = same_as(command);
  if (same == nullptr || commands_[command].executed) return std::nullopt;
  if (same->newest_executed == kNone || same->newest_executed < command) return std::nullopt;
  return same->newest_executed;
}

std::optional<FateTable::Index> FateTable::skipped_for(Index command) const {
  if (commands_[command].executed) return std::nullopt;
  if (const auto by = superseded_by(command)) return by;
  const Key* same = same_as(command);
  if (same == nullptr || same->newest == command) return std::nullopt;
  return same->newest;
}

bool FateTable::would_apply(Index command) const {
  return !commands_[command].executed && !skipped_for(command);
}

void FateTable::each_named(RecordType type, const Outcome& outcome, const OnNamed& fn) const {
  const auto& numbers = outcome.numbers;
  if (type == RecordType::optm) {
    for (std::size_t i = 0; i + 2 < numbers.size(); i += 3) {
      each_left_out(outcome, numbers[i], numbers[i + 1], numbers[i + 2], fn);
    }
    return;
  }
  for (std::size_t i = 0; i + 1 < numbers.size(); i += 2) {
    const bool fail = type == RecordType::fail;
    Named named;
    if (fail) named.number = numbers[i + 1];
    if (fail && !outcome.tries.empty()) named.tries = outcome.tries[i / 2];
    each_in_range(outcome, numbers[i], fail ? numbers[i] : numbers[i + 1], named, fn);
  }
}

bool FateTable::each_in_range(const Outcome& outcome, Lsn from, Lsn to, const Named& named,
                              const OnNamed& fn) const {
  bool any = false;
  for (Index i = first_at(from); i < commands_.size() && commands_[i].lsn <= to; ++i) {
    if (commands_[i].kind != outcome.kind || commands_[i].position != outcome.position) continue;
    fn(i, named);
    any = true;
  }
  return any;
}

bool FateTable::each_left_out(const Outcome& outcome, std::uint64_t key, Lsn from, Lsn by,
                              const OnNamed& fn) const {
  const Keys* all = keys(outcome.kind);
  if (all == nullptr) return false;
  const auto same = all->find(key);
  if (same == all->end()) return false;
  std::vector<Index>
      named;  // newest first: the chain leads backwards, and the range is near its end
  for (Index i = same->second.newest; i != kNone && commands_[i].lsn >= from;
       i = commands_[i].older) {
    if (commands_[i].lsn < by && commands_[i].position == outcome.position) named.push_back(i);
  }
  for (auto i = named.rbegin(); i != named.rend(); ++i) fn(*i, {by, 0});
  return !named.empty();
}

FateTable::Index FateTable::first_at(Lsn lsn) const {
  const auto found =
      std::lower_bound(commands_.begin(), commands_.end(), lsn,
                       [](const Entry& entry, Lsn wanted) { return entry.lsn < wanted; });
  return static_cast<Index>(found - commands_.begin());
}

const FateTable::Keys* FateTable::keys(CommandKind kind) const {
  const bool alone = kind == CommandKind::order_insert || kind == CommandKind::stock_change;
  return alone ? nullptr : &keys_[static_cast<std::size_t>(kind)];
}

FateTable::Keys& FateTable::keys_of(CommandKind kind) {
  return keys_[static_cast<std::size_t>(kind)];
}

const FateTable::Key* FateTable::same_as(Index command) const {
  const Keys* all = keys(commands_[command].kind);
  return all == nullptr ? nullptr : &all->find(commands_[command].key)->second;
}

}  // namespace stampede::storage
