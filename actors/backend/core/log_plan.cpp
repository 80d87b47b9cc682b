#include "actors/backend/core/log_plan.h"

#include <algorithm>
#include <utility>

#include "storage/commands/command.h"

namespace stampede::actors {

void LogPlan::add(AppendPtr append) {
  decisions_ += append->decisions;
  bytes_ += append->records.size();
  waiting_.push_back(std::move(append));
}

std::size_t LogPlan::next_frame(std::vector<std::string_view>& parts, storage::BatchHead& head) {
  parts.clear();
  head.count = 0;
  head.level = storage::FeatureLevel::format_1;
  head.first_lsn = waiting_.front()->first_lsn;
  std::size_t bytes = 0;
  bool decided = false;
  for (const auto& append : waiting_) {
    if (!parts.empty() && bytes + append->records.size() > storage::kBatchRecordsBytesMax) break;
    if (!decided) head.first_lsn = append->first_lsn;
    decided = decided || append->decisions > 0;
    bytes += append->records.size();
    head.count += append->count;
    head.level = std::max(head.level, append->level);
    parts.push_back(append->records);
  }
  return in_frame_ = parts.size();
}

void LogPlan::written() {
  seal_due_ = false;
  for (; in_frame_ > 0; --in_frame_) {
    const auto& append = waiting_.front();
    decisions_ -= append->decisions;
    bytes_ -= append->records.size();
    seal_due_ = seal_due_ || append->decisions > 0;
    waiting_.pop_front();
  }
}

std::string LogPlan::seal_records() {
  std::string payload;
  std::string records;
  storage::encode_seal(payload);
  storage::append_record(records, storage::RecordType::seal, payload);
  return records;
}

}  // namespace stampede::actors
