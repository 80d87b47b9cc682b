#pragma once

// The drain worker of the Redis peer: reads the stream of orders and writes the contract's own
// tables, many rows in one transaction, acknowledges after the commit.

#include <chrono>
#include <cstdint>
#include <string>

namespace stampede::bench {

struct DrainTask {
  std::string redis_socket;
  std::string db_url;
  std::uint64_t expected = 0;  // rows; then it ends
  std::chrono::seconds give_up{120};
};

// Blocks until all rows are committed. Returns how many are; throws when one of the two servers
// refuses.
std::uint64_t drain(const DrainTask& task);

}  // namespace stampede::bench
