#include "actors/node/core/repeated_lines.h"

#include <algorithm>

namespace stampede::actors {

void RepeatedLines::forget_quiet(std::int64_t now_ms) {
  std::erase_if(seen_, [&](const auto& entry) {
    return entry.second.more == 0 && now_ms - entry.second.began_ms >= kWindowMs;
  });
}

bool RepeatedLines::on_line(std::int64_t now_ms, int level, std::string_view text) {
  if (text.size() > kTextMax) return true;
  Key key{level, std::string(text)};
  auto at = seen_.find(key);
  if (at == seen_.end()) {
    if (seen_.size() >= kLinesMax) forget_quiet(now_ms);
    if (seen_.size() >= kLinesMax) return true;
    at = seen_.emplace(std::move(key), Seen{now_ms, 0, 0}).first;
  }
  auto& seen = at->second;
  // A window without a line too many leaves nothing to tell: the next one begins here.
  if (seen.more == 0 && now_ms - seen.began_ms >= kWindowMs) seen = {now_ms, 0, 0};
  if (seen.written < kWritten) {
    ++seen.written;
    return true;
  }
  ++seen.more;
  return false;
}

std::vector<RepeatedLine> RepeatedLines::pop_over(std::int64_t now_ms) {
  std::vector<RepeatedLine> told;
  for (auto& [key, seen] : seen_) {
    if (seen.more == 0 || now_ms - seen.began_ms < kWindowMs) continue;
    told.push_back({key.first, key.second, seen.more});
    seen = {now_ms, kWritten, 0};  // it goes on, perhaps: then it is only counted
  }
  return told;
}

std::vector<RepeatedLine> RepeatedLines::pop_all() {
  std::vector<RepeatedLine> told;
  for (auto& [key, seen] : seen_)
    if (const auto more = std::exchange(seen.more, 0); more != 0)
      told.push_back({key.first, key.second, more});
  return told;
}

std::optional<std::int64_t> RepeatedLines::next_ms() const {
  std::optional<std::int64_t> next;
  for (const auto& [key, seen] : seen_)
    if (seen.more != 0)
      next = std::min(next.value_or(seen.began_ms + kWindowMs), seen.began_ms + kWindowMs);
  return next;
}

}  // namespace stampede::actors
