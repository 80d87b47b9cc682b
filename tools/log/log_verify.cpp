#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "storage/disk/posix_disk.h"
#include "storage/log/log_begin.h"
#include "storage/replay/fate_table.h"
#include "storage/replay/replay.h"
#include "tools/log/log_files.h"
#include "tools/log/log_tool.h"

namespace stampede::tools {
namespace {

using storage::BatchInfo;
using storage::Errc;
using storage::FateTable;
using storage::Lsn;
using storage::RecordType;
using storage::RecordView;
using storage::Status;
using storage::to_text;

constexpr std::size_t kViolationsNamedMax = 100;  // violations listed one by one

// Reads everything, and keeps what a report needs even when the reading ends at damage.
class Checker final : public storage::LogVisitor {
 public:
  explicit Checker(Lsn speaks_from) { table_.speaks_from(speaks_from); }

  Status on_record(const BatchInfo& batch, const RecordView& record) override {
    files_.emplace(batch.file);
    ++records_;
    if (auto folded = in_file(batch, table_.record(record)); !folded) return folded;
    if (storage::is_decision(record.type)) decision(record.lsn);
    if (record.type == RecordType::reject) {
      storage::Rejection rejection;
      auto fits = decoder_.rejection(record.payload, rejection)
                      ? storage::fits_segment("a rejection", record, rejection.level)
                      : Status(storage::unreadable_record("a rejection", record.lsn));
      if (!fits) return in_file(batch, fits);
    }
    if (record.type == RecordType::fail && decoder_.outcome(record.payload, outcome_)) {
      table_.each_named(record.type, outcome_, [this](FateTable::Index command, const auto& named) {
        errnos_[command] = named.number;
      });
    }
    return storage::Done{};
  }

  [[nodiscard]] const FateTable& table() const { return table_; }
  [[nodiscard]] std::uint64_t records() const { return records_; }
  [[nodiscard]] std::uint64_t segments() const { return files_.size(); }
  [[nodiscard]] Lsn first() const { return first_; }
  [[nodiscard]] Lsn last() const { return last_; }
  [[nodiscard]] const std::vector<std::string>& gaps() const { return gaps_; }
  [[nodiscard]] std::uint64_t errnum(FateTable::Index command) const {
    const auto found = errnos_.find(command);
    return found == errnos_.end() ? 0 : found->second;
  }

 private:
  // Inside an epoch the lsns are contiguous: a gap is a decision that is lost.
  void decision(Lsn lsn) {
    if (first_ == 0) first_ = lsn;
    const bool same_epoch = storage::lsn_epoch(lsn) == storage::lsn_epoch(last_);
    if (last_ != 0 && same_epoch && lsn != last_ + 1 && gaps_.size() < kViolationsNamedMax) {
      gaps_.push_back("gap between lsn " + to_text(last_) + " and " + to_text(lsn));
    }
    last_ = lsn;
  }

  FateTable table_;
  std::uint64_t records_ = 0;
  std::set<std::string, std::less<>> files_;
  Lsn first_ = 0;
  Lsn last_ = 0;
  std::vector<std::string> gaps_;
  std::map<FateTable::Index, std::uint64_t> errnos_;  // of commands that failed at some time
  storage::CommandDecoder decoder_;
  storage::Outcome outcome_;
};

struct SnapshotVerdict {
  std::string name;
  Lsn last_lsn = 0;
  std::uint64_t bytes = 0;
  std::string problem;  // empty: whole, and a place of this log
};

struct Report {
  std::uint64_t segments = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::uint64_t fates[5] = {};  // by Fate
  std::optional<storage::TornTail> torn;
  LogBeginning beginning;
  std::vector<SnapshotVerdict> snapshots;  // newest first
  std::vector<std::string> parked;         // lsns
  std::vector<std::string> violations;

