#include "storage/log/log_tail.h"

#include <array>
#include <cstring>

#include "config/process/invariant.h"

namespace stampede::storage {
namespace {

// Bytes before the zeros that end `bytes`. Eight words at a time: a fresh segment is 64 MiB of
// them.
std::uint64_t bytes_used(std::string_view bytes) {
  std::size_t end = bytes.size();
  std::array<std::uint64_t, 8> words{};
  while (end >= sizeof words) {
    std::memcpy(words.data(), bytes.data() + end - sizeof words, sizeof words);
    std::uint64_t any = 0;
    for (const auto word : words) any |= word;
    if (any != 0) break;
    end -= sizeof words;
  }
  while (end > 0 && bytes[end - 1] == '\0') --end;
  return end;
}

}  // namespace

TailVerdict judge_tail(std::string_view segment, std::uint64_t broken_at, std::uint64_t base,
                       std::uint64_t next_batch) {
  STAMPEDE_ASSERT(broken_at <= segment.size(), "the broken place lies in the segment");
  STAMPEDE_ASSERT(broken_at % kFrameAlign == 0, "batches start aligned");
  TailVerdict verdict;
  verdict.used_bytes = bytes_used(segment.substr(broken_at));
  const std::uint64_t end = broken_at + verdict.used_bytes;
  for (std::uint64_t at = broken_at; at < end; at += kFrameAlign) {
    const auto batch = decode_frame(segment.substr(at));
    if (!batch || batch->link.batch_no < next_batch) continue;
    if (batch->link.durable_pos <= base + broken_at) continue;
    verdict.witness = batch;
    verdict.witness_offset = at;
    break;
  }
  return verdict;
}

}  // namespace stampede::storage
