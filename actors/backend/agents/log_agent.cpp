#include "actors/backend/agents/log_agent.h"

#include <algorithm>
#include <utility>

#include "config/faults/failpoint.h"
#include "config/process/invariant.h"

namespace stampede::actors {

LogAgent::LogAgent(std::shared_ptr<storage::LogWriter> writer, std::uint64_t epoch,
                   std::uint32_t pid, LogOutlet& outlet, Micros now)
    : writer_(std::move(writer)), epoch_(epoch), pid_(pid), outlet_(outlet), last_appends_(now) {}

void LogAgent::on_appends(std::vector<AppendPtr> appends, Micros now) {
  last_appends_ = now;
  for (auto& append : appends) plan_.add(std::move(append));
}

bool LogAgent::begin(Micros now, std::int64_t wall_ns, bool all) {
  STAMPEDE_ASSERT(!writing_, "one batch at a time");
  rest_due_ = !plan_.empty() && (rest_due_ || all || plan_.due(idle(now)));
  if (rest_due_) {
    head_ = {.epoch = epoch_, .wall_ns = wall_ns, .pid = pid_};
    in_batch_ = plan_.next_frame(parts_, head_);
  } else if (plan_.seal_due() && idle(now)) {
    seal(wall_ns);
  } else {
    return false;
  }
  return writing_ = true;
}

void LogAgent::seal(std::int64_t wall_ns) {
  config::failpoint("before_seal");
  seal_ = LogPlan::seal_records();
  parts_.assign(1, seal_);
  head_ = {.epoch = epoch_,
           .first_lsn = writer_->chain().next_lsn,
           .count = 1,
           .wall_ns = wall_ns,
           .pid = pid_};
  sealing_ = true;
}

storage::Status LogAgent::write() {
  STAMPEDE_ASSERT(writing_, "only a batch that was begun is written");
  auto written = writer_->append(parts_, head_);
  blocked_ = !written && written.error().code == storage::Errc::full;
  if (blocked_) tell_room();
  return written;
}

storage::Status LogAgent::sync() {
  if (auto synced = writer_->sync(); !synced) return synced;
  writing_ = false;
  tell_room();
  if (std::exchange(sealing_, false)) {
    plan_.sealed();
  } else {
    plan_.written();
    outlet_.durable(in_batch_);
  }
  return storage::Done{};
}

Micros LogAgent::next_look(Micros now) const {
  if (!plan_.empty() || plan_.seal_due()) return std::max(now, last_appends_ + kLogIdle);
  // A spare that could not be made is tried again although nobody writes: then nobody may.
  if (writer_->wants_spare() && !making_spare_) return std::max({now, next_spare_, put_off_until_});
  return kNever;
}

// --- spare segments and room ---------------------------------------------------------------------

void LogAgent::want_spare(Micros now) {
  const bool soon = now < next_spare_ || now < put_off_until_;
  if (making_spare_ || !writer_->wants_spare() || soon) return;
  making_spare_ = outlet_.make_spare(writer_->segment_maker());
  if (!making_spare_) put_off_until_ = now + kSpareRetry;
}

void LogAgent::on_spare(storage::Result<storage::SpareSegment>& made, Micros now) {
  making_spare_ = false;
  if (made) {
    writer_->give_spare(std::move(*made));
  } else {
    if (next_spare_ == 0) outlet_.no_spare(made.error());
    next_spare_ = now + kSpareRetry;
  }
  tell_room();
}

// Only a disk without room for a spare stops orders, not one that is still making it.
void LogAgent::tell_room() {
  const bool known = next_spare_ != 0 && writer_->wants_spare();
  const auto room = blocked_ ? 0 : known ? writer_->decision_room() : kLogRoom;
  if (!writer_->wants_spare()) next_spare_ = 0;
  if (std::exchange(room_, room) != room) outlet_.room(room);
}

}  // namespace stampede::actors
