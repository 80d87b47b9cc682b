#include "actors/webapp/core/result_cache.h"

namespace stampede::actors {

void ResultCache::queued(std::string_view id, std::string_view user) {
  const auto [found, is_new] = results_.try_emplace(std::string(id));
  auto& entry = found->second;
  if (is_new)
    entry.user = user;
  else
    entry.disputed = entry.disputed || entry.user != user;
  ++entry.open;
}

bool ResultCache::is_of(std::string_view id, std::string_view user) const {
  const auto found = results_.find(id);
  return found != results_.end() && !found->second.disputed && found->second.user == user;
}

void ResultCache::settle(std::string_view id, const Answer& answer, std::int64_t now_us) {
  const auto found = results_.find(id);
  if (found == results_.end()) return;
  auto& entry = found->second;
  if (entry.open > 0) --entry.open;
  entry.result = CachedResult{false, answer, Code::none, 0};
  keep(found->first, entry, now_us);
}

void ResultCache::refuse(std::string_view id, Code code, std::int64_t now_us,
                         std::int64_t retry_us) {
  const auto found = results_.find(id);
  if (found == results_.end()) return;
  auto& entry = found->second;
  if (entry.open > 0) --entry.open;
  if (!entry.result.queued && entry.result.code == Code::none) return;
  entry.result = CachedResult{false, {}, code, retry_us};
  keep(found->first, entry, now_us);
}

void ResultCache::keep(const std::string& id, Entry& entry, std::int64_t now_us) {
  entry.settled_as = next_number_++;
  order_.push_back({&id, now_us + ttl_us_, entry.settled_as});
  while (order_.size() > settled_max_) drop_oldest();
}

void ResultCache::forget(std::string_view id) {
  const auto found = results_.find(id);
  if (found == results_.end()) return;
  auto& entry = found->second;
  if (entry.open > 0) --entry.open;
  if (entry.open == 0 && entry.settled_as == 0) results_.erase(found);
}

void ResultCache::expire(std::int64_t now_us) {
  while (!order_.empty() && order_.front().expires_us <= now_us) drop_oldest();
}

// An id that was settled again later, or has another order waiting, stays.
void ResultCache::drop_oldest() {
  const auto& oldest = order_.front();
  const auto found = results_.find(*oldest.id);
  if (found != results_.end() && found->second.settled_as == oldest.number) {
    if (found->second.open == 0) {
      results_.erase(found);
    } else {
      found->second.result = CachedResult{};
      found->second.settled_as = 0;
    }
  }
  order_.pop_front();
}

const CachedResult* ResultCache::find(std::string_view id) const {
  static const CachedResult kQueued;
  if (results_.empty()) return nullptr;  // without a look at memory that nobody used
  const auto found = results_.find(id);
  if (found == results_.end()) return nullptr;
  const auto& entry = found->second;
  const bool answered = !entry.result.queued && entry.result.code == Code::none;
  return answered || entry.open == 0 ? &entry.result : &kQueued;
}

}  // namespace stampede::actors
