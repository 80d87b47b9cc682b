#include "actors/supervisor/core/recovery_list.h"

#include <algorithm>
#include <utility>

namespace stampede::actors {

void RecoveryList::ended(const std::string& node, const std::string& cause, std::int64_t now_ms,
                         std::int64_t wall_ms) {
  const auto open = open_.find(node);
  if (open != open_.end() && open->second.ready_ms < 0) {  // it ended again before it was ready
    if (auto* recovery = at(open->second.number)) recovery->cause = cause;
    ++changes_;
    open->second.replay_began_ms = -1;
    return;
  }
  add({node, cause, wall_ms});
  open_[node] = {first_ + all_.size() - 1, now_ms};
}

void RecoveryList::restore(std::deque<Recovery> earlier) {
  all_ = std::move(earlier);
  ++changes_;
}

void RecoveryList::add(Recovery recovery) {
  all_.push_back(std::move(recovery));
  ++changes_;
  if (all_.size() <= kKept) return;
  all_.pop_front();
  ++first_;
}

void RecoveryList::replays(const std::string& node, std::int64_t now_ms) {
  const auto open = open_.find(node);
  if (open != open_.end() && open->second.replay_began_ms < 0)
    open->second.replay_began_ms = now_ms;
}

void RecoveryList::ready(const std::string& node, std::int64_t now_ms) {
  const auto open = open_.find(node);
  if (open == open_.end() || open->second.ready_ms >= 0) return;
  open->second.ready_ms = now_ms;
  auto* recovery = at(open->second.number);
  if (recovery == nullptr) return;
  ++changes_;
  recovery->duration_ms = now_ms - open->second.ended_ms;
  if (open->second.replay_began_ms >= 0)
    recovery->replay_ms = now_ms - open->second.replay_began_ms;
}

void RecoveryList::given_up(const std::string& node) {
  const auto open = open_.find(node);
  if (open == open_.end()) return;
  if (open->second.ready_ms < 0 && open->second.number + 1 == first_ + all_.size() &&
      open->second.number >= first_) {
    all_.pop_back();
    ++changes_;
  }
  open_.erase(open);
}

void RecoveryList::asked_again(const std::string& node, std::uint64_t instance,
                               std::uint64_t requests, std::int64_t now_ms) {
  auto& webapp = webapps_[node];
  const auto before = webapp.instance == instance ? webapp.requests : 0;
  webapp = {instance, requests};
  const auto more = requests - std::min(before, requests);
  for (auto open = open_.begin(); open != open_.end();) {
    const auto here = open++;
    const auto& [number, ended, replay, ready] = here->second;
    if (auto* recovery = at(number); recovery != nullptr && more > 0) {
      recovery->asked_again += more;
      ++changes_;
    }
    if (ready >= 0 && now_ms - ready > kCountedAfterMs) open_.erase(here);
  }
}

Recovery* RecoveryList::at(std::size_t number) {
  return number < first_ ? nullptr : &all_[number - first_];
}

}  // namespace stampede::actors
