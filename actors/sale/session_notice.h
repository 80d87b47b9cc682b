#pragma once

// Sessions that come and go, as webapps tell the backend and hear of it. Pure; thread-safe. Values;
// views point into the bytes that they were read from.

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "storage/commands/command.h"

namespace stampede::actors {

// The numbers stand in the log (REVOKE), too.
enum class SessionEvent : std::uint8_t {
  invalid = 0,
  ended = 1,     // by its user, who logged out
  replaced = 2,  // by a newer session of its user
  barred = 3,    // a bar: all of a user's that were opened up to a moment, by the operator
  opened = 4,    // it is the newest of its user, and replaces the one that was so before
};

// What a session is known by when it has ended: of its user and its id (`jti`), so that ids that
// are no more than counted end nobody else's.
using SessionHash = std::array<std::uint64_t, 2>;

// BLAKE2b-128, unkeyed: webapps make it, and none of them has the key of the log. `user` up to 64
// bytes.
[[nodiscard]] SessionHash session_hash(std::string_view user, std::string_view id);

// A session's token is taken until its `exp` and a leeway behind it; the clocks of two nodes may
// differ by as much again. So long behind `exp` it is known that it has ended.
inline constexpr std::int64_t kSessionKnownMs = 10'000;

// A bar is known by the hash of its user and no id, and for so long behind its moment that no
// session of then is left: so until when it is known tells the moment, too.
inline constexpr std::int64_t kSessionLifeMsMax = std::int64_t{366} * 86'400'000;
inline constexpr std::int64_t kBarKnownMs = kSessionLifeMsMax + kSessionKnownMs;
[[nodiscard]] SessionHash bar_hash(std::string_view user);

// What a webapp has to say of one: that it was `opened`, or has `ended`.
struct SessionNotice {
  SessionEvent what = SessionEvent::invalid;
  std::string_view user;
  std::string_view id;          // its `jti`; not empty
  std::int64_t expires_ms = 0;  // its `exp`, Unix time
};

// One that has ended, as webapps are told.
struct EndedSession {
  SessionHash session{};
  SessionEvent what = SessionEvent::invalid;
  std::int64_t left_ms = 0;    // for so long from now on it is to be known
  std::int64_t opened_ms = 0;  // of a bar: the moment, Unix time

  bool operator==(const EndedSession&) const = default;
};

// Those that ended behind an lsn.
struct EndedSessionsPage {
  storage::Lsn upto = 0;  // so far: go on behind it
  bool more = false;      // there are more behind `upto`
  std::vector<EndedSession> rows{};
};
inline constexpr std::uint32_t kEndedSessionsPageMax = 1000;  // rows

}  // namespace stampede::actors
