#pragma once

// A record that crashes replay twice is parked: replay passes over it from then on, so that one
// record cannot keep the whole sale from being served. What is judged here is what the last replays
// left behind in a trace that outlives the process (replay_trace_file.h has one).
//
// Only an end that the record itself brought about counts: what was thrown while it was applied
// (but not that memory ran out), a fault or a broken invariant of the thread that applied it, a
// record that stood still. A kill from outside, by the operator or by a kernel without memory, ends
// a replay at whichever record it happens to be at: no guilt of that record.
//
// Pure; one thread. What passing over means: LogFold::park and storage/log_format.md.

#include <cstdint>
#include <string>
#include <vector>

#include "actors/backend/recovery/log_fold.h"
#include "storage/log/parked_records.h"

namespace stampede::actors {

// All 0 when the last replay came to its end.
struct ReplayTrace {
  Lsn applying = 0;             // the decision that is being applied; 0: none
  Lsn crashed_at = 0;           // that of the last replay that died while it applied one
  std::uint64_t crashes = 0;    // so often there
  std::uint64_t by_itself = 0;  // not 0: the replay is ending because of what it applies
  Lsn stood_at = 0;             // the decision at which it stood still, last seen
};

enum class ReplayVerdict {
  go_on,       // the last replay did not die at a record
  outside,     // it did, but was ended from outside
  count,       // it did; not often enough
  park,        // twice at the same record: park it
  too_many,    // the same, but so many are parked that the fault is hardly theirs
  unreadable,  // twice at a record that is parked: not even its item can be told
};

inline constexpr std::uint64_t kReplayCrashesMax = 2;
inline constexpr std::size_t kParkedByItselfMax = 8;

// To be asked once, before a replay: counts the last one's death into `trace`, whose crashed_at the
// verdict speaks of. After park and unreadable the count begins anew.
ReplayVerdict judge_last_replay(ReplayTrace& trace,
                                const std::vector<storage::ParkedRecord>& parked);

// A record that replay has passed over.
struct PassedOver {
  Lsn lsn = 0;
  std::uint64_t item = 0;  // closed from now on
};

// Stands around each decision that replay applies.
class ReplayGuard {
 public:
  // `trace` outlives the guard; every store into it is at once where it outlives the process.
  ReplayGuard(std::vector<storage::ParkedRecord> parked, ReplayTrace& trace)
      : parked_(std::move(parked)), trace_(trace) {}

  // Errors: those of LogFold::on_record and park.
  storage::Status apply(LogFold& fold, const storage::BatchInfo& batch,
                        const storage::RecordView& record);
  [[nodiscard]] const std::vector<PassedOver>& passed_over() const { return passed_over_; }
  // The replay has come to its end.
  void finish() { trace_ = {}; }

 private:
  storage::Status pass_over(LogFold& fold, const storage::BatchInfo& batch,
                            const storage::RecordView& record);
  void note(Lsn lsn);

  std::vector<storage::ParkedRecord> parked_;
  std::vector<PassedOver> passed_over_;
  ReplayTrace& trace_;
};

}  // namespace stampede::actors
