#pragma once

// The actor that looks at tokens which a webapp does not know yet, beside its port: a signature of
// RS256 or ES256 takes some 50 us. Detached; one thread.
//
// Mail: TokenAsksPtr, answered by one TokenVerdictsPtr to its `from`, in the same order. How many
// may be on their way is the asker's to bound. When a token names a key that is not known, the key
// files are read anew, at most once a second: so a shop may change its keys while it sells. They
// are read anew where that is asked for, too: so it may take keys away.

#include <caf/all.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "actors/auth/core/session.h"
#include "actors/auth/core/token_verifier.h"
#include "actors/node/steady_actor.h"

namespace stampede::actors {

struct TokenAsk {
  std::uint64_t number = 0;  // the asker's name for it
  std::string token;
};

struct TokenAsks {
  caf::actor from;
  std::vector<TokenAsk> asks;
  bool read_keys = false;  // nothing is asked but that the key files are read anew
};

struct TokenVerdict {
  std::uint64_t number = 0;
  Verdict verdict;
  std::int64_t left_ms = 0;  // of a session: so long it may be used from now on
};

using TokenAsksPtr = std::shared_ptr<const TokenAsks>;
using TokenVerdictsPtr = std::shared_ptr<const std::vector<TokenVerdict>>;

class TokenClerk : public SteadyActor {
 public:
  using ReadKeys = std::function<std::variant<TokenKeys, std::string>()>;

  // `read_keys` is called in the actor's thread and may block.
  TokenClerk(caf::actor_config& config, TokenKeys keys, TokenRules rules, ReadKeys read_keys);

  const char* name() const override { return "tokens"; }
  void act() override;

 private:
  void answer(const TokenAsks& asks);
  [[nodiscard]] TokenVerdict judge(const TokenAsk& ask);
  bool renew_keys();  // not twice in a second
  bool read_keys();

  TokenRules rules_;
  TokenVerifier verifier_;
  ReadKeys read_keys_;
  std::int64_t keys_read_ms_;
};

}  // namespace stampede::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stampede::actors::TokenAsksPtr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stampede::actors::TokenVerdictsPtr)
