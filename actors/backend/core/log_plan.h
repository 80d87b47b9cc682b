#pragma once

// What the log keeper writes next: which waiting appends make one frame, and when a SEAL is due.
// Pure and single-threaded; the shell supplies clock and disk.
//
// Appends with decisions are written at once. Outcomes alone wait for company until the log has
// been idle; so does the SEAL that follows a batch with decisions, and a SEAL is never sealed.

#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "actors/backend/core/projection.h"
#include "storage/log/log_format.h"

namespace stampede::actors {

class LogPlan {
 public:
  void add(AppendPtr append);

  // True when something must be written now; `idle`: nothing came for the idle time.
  [[nodiscard]] bool due(bool idle) const { return decisions_ > 0 || (!waiting_.empty() && idle); }
  [[nodiscard]] bool seal_due() const { return seal_due_; }  // once idle and nothing else is due
  [[nodiscard]] bool empty() const { return waiting_.empty(); }
  [[nodiscard]] std::size_t waiting_bytes() const { return bytes_; }

  // The next frame: fills `parts` and `head` (count, first_lsn, level) from the oldest appends, as
  // many as one frame holds; returns how many. They stay until written() is called.
  std::size_t next_frame(std::vector<std::string_view>& parts, storage::BatchHead& head);
  // The frame that next_frame gave is durable.
  void written();

  // The records of a SEAL batch, and that it was written.
  [[nodiscard]] static std::string seal_records();
  void sealed() { seal_due_ = false; }

 private:
  std::deque<AppendPtr> waiting_;
  std::size_t bytes_ = 0;
  std::uint64_t decisions_ = 0;
  std::size_t in_frame_ = 0;  // appends that next_frame has given out
  bool seal_due_ = false;
};

}  // namespace stampede::actors
