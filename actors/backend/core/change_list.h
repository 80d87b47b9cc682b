#pragma once

// Which items changed durably, by lsn: for webapps that ask what changed since they asked last.
// Owned by BackendCore; pure, one thread. An item is named by its id; one that changes all the time
// is listed once for each log append.
//
// Bound: the newest `changes_max` changes are listed, 16 bytes each. Who asks for what lies further
// back, or for something that no change of this list can follow, begins anew.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "actors/sale/request.h"

namespace stampede::actors {

class ChangeList {
 public:
  explicit ChangeList(std::size_t changes_max = kChangesMax) : changes_max_(changes_max) {}

  // All that is noted from now on lies behind `lsn`; what is listed goes.
  void begin(Lsn lsn);
  // Ascending. `terms`: not its units alone.
  void note(std::uint64_t item, Lsn lsn, bool terms = true);
  // Items that changed behind `since`, the longest ago first, at most `limit`, each once. `upto`
  // is `durable` when there are no more: a change behind that is not listed yet. `terms` holds the
  // places in `items` of those whose terms may have changed.
  [[nodiscard]] ItemChanges behind(Lsn since, Lsn durable, std::size_t limit,
                                   std::vector<std::uint64_t>& items) const;

 private:
  static constexpr std::size_t kChangesMax = std::size_t{1} << 17U;
  struct Change {
    Lsn lsn;
    std::uint64_t item : 63;  // no id is larger
    std::uint64_t terms : 1;
  };
  std::size_t changes_max_;
  Lsn floor_ = 0;  // what lies behind it is listed
  std::deque<Change> changes_;
};

}  // namespace stampede::actors
