#pragma once

// Records of format 2 beside EMIT, REJECT and the outcomes; bytes and bounds in
// storage/log_format.md. Of them a backend of this version writes and follows REVOKE alone: the
// others are here so that the format is made once. Values; texts and bytes point into what they
// were decoded from.

#include <cstdint>
#include <string_view>

#include "storage/commands/sale_commands.h"
#include "storage/lsn.h"

namespace stampede::storage {

inline constexpr std::size_t kUuidBytes = 16;
inline constexpr std::size_t kSha256Bytes = 32;
inline constexpr std::size_t kShortTextBytesMax = 64;
inline constexpr std::size_t kConfigBytesMax = 60'000;

// The register that says who leads, as it was when its generation was logged.
struct HaRecord {
  std::uint64_t gen = 0;
  std::string_view cluster;
  std::uint64_t cluster_id = 0;
  std::string_view log_uuid;
  std::uint32_t mode = 0;  // 1 prefer, 2 require
  std::string_view leader;
  std::uint64_t epoch = 0;
  std::string_view standby;  // empty: none
  std::uint32_t level = 0;
  std::uint32_t paused = 0;
};

// The state after all decisions up to `lsn`.
struct HashRecord {
  Lsn lsn = 0;
  std::uint64_t items = 0;
  std::uint64_t confirmed = 0;
  std::string_view hash;
};

struct ConfigRecord {
  std::string_view name;
  std::uint64_t version = 0;
  std::string_view sha256;
  std::string_view value;
  std::int64_t decided_at_us = 0;
};

struct ClaimRecord {
  std::string_view request_hash;
  std::uint64_t content_hash = 0;
  std::uint32_t shard = 0;
  std::int64_t decided_at_us = 0;
};

// A session has ended, or is the newest of its user; actors/sale/session_book.h says what follows.
struct RevokeRecord {
  std::string_view token_hash;
  std::uint64_t user_hash = 0;
  std::int64_t expires_at_ms = 0;
  // 1 logged out, 2 replaced by a newer session, 3 by the operator; 4: it was opened, and replaces
  // the newest one of its user before it
  std::uint32_t reason = 0;
  std::int64_t decided_at_us = 0;
};

}  // namespace stampede::storage
