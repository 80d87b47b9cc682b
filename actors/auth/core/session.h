#pragma once

// Who asks, as a token says it that was verified. Values: whoever holds one owns it, any thread.

#include <cstdint>
#include <string>
#include <string_view>

#include "actors/sale/codes.h"
#include "actors/sale/session_notice.h"

namespace stampede::actors {

// A longer one is no token, whatever it says.
inline constexpr std::size_t kTokenBytesMax = 4096;

// Of the token that the system's own tools show; nobody's account.
inline constexpr std::string_view kServiceUser = "stampede";

struct Session {
  std::string user;             // its `sub`
  std::string id;               // its `jti`; empty: it has none
  bool service = false;         // may speak for every user: its `scope` has the word "service"
  std::int64_t expires_ms = 0;  // its `exp`, Unix time; a little later it is over (TokenRules)
  std::int64_t opened_ms = 0;   // its `iat`, Unix time; 0: it does not say
  SessionHash hash{};           // of user and id: what it is known by when it has ended
  SessionHash bar{};            // bar_hash(): what a bar of its user is known by

  // One without an id cannot be named, and a service is nobody's to end.
  [[nodiscard]] bool may_end() const { return !id.empty() && !service; }
};

// What was found of a token.
struct Verdict {
  Code code = Code::not_logged_in;  // none: `session` is who asks; or session_expired
  std::string_view why;             // of a refusal, for the operator: one or two words, a literal
  Session session;                  // of a session that is over, too
};

}  // namespace stampede::actors