  [[nodiscard]] std::uint64_t count(storage::Fate fate) const {
    return fates[static_cast<std::size_t>(fate)];
  }
};

std::string_view key_word(storage::CommandKind kind) {
  using storage::CommandKind;
  if (kind == CommandKind::order_update) return "order";
  return kind == CommandKind::promo_put || kind == CommandKind::ticket_grant ? "promo" : "item";
}

std::string failed_text(const Checker& checker, FateTable::Index command) {
  const FateTable& table = checker.table();
  return "failed: " + std::string(to_text(table.kind(command))) + " " + table.id(command) + " (" +
         std::string(key_word(table.kind(command))) + " " + std::to_string(table.key(command)) +
         ", server error " + std::to_string(checker.errnum(command)) +
         "); it stays owed and is tried at each recovery";
}

Report judge(const Checker& checker, const storage::Result<storage::LogEnd>& end) {
  Report report;
  const FateTable& table = checker.table();
  report.segments = end ? end->segments : checker.segments();
  report.records = checker.records();
  if (end) report.bytes = end->bytes;
  if (end && end->tail == storage::LogTail::torn) report.torn = end->torn;
  if (!end) report.violations.push_back(end.error().message);
  for (FateTable::Index i = 0; i < table.size(); ++i) {
    const storage::Fate fate = table.fate(i);
    ++report.fates[static_cast<std::size_t>(fate)];
    if (fate == storage::Fate::failed && report.count(fate) <= kViolationsNamedMax) {
      report.violations.push_back(failed_text(checker, i));
    }
  }
  const auto& gaps = checker.gaps();
  report.violations.insert(report.violations.end(), gaps.begin(), gaps.end());
  if (table.strays() > 0) {
    report.violations.push_back(std::to_string(table.strays()) +
                                " outcomes fit no command, the first: " + table.first_stray());
  }
  return report;
}

// A backend that makes a newer one removes the oldest.
bool still_there(storage::Disk& disk, const std::string& dir, const std::string& name) {
  const auto all = storage::list_snapshots(disk, dir);
  return !all ||
         std::any_of(all->begin(), all->end(), [&](const auto& one) { return one.name == name; });
}

// Every checksum and the content hash; and that the log was at its position.
storage::Result<std::vector<SnapshotVerdict>> judge_snapshots(storage::Disk& disk,
                                                              const std::string& dir) {
  const auto all = storage::list_snapshots(disk, dir);
  if (!all) return all.error();
  std::vector<SnapshotVerdict> verdicts;
  for (const auto& snapshot : *all) {
    SnapshotVerdict verdict{snapshot.name, snapshot.last_lsn, snapshot.bytes, {}};
    const auto facts = storage::check_snapshot(disk, dir, snapshot.name);
    if (!facts && !still_there(disk, dir, snapshot.name)) continue;
    if (!facts) verdict.problem = facts.error().message;
    if (facts) {
      storage::LogVisitor nobody;
      const auto& position = facts->header.position;
      const auto there = storage::read_closed(disk, dir, nobody, position, position.seg_no);
      if (!there) verdict.problem = snapshot.name + " does not fit: " + there.error().message;
    }
    verdicts.push_back(std::move(verdict));
  }
  return verdicts;
}

// Unless reading has ended there and said so.
void add_missing(std::uint64_t number, const std::string& dir,
                 std::vector<std::string>& violations) {
  const auto what = "segment " + std::to_string(number) + " is missing";
  const bool said = std::any_of(violations.begin(), violations.end(), [&](const auto& one) {
    return one.find(what + ";") != std::string::npos;
  });
  if (!said)
    violations.push_back(
        what + " in " + dir +
        ", and it was not log.retain_s that removed it: put it back from a backup");
}

void print_json(const Report& report, std::ostream& out) {
  using nlohmann::ordered_json;
  ordered_json speaks_from;  // null: from the start
  if (!report.beginning.is_start()) speaks_from = to_text(report.beginning.speaks_from());
  auto snapshots = ordered_json::array();
  for (const auto& one : report.snapshots) {
    snapshots.push_back({{"name", one.name},
                         {"lsn", to_text(one.last_lsn)},
                         {"bytes", one.bytes},
                         {"ok", one.problem.empty()}});
  }
  ordered_json torn;  // null
  if (report.torn) torn = {{"file", report.torn->file}, {"offset", report.torn->offset}};
  const ordered_json result = {{"ok", report.violations.empty()},
                               {"segments", report.segments},
                               {"records", report.records},
                               {"executed", report.count(storage::Fate::executed)},
                               {"superseded", report.count(storage::Fate::superseded)},
                               {"failed", report.count(storage::Fate::failed)},
                               {"pending", report.count(storage::Fate::pending)},
                               {"torn", torn},
                               {"speaks_from", speaks_from},
                               {"snapshots", snapshots},
                               {"parked", report.parked},
                               {"violations", report.violations}};
  out << result.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << '\n';
}

void print_text(const Report& report, const Checker& checker, bool whole, std::ostream& out) {
  out << grouped(report.segments) << (report.segments == 1 ? " segment, " : " segments, ");
  if (whole) out << grouped(report.bytes) << " bytes, ";
  out << grouped(report.records) << " records";
  if (checker.first() != 0) {
    out << ", lsn " << to_text(checker.first()) << " … " << to_text(checker.last())
        << (checker.gaps().empty() ? " without gap" : "");
  }
  out << '\n';
  if (report.torn) {
    out << "checksums ok; " << grouped(report.torn->bytes)
        << " bytes of a torn write (a crash's normal trace) in " << report.torn->file
        << " at offset " << grouped(report.torn->offset) << '\n';
  } else if (whole) {
    out << "checksums ok; last record complete\n";
  }
  for (const auto& one : report.snapshots) {
    out << "snapshot: " << one.name << ", up to lsn " << to_text(one.last_lsn) << ", "
        << grouped(one.bytes) << " bytes" << (one.problem.empty() ? ", whole" : "") << '\n';
  }
  out << "commands: " << grouped(checker.table().size())
      << " emitted = " << grouped(report.count(storage::Fate::executed)) << " executed + "
      << grouped(report.count(storage::Fate::superseded)) << " superseded + "
      << grouped(report.count(storage::Fate::failed)) << " failed + "
      << grouped(report.count(storage::Fate::pending)) << " pending\n";
  for (const auto& violation : report.violations) out << "VIOLATION " << violation << '\n';
  if (report.violations.empty()) out << "OK\n";
}

}  // namespace

int run_log_verify(const ToolOptions& options, const std::string& given, std::ostream& out,
                   std::ostream& err) {
  const auto dir = existing_log_dir(options, given);
  if (!dir) return report_error(err, dir.error());
  storage::PosixDisk disk;
  auto beginning = log_beginning(disk, *dir);
  if (!beginning) return report_error(err, beginning.error());
  auto snapshots = judge_snapshots(disk, *dir);
  if (!snapshots) return report_error(err, snapshots.error());
  auto checker = std::make_unique<Checker>(beginning->speaks_from());
  auto end = storage::read_log(disk, *dir, *checker, beginning->position);
  while (!end && begins_later_now(disk, *dir, *beginning)) {
    checker = std::make_unique<Checker>(beginning->speaks_from());
    end = storage::read_log(disk, *dir, *checker, beginning->position);
  }
  say_beginning(err, *beginning);
  if (!end && end.error().code != Errc::corrupt) return report_error(err, end.error());
  Report report = judge(*checker, end);
  report.beginning = *beginning;
  report.snapshots = std::move(*snapshots);
  const auto parked = storage::list_parked(disk, *dir);
  if (!parked) return report_error(err, parked.error());
  for (const auto& record : *parked) {
    report.parked.push_back(to_text(record.lsn));
    report.violations.push_back(parked_text(record));
  }
  for (const auto& one : report.snapshots) {
    if (!one.problem.empty()) report.violations.push_back(one.problem);
  }
  const auto missing = storage::missing_segments(disk, *dir);
  if (!missing) return report_error(err, missing.error());
  for (const auto number : *missing) add_missing(number, *dir, report.violations);
  if (options.json) {
    print_json(report, out);
  } else {
    print_text(report, *checker, static_cast<bool>(end), out);
  }
  out.flush();
  return report.violations.empty() ? kExitDone : kExitViolation;
}

}  // namespace stampede::tools
