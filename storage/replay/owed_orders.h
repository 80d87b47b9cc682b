#pragma once

// The OrderInserts that no EXEC has named yet, with their payloads, in log order. Memory follows
// what is owed, not the length of the log: executed ranges give theirs back.
// Part of ReplayFold. Thread-compatible: one thread. No I/O, no errors.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/lsn.h"

namespace stampede::storage {

struct OwedOrder {
  Lsn lsn = 0;
  std::uint32_t position = 0;  // in its command set
  std::uint32_t tries = 0;     // refused so often by the database; tried again at each recovery
  std::string_view payload;    // of its EMIT record
};

class OwedOrders {
 public:
  static constexpr std::size_t kNewestKept = 8;

  // lsns never decrease. Copies the payload.
  void add(Lsn lsn, std::uint32_t position, std::string_view payload);

  // Every order at `position` of the sets from … to (inclusive) is stored. Ranges may name sets
  // without such an order, and orders named before: neither counts.
  struct Settled {
    std::uint64_t count = 0;
    Lsn first = 0;          // the lowest of them
    std::vector<Lsn> last;  // the highest of them, ascending, kNewestKept at most
  };
  Settled executed(std::uint32_t position, Lsn from, Lsn to);
  // Refused `tries` times by now, at least 1.
  void failed(std::uint32_t position, Lsn lsn, std::uint32_t tries);

  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::uint64_t failed_count() const { return failed_; }

  // In lsn order. The payloads stay valid until this object is fed again or destroyed; moving it
  // keeps them.
  [[nodiscard]] std::vector<OwedOrder> list() const;

 private:
  struct Entry {
    Lsn lsn;
    std::uint32_t offset;
    std::uint32_t size;
    std::uint32_t position;
    std::uint32_t tries;
    bool done;
  };
  struct Chunk {
    std::vector<Entry> entries;  // ascending by lsn
    std::string bytes;           // their payloads
    std::size_t done = 0;
  };

  [[nodiscard]] std::size_t first_chunk(Lsn from) const;
  void tidy(std::size_t first, std::size_t last);

  std::vector<std::unique_ptr<Chunk>> chunks_;  // none of them empty
  std::uint64_t size_ = 0;
  std::uint64_t failed_ = 0;
};

}  // namespace stampede::storage
