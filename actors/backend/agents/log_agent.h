#pragma once

// The log's agent: owns what waits to be made durable and the LogWriter, and makes all that has
// arrived durable as one batch: one write, one sync. Whoever runs it (the actor `log`, or a
// simulator) supplies time and thread, and carries out what the outlet hears:
//
//   on_appends ──▶ begin ──▶ write ──▶ sync ──▶ outlet.durable
//                    ▲ false: nothing is due before next_look()
//
// Appends without a decision (outcomes only) wait for the next batch, at most kLogIdle; the same
// pause after a batch with decisions writes a SEAL, so that the last answered batch gets a
// successor that vouches for it. The next segment is made elsewhere while this one is being filled.
//
// Blocks on the disk in write() and sync(), which belong to one thread with everything else here.
// After an error of either nothing may be asked of it any more: the process ends with 74.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/backend/agents/micros.h"
#include "actors/backend/core/log_plan.h"
#include "storage/log/log_writer.h"
#include "storage/result.h"

namespace stampede::actors {

inline constexpr Micros kLogIdle = 10 * kMillis;
inline constexpr Micros kSpareRetry = kSeconds;  // a spare that could not be made is tried again

inline constexpr std::uint64_t kLogRoom = ~std::uint64_t{0};

// What the agent says. Called in the agent's own calls; must not call back into it.
class LogOutlet {
 public:
  virtual void durable(std::uint64_t appends) = 0;  // so many of the appends, in their order
  // Have it made on some other thread, then on_spare(). False: not now, asked again later.
  virtual bool make_spare(storage::SegmentMaker maker) = 0;
  // Changed: so many bytes of records may be on their way to the log (kLogRoom: as many as will),
  // see BackendCore::set_log_room. 0: no room but for outcomes, nothing new may be decided.
  virtual void room(std::uint64_t bytes) = 0;
  virtual void no_spare(const storage::Error& why) = 0;  // the first time only

 protected:
  ~LogOutlet() = default;
};

class LogAgent {
 public:
  // `pid` stands in each batch, for people.
  LogAgent(std::shared_ptr<storage::LogWriter> writer, std::uint64_t epoch, std::uint32_t pid,
           LogOutlet& outlet, Micros now);

  void on_appends(std::vector<AppendPtr> appends, Micros now);
  void on_spare(storage::Result<storage::SpareSegment>& made, Micros now);
  // Asks the outlet for a spare segment if one is wanted; call it whenever something happened.
  void want_spare(Micros now);

  // Makes the next batch ready if one is due. `all`: whatever waits is due.
  [[nodiscard]] bool begin(Micros now, std::int64_t wall_ns, bool all = false);
  // The batch that begin() has made ready: its records and its head.
  [[nodiscard]] const std::vector<std::string_view>& parts() const { return parts_; }
  [[nodiscard]] const storage::BatchHead& head() const { return head_; }
  // In the file on return, not durable. Errors: those of LogWriter::append; after Errc::full there
  // is no room, as was said, and the same batch is to be written again later.
  [[nodiscard]] storage::Status write();
  // Durable on return, and said so. Errors: those of LogWriter::sync.
  [[nodiscard]] storage::Status sync();

  // When to look again though nothing arrives; never: nothing waits for time alone.
  static constexpr Micros kNever = INT64_MAX;
  [[nodiscard]] Micros next_look(Micros now) const;
  [[nodiscard]] std::size_t waiting_bytes() const { return plan_.waiting_bytes(); }
  [[nodiscard]] bool empty() const { return plan_.empty() && !writing_; }
  [[nodiscard]] const storage::LogWriter& writer() const { return *writer_; }

 private:
  [[nodiscard]] bool idle(Micros now) const { return now - last_appends_ >= kLogIdle; }
  void seal(std::int64_t wall_ns);
  void tell_room();

  std::shared_ptr<storage::LogWriter> writer_;
  std::uint64_t epoch_;
  std::uint32_t pid_;
  LogOutlet& outlet_;
  LogPlan plan_;
  std::vector<std::string_view> parts_;
  storage::BatchHead head_;
  std::string seal_;
  std::uint64_t in_batch_ = 0;  // appends
  bool sealing_ = false;
  bool writing_ = false;   // a batch is begun and not durable
  bool rest_due_ = false;  // what waited with a batch that was due is due, too
  Micros last_appends_;
  bool making_spare_ = false;
  Micros next_spare_ = 0;  // 0: the last one could be made
  Micros put_off_until_ = 0;
  bool blocked_ = false;  // a batch that was begun finds no room
  std::uint64_t room_ = kLogRoom;
};

}  // namespace stampede::actors
