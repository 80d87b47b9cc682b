#include "actors/webapp/core/result_cache.h"

namespace stampede::actors {

void ResultCache::queued(std::string_view id) {
  auto& entry = results_[std::string(id)];
  ++entry.open;
}

void ResultCache::settle(std::string_view id, const CachedResult& result, std::int64_t now_us) {
  const auto found = results_.find(id);
  if (found == results_.end()) return;
  auto& entry = found->second;
  if (entry.open > 0) --entry.open;
  entry.result = result;
  entry.result.queued = false;
  entry.settled_as = next_number_++;
  order_.push_back({&found->first, now_us + ttl_us_, entry.settled_as});
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
  const auto found = results_.find(id);
  return found == results_.end() ? nullptr : &found->second.result;
}

}  // namespace stampede::actors
