#pragma once

// Reads a whole log with a visitor of one's own, from where it begins; again, with a new visitor,
// when a working backend has removed the oldest segments meanwhile. Blocks.

#include <unistd.h>

#include <memory>
#include <string>

#include "tools/log/log_beginning.h"

namespace stampede::tools {

// Whoever only looks takes no processor from the sale that goes on beside.
inline void let_others_go_first() {
  [[maybe_unused]] const int priority = ::nice(10);
}

// `make(beginning)` gives a std::unique_ptr of a LogVisitor; afterwards `reader` has what it saw up
// to the end of the log, or to the error.
template <class Reader, class Make>
storage::Result<LogBeginning> read_whole(storage::Disk& disk, const std::string& dir,
                                         std::unique_ptr<Reader>& reader, Make&& make) {
  auto beginning = log_beginning(disk, dir);
  if (!beginning) return beginning.error();
  while (true) {
    reader = make(*beginning);
    const auto end = storage::read_log(disk, dir, *reader, beginning->position);
    if (end) return beginning;
    if (!begins_later_now(disk, dir, *beginning)) return end.error();
  }
}

}  // namespace stampede::tools
