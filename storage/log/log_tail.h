#pragma once

// Judges what follows the last readable batch of a log: nothing, a batch torn by a crash, or damage
// to something that once was durable. Pure functions over one segment's bytes.
//
// A checksum alone cannot tell the second from the third. But every batch says how far the log was
// known durable when it was written: one later batch that vouches for the broken place proves
// damage. Without such a witness the broken batch was the one in flight, never acknowledged.

#include <cstdint>
#include <optional>
#include <string_view>

#include "storage/log/log_format.h"

namespace stampede::storage {

struct TailVerdict {
  std::uint64_t used_bytes = 0;  // up to the last byte that is not zero; 0: a clean end
  // A later batch that proves the broken place was durable, and its offset in the segment.
  std::optional<BatchHeader> witness;
  std::uint64_t witness_offset = 0;
};

// `segment`: all bytes of the last segment. `broken_at`: offset where no valid batch starts.
// `base`: the segment's global position. `next_batch`: the number the broken batch should have.
TailVerdict judge_tail(std::string_view segment, std::uint64_t broken_at, std::uint64_t base,
                       std::uint64_t next_batch);

}  // namespace stampede::storage
