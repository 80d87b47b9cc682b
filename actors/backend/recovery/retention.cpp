#include "actors/backend/recovery/retention.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "config/faults/failpoint.h"
#include "storage/commands/order_row.h"
#include "storage/log/log_begin.h"
#include "storage/log/parked_records.h"
#include "storage/replay/replay.h"
#include "storage/snapshot/snapshot_entries.h"
#include "storage/snapshot/snapshot_file.h"

namespace stampede::actors {

namespace {

using storage::BatchInfo;
using storage::CommandKind;
using storage::Disk;
using storage::Done;
using storage::Errc;
using storage::Error;
using storage::LogPosition;
using storage::Lsn;
using storage::RecordType;
using storage::RecordView;
using storage::Status;

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

// What is owed as of a snapshot. Of an item, a promo and an order it is the newest command of a
// kind only: older ones are made up for by it, and their row may be behind them until it is
// executed.
struct OwedThen {
  std::vector<Lsn> lsns;           // of everything, sorted
  std::set<std::uint64_t> items;   // with an ItemPut or an ItemAmountUpdate
  std::set<std::uint64_t> promos;  // with a PromoPut or a TicketGrant
  std::set<std::uint64_t> orders;  // with an OrderUpdate
};

// Where the keys of a section's commands go. Null: none of its commands makes up for another.
std::set<std::uint64_t>* keys_of(OwedThen& owed, storage::SnapshotSection section) {
  switch (section) {
    case storage::SnapshotSection::owed_puts:
    case storage::SnapshotSection::owed_amounts:
      return &owed.items;
    case storage::SnapshotSection::owed_promos:
    case storage::SnapshotSection::owed_grants:
      return &owed.promos;
    case storage::SnapshotSection::owed_updates:
      return &owed.orders;
    default:
      return nullptr;
  }
}

bool holds_owed(storage::SnapshotSection section) {
  OwedThen none;
  return section == storage::SnapshotSection::owed_orders ||
         section == storage::SnapshotSection::owed_stock || keys_of(none, section) != nullptr;
}

storage::Result<OwedThen> read_owed(Disk& disk, const std::string& dir, const std::string& name) {
  auto reader = storage::SnapshotReader::open(disk, dir, name);
  if (!reader) return reader.error();
  OwedThen found;
  storage::SnapshotBlock block;
  while (true) {
    const auto more = reader->next(block);
    if (!more) return more.error();
    if (!*more) break;
    if (!holds_owed(block.section)) continue;
    auto* keys = keys_of(found, block.section);
    storage::EntryReader in(block.entries, block.level);
    for (std::uint32_t i = 0; i < block.count; ++i) {
      storage::SnapshotOwed owed;
      if (!decode(in, owed)) return Error{Errc::corrupt, "snapshot " + name + " makes no sense"};
      found.lsns.push_back(owed.lsn);
      if (keys != nullptr) keys->insert(owed.item);
    }
  }
  std::sort(found.lsns.begin(), found.lsns.end());
  return found;
}

// Key -> the newest command of each of two kinds on it.
using NewestLsns = std::map<std::uint64_t, std::pair<Lsn, Lsn>>;

void remove_if_stored(NewestLsns& behind, std::uint64_t key, Lsn put_lsn, Lsn lsn) {
  const auto found = behind.find(key);
  if (found != behind.end() && put_lsn >= found->second.first && lsn >= found->second.second)
    behind.erase(found);
}

// One pass over one segment: how old it is, what it decides, and the newest commands on each
// item and promo.
class SegmentFacts final : public storage::LogVisitor {
 public:
  explicit SegmentFacts(const RetentionRules& rules) : rules_(rules) {}

  Status on_batch(const BatchInfo& batch) override {
    if (rules_.stop()) return Error{Errc::unavailable, "stopped"};
    const std::int64_t age_ns = rules_.now_ns - batch.wall_ns;
    if (age_ns < rules_.retain_s * kNsPerSecond) young = true;
    return Done{};
  }

