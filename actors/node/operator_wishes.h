#pragma once

// What an operator wants of the system until he says otherwise: <run>/operator.json, written by the
// supervisor and read by it and by each webapp as it starts, so that no start of a node sells what
// he has stopped. Stateless; blocks on the disk.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>

namespace stampede::actors {

struct OperatorWishes {
  std::int64_t drained_ms = 0;    // since 1970; orders are refused. 0: they are taken
  std::set<std::string> stopped;  // nodes that are not to run
  std::optional<int> webapps;     // so many are to run; empty: as many as at the system's start

  [[nodiscard]] bool drained() const { return drained_ms != 0; }
  [[nodiscard]] bool any() const { return drained() || !stopped.empty() || webapps; }
  bool operator==(const OperatorWishes&) const = default;
};

// Without a file, or of one that makes no sense: no wishes.
OperatorWishes read_operator_wishes(const std::filesystem::path& run_dir);
// False: they could not be written, and what was there stays. No wishes: the file goes.
bool write_operator_wishes(const std::filesystem::path& run_dir, const OperatorWishes& wishes);

}  // namespace stampede::actors
