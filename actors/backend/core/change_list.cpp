#include "actors/backend/core/change_list.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "config/process/invariant.h"

namespace stampede::actors {

void ChangeList::begin(Lsn lsn) {
  changes_.clear();
  floor_ = lsn;
}

void ChangeList::note(std::uint64_t item, Lsn lsn, bool terms) {
  STAMPEDE_ASSERT(lsn >= (changes_.empty() ? floor_ : changes_.back().lsn),
                  "changes are noted in the order of their lsns");
  changes_.push_back({lsn, item & kItemIdMax, terms ? 1U : 0U});
  if (changes_.size() <= changes_max_) return;
  floor_ = changes_.front().lsn;
  changes_.pop_front();
}

ItemChanges ChangeList::behind(Lsn since, Lsn durable, std::size_t limit,
                               std::vector<std::uint64_t>& items) const {
  if (since < floor_ || since > durable) return {durable, false, true};
  ItemChanges found{since, false, false};
  std::unordered_map<std::uint64_t, std::uint32_t> places;
  std::set<std::uint32_t> terms;
  auto at = std::upper_bound(changes_.begin(), changes_.end(), since,
                             [](Lsn lsn, const Change& change) { return lsn < change.lsn; });
  for (; at != changes_.end() && !found.more; ++at) {
    const auto place = static_cast<std::uint32_t>(items.size());
    const std::uint64_t item = at->item;
    if (places.size() >= limit && places.count(item) == 0) {
      found.more = true;
      continue;
    }
    const auto [entry, added] = places.try_emplace(item, place);
    if (added) items.push_back(item);
    if (at->terms != 0) terms.insert(entry->second);
    found.upto = at->lsn;
  }
  if (!found.more) found.upto = durable;
  found.terms.assign(terms.begin(), terms.end());
  return found;
}

}  // namespace stampede::actors
