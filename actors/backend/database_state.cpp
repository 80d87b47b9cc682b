#include "actors/backend/database_state.h"

#include <algorithm>
#include <utility>

#include "storage/mysql/sql_advice.h"

namespace stampede::actors {

using nlohmann::json;

void DatabaseState::asks(const std::string& who, Micros now) {
  const std::lock_guard lock(mutex_);
  askers_[who].asked_at = now;
}

void DatabaseState::answered(const std::string& who) {
  const std::lock_guard lock(mutex_);
  askers_[who] = {};
}

void DatabaseState::failed(const std::string& who, const storage::Error& error, Micros now) {
  const std::lock_guard lock(mutex_);
  auto& asker = askers_[who];
  // A server that was asked in vain was away since then.
  if (asker.failed_at < 0) asker.failed_at = asker.asked_at < 0 ? now : asker.asked_at;
  asker.asked_at = -1;
  asker.error = error;
}

void DatabaseState::leaves(const std::string& who) {
  const std::lock_guard lock(mutex_);
  askers_.erase(who);
}

bool DatabaseState::settings(const std::vector<std::string>& unsafe) {
  const std::lock_guard lock(mutex_);
  return std::exchange(unsafe_, unsafe) != unsafe;
}

DatabaseState::Trouble DatabaseState::trouble_of(const Asker& asker, Micros now) {
  if (asker.failed_at >= 0) {
    const bool refused = storage::database_answered(asker.error.sql_number);
    return {asker.failed_at, refused ? "refused" : "unreachable", asker.error.message};
  }
  if (asker.asked_at < 0 || now - asker.asked_at < kSilent) return {};
  return {asker.asked_at, "unreachable",
          "no answer for " + std::to_string((now - asker.asked_at) / kSeconds) +
              " s: the server hangs, waits for a lock or is slow; see SHOW PROCESSLIST"};
}

json DatabaseState::report(bool claimed, Micros now) const {
  const std::lock_guard lock(mutex_);
  Trouble oldest;
  for (const auto& [who, asker] : askers_) {
    auto trouble = trouble_of(asker, now);
    if (trouble.state == nullptr) continue;
    if (oldest.state == nullptr || trouble.since < oldest.since) oldest = std::move(trouble);
  }
  json out{{"state", claimed ? "ok" : "unknown"}, {"unsafe", unsafe_}};
  if (oldest.state == nullptr) return out;
  out["state"] = oldest.state;
  out["why"] = oldest.why;
  out["for_s"] = static_cast<double>(std::max<Micros>(0, now - oldest.since)) / 1e6;
  return out;
}

}  // namespace stampede::actors