  Status on_record(const BatchInfo&, const RecordView& record) override {
    if (record.type != RecordType::emit) return Done{};
    if (first == 0) first = record.lsn;
    last = record.lsn;
    if (!decoder_.command_set(record.payload, set_)) {
      return storage::unreadable_record("a command set", record.lsn);
    }
    for (const auto& command : set_) {
      if (command.missing != 0) incomplete = true;
      if (command.kind == CommandKind::item_put) newest[command.put.item].first = record.lsn;
      if (command.kind == CommandKind::item_amount_update)
        newest[command.amount.item].second = record.lsn;
      if (command.kind == CommandKind::promo_put)
        newest_promos[command.sale->promo.promo].first = record.lsn;
      if (command.kind == CommandKind::ticket_grant)
        newest_promos[command.sale->ticket.promo].second = record.lsn;
    }
    return Done{};
  }

  bool young = false;
  bool incomplete = false;  // a command without all its arguments, as only an import makes them
  Lsn first = 0;            // of the EMITs; 0: none
  Lsn last = 0;
  NewestLsns newest;         // item -> ItemPut, ItemAmountUpdate
  NewestLsns newest_promos;  // promo -> PromoPut, TicketGrant

 private:
  const RetentionRules& rules_;
  storage::CommandDecoder decoder_;
  std::vector<storage::Command> set_;
};

// A second pass: asks for the row of every order, of what it became and of every StockChange. Not
// for what became of an order whose newest update is owed: that makes up for the older ones.
class Reconcile final : public storage::LogVisitor {
 public:
  Reconcile(const RetentionRules& rules, const OwedThen& owed, StoredRows& rows)
      : rules_(rules), owed_(owed), rows_(rows) {}

  Status on_batch(const BatchInfo&) override {
    if (rules_.stop()) return Error{Errc::unavailable, "stopped"};
    return Done{};
  }

  Status on_record(const BatchInfo&, const RecordView& record) override {
    if (record.type != RecordType::emit) return Done{};
    payloads_.emplace_back(record.payload);  // a deque never moves what the rows point into
    if (!decoder_.command_set(payloads_.back(), set_)) {
      return storage::unreadable_record("a command set", record.lsn);
    }
    for (const auto& command : set_) {
      if (command.kind == CommandKind::order_insert)
        batch_.orders.push_back(storage::order_row(record.lsn, command));
      else if (command.kind == CommandKind::order_update && !made_up_for(command.sale->update))
        batch_.updates.push_back({command.sale->update, record.lsn});
      else if (command.kind == CommandKind::stock_change)
        batch_.stock.push_back({command.sale->stock, record.lsn});
    }
    return rows() < rules_.rows_max ? Status(Done{}) : ask();
  }

  Status ask() {
    if (rows() > 0) {
      auto answer = rows_.differing(batch_);
      if (!answer) return answer.error();
      differing.insert(differing.end(), answer->begin(), answer->end());
    }
    batch_ = {};
    payloads_.clear();
    return Done{};
  }

  std::vector<std::string> differing;

 private:
  [[nodiscard]] std::size_t rows() const {
    return batch_.orders.size() + batch_.updates.size() + batch_.stock.size();
  }
  [[nodiscard]] bool made_up_for(const storage::OrderUpdate& update) const {
    return owed_.orders.contains(update.order);
  }

  const RetentionRules& rules_;
  const OwedThen& owed_;
  StoredRows& rows_;
  std::deque<std::string> payloads_;
  storage::LaneBatch batch_;
  storage::CommandDecoder decoder_;
  std::vector<storage::Command> set_;
};

class Retention {
 public:
  Retention(Disk& disk, const std::string& dir, const RetentionRules& rules, StoredRows& rows)
      : disk_(disk), dir_(dir), rules_(rules), rows_(rows) {}

  storage::Result<RetentionReport> run() {
    if (auto ready = prepare(); !ready) return ready.error();
    while (report_.kept.empty() && report_.oldest.seg_no < limit_) {
      if (auto judged = judge_oldest(); !judged) return judged.error();
      if (!report_.kept.empty()) break;
      if (auto removed = remove_oldest(); !removed) return removed.error();
    }
    return std::move(report_);
  }

