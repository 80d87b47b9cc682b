#include "actors/auth/token_clerk.h"

#include <utility>

#include "actors/node/node_log.h"
#include "config/process/wall_clock.h"

namespace stampede::actors {

namespace {
constexpr std::int64_t kKeysAgainMs = 1000;
}

TokenClerk::TokenClerk(caf::actor_config& config, TokenKeys keys, TokenRules rules,
                       ReadKeys read_keys)
    : SteadyActor(config),
      rules_(std::move(rules)),
      verifier_(std::move(keys), rules_),
      read_keys_(std::move(read_keys)),
      keys_read_ms_(config::wall_ms()) {}

void TokenClerk::act() {
  work_until_end<TokenAsksPtr>([&](const TokenAsksPtr& asks) {
    if (asks->read_keys)
      read_keys();
    else
      answer(*asks);
  });
}

void TokenClerk::answer(const TokenAsks& asks) {
  auto verdicts = std::make_shared<std::vector<TokenVerdict>>();
  verdicts->reserve(asks.asks.size());
  for (const auto& ask : asks.asks) verdicts->push_back(judge(ask));
  caf::anon_send(asks.from, TokenVerdictsPtr(std::move(verdicts)));
}

TokenVerdict TokenClerk::judge(const TokenAsk& ask) {
  const auto now_ms = config::wall_ms();
  auto verdict = verifier_.verify(ask.token, now_ms);
  if (verdict.why == kUnknownKey && renew_keys()) verdict = verifier_.verify(ask.token, now_ms);
  const auto left_ms = verdict.session.expires_ms + rules_.leeway_s * 1000 - now_ms;
  return {ask.number, std::move(verdict), left_ms};
}

bool TokenClerk::renew_keys() {
  const auto now_ms = config::wall_ms();
  if (now_ms >= keys_read_ms_ && now_ms - keys_read_ms_ < kKeysAgainMs) return false;
  return read_keys();
}

bool TokenClerk::read_keys() {
  keys_read_ms_ = config::wall_ms();
  auto keys = read_keys_();
  if (const auto* fault = std::get_if<std::string>(&keys)) {
    log_warning("the keys of sessions stay as they are: " + *fault);
    return false;
  }
  verifier_ = TokenVerifier(std::get<TokenKeys>(std::move(keys)), rules_);
  return true;
}

}  // namespace stampede::actors
