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

// Is every order a row, and is exactly that much stock gone? `stock` is what there was of all
// items.
bool books_agree(const std::string& db_url, std::uint64_t orders, std::uint64_t stock);

// Empties both tables and puts items 0 … items-1 with `amount` units each.
void prepare_tables(const std::string& db_url, std::uint64_t items, std::uint64_t amount);

}  // namespace stampede::bench
