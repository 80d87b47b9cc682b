#include "actors/recovery.h"

#include <algorithm>
#include <utility>

#include "config/invariant.h"

namespace stampede::actors {

namespace {

using storage::Errc;
using storage::Error;
using storage::RecordType;
using storage::Status;

// Builds memory and the list of owed commands while the log is being verified. All of it is thrown
// away when the log turns out to be damaged.
class Rebuild : public storage::LogVisitor {
 public:
  Rebuild(const BackendLimits& limits,
          const std::function<void(const storage::BatchInfo&)>& on_batch, RecoveredLog& out)
      : limits_(limits), on_batch_(on_batch), out_(out) {}

  Status on_log(const storage::LogUuid& uuid) override {
    out_.core = std::make_unique<BackendCore>(uuid, limits_);
    return storage::Done{};
  }

  Status on_batch(const storage::BatchInfo& batch) override {
    on_batch_(batch);
    return storage::Done{};
  }

  Status on_record(const storage::BatchInfo& batch, const storage::RecordView& record) override {
    switch (record.type) {
      case RecordType::emit:
        return emit(batch, record);
      case RecordType::reject:
        return reject(batch, record);
      case RecordType::exec:
        note_executed(record);
        break;
      default:
        break;
    }
    return out_.fold.record(record);
  }

 private:
  Status emit(const storage::BatchInfo& batch, const storage::RecordView& record) {
    if (!decoder_.command_set(record.payload, set_) ||
        !out_.core->book().replay_set(set_, record.lsn))
      return contradiction(batch, record);
    return out_.fold.emit(record.lsn, record.payload, set_);
  }

  Status reject(const storage::BatchInfo& batch, const storage::RecordView& record) {
    storage::Rejection rejection;
    if (!decoder_.rejection(record.payload, rejection) ||
        !out_.core->book().replay_rejection(rejection, record.lsn))
      return contradiction(batch, record);
    return out_.fold.record(record);
  }

  void note_executed(const storage::RecordView& record) {
    if (!decoder_.outcome(record.payload, outcome_)) return;  // the fold reports it
    for (std::size_t i = 1; i < outcome_.numbers.size(); i += 2)
      out_.max_executed = std::max(out_.max_executed, outcome_.numbers[i]);
  }

  static Error contradiction(const storage::BatchInfo& batch, const storage::RecordView& record) {
    return {Errc::corrupt, "log segment " + std::string(batch.file) + " at offset " +
                               std::to_string(batch.offset) + ": the decision lsn " +
                               storage::to_text(record.lsn) +
                               " contradicts what the log said before; nothing was changed"};
  }

  BackendLimits limits_;
  const std::function<void(const storage::BatchInfo&)>& on_batch_;
  RecoveredLog& out_;
  storage::CommandDecoder decoder_;
  std::vector<storage::Command> set_;
  storage::Outcome outcome_;
};

ItemChange owed_put(storage::CommandDecoder& decoder, const storage::OwedPut& owed) {
  std::vector<storage::Command> set;
  STAMPEDE_ASSERT(decoder.command_set(owed.payload, set), "the log's own records decode");
  const auto& put = set[owed.position].put;
  ItemChange change;
  change.item = put.item;
  change.put_first = change.put_lsn = owed.lsn;
  change.name = put.name;
  change.price_cents = put.price_cents;
  change.total = put.total;
  change.limit_per_user = put.limit_per_user;
  change.max_qty = put.max_qty;
  return change;
}

}  // namespace

storage::Result<RecoveredLog> recover_log(
    storage::Disk& disk, const std::string& dir, const BackendLimits& limits,
    const std::function<void(const storage::BatchInfo&)>& on_batch) {
  RecoveredLog recovered;
  Rebuild rebuild(limits, on_batch, recovered);
  auto end = storage::read_log(disk, dir, rebuild);
  if (!end) return end.error();
  recovered.end = *std::move(end);
  return recovered;
}

storage::Result<std::uint64_t> take_over_epoch(storage::LogWriter& writer, BackendCore& core,
                                               const storage::LogEnd& end, std::int64_t wall_ns,
                                               std::uint32_t pid) {
  const auto epoch = std::max(end.chain.epoch, storage::lsn_epoch(end.last_lsn)) + 1;
  std::string payload;
  std::string records;
  storage::encode_epoch(payload, epoch, wall_ns);
  storage::append_record(records, RecordType::epoch, payload);
  const std::string_view parts[] = {records};
  auto written = writer.append(parts, {epoch, storage::make_lsn(epoch, 1), 1, wall_ns, pid});
  if (written) written = writer.sync();
  if (!written) return written.error();
  core.set_phase(Phase::replaying);
  core.take_over(epoch, end.last_lsn);
  return epoch;
}

void hand_over_owed(BackendCore& core, const storage::ReplayFold& fold, std::uint64_t rows_max) {
  const auto owed = fold.owed();
  auto append = std::make_shared<Append>();
  const auto close = [&] {
    if (append->inserts > 0 || !append->items.empty()) core.add_owed(append);
    append = std::make_shared<Append>();
  };
  for (const auto& order : owed.orders) {
    storage::append_record(append->records, RecordType::emit, order.payload);
    if (append->lsns.empty()) append->first_lsn = order.lsn;
    append->lsns.push_back(order.lsn);
    append->last_lsn = order.lsn;
    ++append->count, ++append->decisions, ++append->inserts;
    if (append->inserts >= rows_max) close();
  }
  close();
  storage::CommandDecoder decoder;
  for (const auto& put : owed.puts) append->items.push_back(owed_put(decoder, put));
  for (const auto& amount : owed.amounts) {
    auto& change = append->items.emplace_back();
    change.item = amount.item;
    change.first = change.last = amount.lsn;
    change.amount = amount.amount;
  }
  close();
}

}  // namespace stampede::actors
