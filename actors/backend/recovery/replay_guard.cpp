#include "actors/backend/recovery/replay_guard.h"

#include <atomic>
#include <new>
#include <utility>

#include "config/faults/failpoint.h"

namespace stampede::actors {

using storage::Status;

ReplayVerdict judge_last_replay(ReplayTrace& trace,
                                const std::vector<storage::ParkedRecord>& parked) {
  const Lsn at = std::exchange(trace.applying, 0);
  const bool by_itself = std::exchange(trace.by_itself, 0) != 0;
  const bool stood = std::exchange(trace.stood_at, 0) == at;
  if (at == 0) return ReplayVerdict::go_on;
  if (!by_itself && !stood) return ReplayVerdict::outside;
  if (at != trace.crashed_at) trace.crashes = 0;
  trace.crashed_at = at;
  if (++trace.crashes < kReplayCrashesMax) return ReplayVerdict::count;
  const bool again = storage::is_parked(parked, at);
  if (!again && parked.size() >= kParkedByItselfMax) return ReplayVerdict::too_many;
  trace.crashes = 0;
  return again ? ReplayVerdict::unreadable : ReplayVerdict::park;
}

Status ReplayGuard::apply(LogFold& fold, const storage::BatchInfo& batch,
                          const storage::RecordView& record) try {
  note(record.lsn);
  auto applied = Status(storage::Done{});
  if (storage::is_parked(parked_, record.lsn)) {
    applied = pass_over(fold, batch, record);
  } else {
    config::failpoint("replay_record", [&] { return storage::to_text(record.lsn); });
    applied = fold.on_record(batch, record);
  }
  note(0);
  return applied;
} catch (const std::bad_alloc&) {
  note(0);  // memory that runs out is no record's fault
  throw;
} catch (...) {
  trace_.by_itself = 1;
  throw;
}

Status ReplayGuard::pass_over(LogFold& fold, const storage::BatchInfo& batch,
                              const storage::RecordView& record) {
  config::failpoint("pass_over", [&] { return storage::to_text(record.lsn); });
  const auto item = fold.park(batch, record);
  if (!item) return item.error();
  passed_over_.push_back({record.lsn, *item});
  return storage::Done{};
}

// A process that dies takes no store back; only the compiler might move one.
void ReplayGuard::note(Lsn lsn) {
  std::atomic_ref<Lsn>(trace_.applying).store(lsn, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

}  // namespace stampede::actors