 private:
  Status prepare();
  Status confirm();
  storage::Result<bool> closed_lately(std::uint64_t seg_no);
  Status judge_oldest();
  Status judge_items(const SegmentFacts& facts);
  Status judge_promos(const SegmentFacts& facts);
  Status judge_behind(const std::string& what, const NewestLsns& behind,
                      const std::set<std::uint64_t>& owed);
  Status remove_oldest();
  Status keep(std::string why) {
    report_.kept = std::move(why);
    return Done{};
  }
  // Damage is a doubt; any other error is one of the disk or the database.
  Status keep_if_corrupt(const Error& error) {
    if (error.code != Errc::corrupt) return error;
    return keep(error.message);
  }

  Disk& disk_;
  const std::string& dir_;
  const RetentionRules& rules_;
  StoredRows& rows_;
  std::vector<storage::SnapshotEntry> snapshots_;  // newest first
  storage::LogUuid uuid_{};
  bool confirmed_ = false;
  std::uint64_t limit_ = 0;  // the first segment that the older snapshot needs
  OwedThen owed_;            // as of the newer one
  LogPosition next_;         // behind the oldest segment
  RetentionReport report_;
};

// Cheap: names and headers only. Leaves limit_ at 0 when nothing can be a candidate.
Status Retention::prepare() {
  auto snapshots = storage::list_snapshots(disk_, dir_);
  if (!snapshots) return snapshots.error();
  snapshots_ = std::move(*snapshots);
  if (snapshots_.empty()) return keep("there is no snapshot yet");
  const auto newer = storage::SnapshotReader::open(disk_, dir_, snapshots_[0].name);
  if (!newer) return keep_if_corrupt(newer.error());
  uuid_ = newer->header().position.uuid;
  const auto oldest = storage::oldest_position(disk_, dir_, newer->header().position);
  if (!oldest) return keep_if_corrupt(oldest.error());
  report_.oldest = *oldest;
  const auto parked = storage::list_parked(disk_, dir_);
  if (!parked) return parked.error();
  if (!parked->empty()) return keep("records are parked: lsn " + storage::to_text(*parked));
  if (rules_.retain_s < 0) return keep("log.retain_s keeps all for ever");
  if (snapshots_.size() < 2) return keep("there is only one snapshot");
  limit_ = snapshots_[1].seg_no;
  const auto numbers = storage::segment_numbers(disk_, dir_);
  if (!numbers) return numbers.error();
  if (numbers->front() != oldest->seg_no) return keep("segments are missing among the oldest");
  return Done{};
}

// Two whole snapshots of one log, what the newer one calls owed, and the database of that log. Read
// once, and only when a segment is old enough.
Status Retention::confirm() {
  if (confirmed_) return Done{};
  for (const std::size_t i : {0u, 1u}) {
    const auto facts = storage::check_snapshot(disk_, dir_, snapshots_[i].name);
    if (!facts) return keep_if_corrupt(facts.error());
    if (facts->header.position.uuid != uuid_) return keep("the snapshots belong to different logs");
  }
  auto owed = read_owed(disk_, dir_, snapshots_[0].name);
  if (!owed) return owed.error();
  owed_ = std::move(*owed);
  const auto uuid = rows_.log_uuid();
  if (!uuid) return uuid.error();
  if (!*uuid || **uuid != uuid_) return keep("the database is not this log's");
  confirmed_ = true;
  return Done{};
}

// By the header of the segment behind it, which was made when this one was closed. Only a reason to
// keep; what lets it go is the time of its batches.
storage::Result<bool> Retention::closed_lately(std::uint64_t seg_no) {
  const auto files = disk_.list(dir_);
  if (!files) return files.error();
  for (const auto& file : *files) {
    const auto name = storage::parse_segment_name(file.name);
    if (!name || name->seg_no != seg_no + 1) continue;
    std::string bytes;
    const auto path = storage::path_in(dir_, file.name);
    if (auto read = disk_.read(path, 0, storage::kSegmentHeaderBytes, bytes); !read)
      return read.error();
    const auto header = storage::decode_header(bytes);
    return header && rules_.now_ns - header->created_ns < rules_.retain_s * kNsPerSecond;
  }
  return true;  // none behind it: not closed
}

Status Retention::judge_oldest() {
  const LogPosition& at = report_.oldest;
  const std::string segment = "segment " + std::to_string(at.seg_no) + ": ";
  const auto lately = closed_lately(at.seg_no);
  if (!lately) return lately.error();
  if (*lately) return keep(segment + "younger than log.retain_s");
  if (auto sound = confirm(); !sound || !report_.kept.empty()) return sound;
  SegmentFacts facts(rules_);
  const auto next = storage::read_closed(disk_, dir_, facts, at, at.seg_no + 1);
  if (!next) return keep_if_corrupt(next.error());
  if (next->seg_no != at.seg_no + 1) return keep(segment + "it is not closed");
  if (facts.young) return keep(segment + "younger than log.retain_s");
  if (facts.incomplete) return keep(segment + "a command lacks arguments");
  const auto owed = std::lower_bound(owed_.lsns.begin(), owed_.lsns.end(), facts.first);
  if (facts.first != 0 && owed != owed_.lsns.end() && *owed <= facts.last)
    return keep(segment + "lsn " + storage::to_text(*owed) +
                " was still owed at the last snapshot");
  if (auto judged = judge_items(facts); !judged || !report_.kept.empty()) return judged;
  if (auto judged = judge_promos(facts); !judged || !report_.kept.empty()) return judged;
  Reconcile reconcile(rules_, owed_, rows_);
  const auto again = storage::read_closed(disk_, dir_, reconcile, at, at.seg_no + 1);
  if (!again) return again.error();
  if (auto asked = reconcile.ask(); !asked) return asked;
  report_.differing = std::move(reconcile.differing);
  if (!report_.differing.empty())
    return keep(segment + "the database lacks orders that the log calls executed");
  next_ = *next;
  return Done{};
}

// Item commands are absolute: whatever a row's guard has passed is executed or superseded.
Status Retention::judge_items(const SegmentFacts& facts) {
  if (facts.newest.empty()) return Done{};
  const auto rows = rows_.items();
  if (!rows) return rows.error();
  auto behind = facts.newest;
  for (const auto& row : *rows) remove_if_stored(behind, row.id, row.put_lsn, row.lsn);
  return judge_behind("item", behind, owed_.items);
}

Status Retention::judge_promos(const SegmentFacts& facts) {
  if (facts.newest_promos.empty()) return Done{};
  const auto rows = rows_.promos();
  if (!rows) return rows.error();
  auto behind = facts.newest_promos;
  for (const auto& row : *rows) remove_if_stored(behind, row.promo.put.promo, row.put_lsn, row.lsn);
  return judge_behind("promo", behind, owed_.promos);
}

// `behind`: those whose rows are missing or older than the segment's commands. The newest command
// of one that is owed is still on its way: a reason to keep the segment, not one to call somebody.
Status Retention::judge_behind(const std::string& what, const NewestLsns& behind,
                               const std::set<std::uint64_t>& owed) {
  if (behind.empty()) return Done{};
  for (const auto& [key, lsns] : behind)
    if (!owed.contains(key))
      report_.differing.push_back(what + " " + std::to_string(key) +
                                  ": its row is missing or older than the log's commands");
  return keep("segment " + std::to_string(report_.oldest.seg_no) + ": " + what +
              " rows are behind");
}

Status Retention::remove_oldest() {
  const auto& at = report_.oldest;
  const std::string path =
      storage::path_in(dir_, storage::segment_name(at.seg_no, at.chain.next_batch));
  if (auto known = storage::remember_begin(disk_, dir_, next_.seg_no); !known) return known;
  if (config::failpoint("in_retain")) return Error{Errc::io, "failpoint in_retain at " + path};
  if (auto removed = disk_.remove_segment(path); !removed) return removed;
  if (config::failpoint("in_retain")) return Error{Errc::io, "failpoint in_retain at " + path};
  if (auto synced = disk_.sync_dir(dir_); !synced) return synced;
  if (config::failpoint("in_retain")) return Error{Errc::io, "failpoint in_retain at " + path};
  report_.oldest = next_;
  ++report_.removed;
  return Done{};
}

}  // namespace

storage::Result<RetentionReport> remove_old_segments(Disk& disk, const std::string& dir,
                                                     const RetentionRules& rules,
                                                     StoredRows& rows) {
  return Retention(disk, dir, rules, rows).run();
}

}  // namespace stampede::actors
