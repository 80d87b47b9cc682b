#pragma once

// A snapshot's entries as they were saved, in their order, and read back one by one.

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "storage/snapshot/snapshot_entries.h"

namespace stampede::actors {

struct SavedEntries final : storage::SnapshotSink {
  void add(storage::SnapshotSection section, std::string_view entry) override {
    entries.emplace_back(section, entry);
  }
  // visit(entry) for each of a section.
  template <class Entry, class Visit>
  void each(storage::SnapshotSection wanted, Visit&& visit) const {
    for (const auto& [section, bytes] : entries) {
      if (section != wanted) continue;
      storage::EntryReader in(bytes);
      Entry entry;
      REQUIRE(decode(in, entry));
      visit(entry);
    }
  }
  // visit(section, entry) for each.
  template <class Entry, class Visit>
  void each(Visit&& visit) const {
    for (const auto& [section, bytes] : entries) {
      storage::EntryReader in(bytes);
      Entry entry;
      REQUIRE(decode(in, entry));
      visit(section, entry);
    }
  }

  std::vector<std::pair<storage::SnapshotSection, std::string>> entries;
};

}  // namespace stampede::actors
