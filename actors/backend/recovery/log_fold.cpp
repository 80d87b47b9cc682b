#include "actors/backend/recovery/log_fold.h"

#include <algorithm>

namespace stampede::actors {

namespace {

using storage::Errc;
using storage::Error;
using storage::RecordType;
using storage::SnapshotSection;
using storage::Status;

Error contradiction(const storage::BatchInfo& batch, const storage::RecordView& record) {
  return {Errc::corrupt, "log segment " + std::string(batch.file) + " at offset " +
                             std::to_string(batch.offset) + ": the decision lsn " +
                             storage::to_text(record.lsn) +
                             " contradicts what the log said before; nothing was changed"};
}

Error unreadable(const storage::BatchInfo& batch, const storage::RecordView& record) {
  return {Errc::corrupt, "log segment " + std::string(batch.file) + " at offset " +
                             std::to_string(batch.offset) + ": the parked lsn " +
                             storage::to_text(record.lsn) +
                             " cannot be read, so that nobody knows which item must not be sold; "
                             "nothing was changed"};
}

Error senseless(std::string_view what) {
  return {Errc::corrupt, "its checksums are right but its " + std::string(what) +
                             " make no sense; a faulty program wrote it"};
}

}  // namespace

Status LogFold::on_record(const storage::BatchInfo& batch, const storage::RecordView& record) {
  switch (record.type) {
    case RecordType::emit:
      return emit(batch, record);
    case RecordType::reject:
      return reject(batch, record);
    case RecordType::revoke:
      return revoke(batch, record);
    case RecordType::exec:
      note_executed(record);
      break;
    default:
      break;
  }
  return replay_.record(record);
}

Status LogFold::emit(const storage::BatchInfo& batch, const storage::RecordView& record) {
  if (!decoder_.command_set(record.payload, set_)) return contradiction(batch, record);
  if (auto kept = storage::is_kept(record, set_); !kept) return kept;
  if (!book_.replay_set(set_, record.lsn)) return contradiction(batch, record);
  return replay_.emit(record.lsn, record.payload, set_);
}

Status LogFold::reject(const storage::BatchInfo& batch, const storage::RecordView& record) {
  storage::Rejection rejection;
  if (!decoder_.rejection(record.payload, rejection)) return contradiction(batch, record);
  if (auto kept = storage::is_kept("a rejection", record, rejection.level); !kept) return kept;
  if (!book_.replay_rejection(rejection, record.lsn)) return contradiction(batch, record);
  return replay_.record(record);
}

Status LogFold::revoke(const storage::BatchInfo& batch, const storage::RecordView& record) {
  if (auto folded = replay_.record(record); !folded) return folded;
  storage::RevokeRecord revoked;
  const bool taken =
      decoder_.control(record.payload, revoked) && book_.replay_revoke(revoked, record.lsn);
  return taken ? Status(storage::Done{}) : contradiction(batch, record);
}

storage::Result<std::uint64_t> LogFold::park(const storage::BatchInfo& batch,
                                             const storage::RecordView& record) {
  if (record.type == RecordType::reject) {
    storage::Rejection rejection;
    if (!decoder_.rejection(record.payload, rejection)) return unreadable(batch, record);
    if (auto kept = storage::is_kept("a rejection", record, rejection.level); !kept)
      return kept.error();
    book_.park_rejection(rejection, record.lsn);
    if (auto folded = replay_.record(record); !folded) return folded.error();
    return rejection.item;
  }
  // A session that goes on: nothing that is sold depends on it.
  if (record.type == RecordType::revoke) {
    if (auto folded = replay_.record(record); !folded) return folded.error();
    return storage::kNoNumber;
  }
  if (!decoder_.command_set(record.payload, set_) || set_.empty()) return unreadable(batch, record);
  if (auto kept = storage::is_kept(record, set_); !kept) return kept.error();
  const auto item = book_.park_set(set_, record.lsn);
  if (auto folded = replay_.emit(record.lsn, record.payload, set_); !folded) return folded.error();
  return item;
}

void LogFold::note_executed(const storage::RecordView& record) {
  if (!decoder_.outcome(record.payload, outcome_)) return;  // the fold reports it
  auto& of_lane = executed_by_lane_[outcome_.lane];
  for (std::size_t i = 1; i < outcome_.numbers.size(); i += 2)
    of_lane = std::max(of_lane, outcome_.numbers[i]);
  max_executed_ = std::max(max_executed_, of_lane);
}

// --- snapshots ----------------------------------------------------------------------------------

storage::SnapshotSummary LogFold::summary() const {
  storage::SnapshotSummary summary;
  book_.count(summary);
  replay_.count(summary);
  summary.max_executed = max_executed_;
  return summary;
}

void LogFold::save(storage::SnapshotSink& sink) const {
  storage::EntryWriter out(sink.level());
  sink.add(SnapshotSection::summary, encode(out, summary()));
  book_.save(sink);
  replay_.save(sink);
  book_.save_promos(sink);
  replay_.save_updates(sink);
  book_.save_payments(sink);
  replay_.save_grants(sink);
  book_.save_tickets(sink);
  book_.save_sessions(sink);
}

Status LogFold::load(const storage::SnapshotBlock& block) {
  storage::EntryReader in(block.entries, block.level);
  bool sound = false;
  switch (block.section) {
    case SnapshotSection::summary:
      sound = !promised_ && load_summary(in) && in.at_end();
      break;
    case SnapshotSection::items:
    case SnapshotSection::users:
    case SnapshotSection::known:
    case SnapshotSection::rejections:
    case SnapshotSection::promos:
    case SnapshotSection::held:
    case SnapshotSection::payments:
    case SnapshotSection::grants:
    case SnapshotSection::tickets:
    case SnapshotSection::ended_sessions:
    case SnapshotSection::newest_sessions:
      sound = promised_ && book_.load(block.section, in, block.count) && in.at_end();
      break;
    case SnapshotSection::owed_orders:
    case SnapshotSection::owed_puts:
    case SnapshotSection::owed_amounts:
    case SnapshotSection::owed_promos:
    case SnapshotSection::owed_updates:
    case SnapshotSection::owed_stock:
    case SnapshotSection::owed_grants:
      sound = promised_ && replay_.load(block);
      break;
    case SnapshotSection::invalid:
    case SnapshotSection::end:
      break;
  }
  if (sound) return storage::Done{};
  return senseless("entries of section " +
                   std::to_string(static_cast<std::uint32_t>(block.section)));
}

bool LogFold::load_summary(storage::EntryReader& in) {
  storage::SnapshotSummary summary;
  if (!decode(in, summary) || summary.known >= OrderBook::kEntriesMax ||
      summary.users >= OrderBook::kEntriesMax || summary.items >= OrderBook::kEntriesMax)
    return false;
  promised_ = summary;
  book_.reserve(summary);
  replay_.load(summary);
  max_executed_ = summary.max_executed;
  return true;
}

Status LogFold::loaded() const {
  if (!promised_) return senseless("sections are not there; they");
  auto now = summary();
  now.rejections_max = promised_->rejections_max;
  if (promised_->rejections > now.rejections) now.rejections = promised_->rejections;  // fewer kept
  if (now == *promised_) return storage::Done{};
  return senseless("numbers of entries");
}

}  // namespace stampede::actors
