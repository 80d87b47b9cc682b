// The clerk's mail: verdicts in the order of the asks, and keys that are new to it.

#include "actors/auth/token_clerk.h"

#include <doctest/doctest.h>

#include <caf/all.hpp>

#include "actors/auth/core/token_mint.h"
#include "config/process/wall_clock.h"

using namespace stampede;
using namespace stampede::actors;

namespace {

TokenMint mint_of(const std::string& kid) {
  return {kid, std::string(TokenMint::kSecretBytes, kid.front())};
}

TokenKeys keys_of(const std::vector<std::string>& kids) {
  TokenKeys keys;
  for (const auto& kid : kids) REQUIRE(keys.add(mint_of(kid).jwk_set(), KeyOwner::system) == "");
  return keys;
}

std::string token_of(const std::string& kid, const std::string& user, std::int64_t left_ms) {
  Session session;
  session.user = user;
  session.expires_ms = config::wall_ms() + left_ms;
  return mint_of(kid).mint(session, config::wall_ms());
}

class Clerk {
 public:
  explicit Clerk(TokenClerk::ReadKeys read)
      : clerk_(system_.spawn<TokenClerk, caf::detached>(keys_of({"a"}), TokenRules{},
                                                        std::move(read))) {}
  ~Clerk() { caf::anon_send_exit(clerk_, caf::exit_reason::user_shutdown); }

  void read_keys() {
    auto asks = std::make_shared<TokenAsks>();
    asks->read_keys = true;
    caf::anon_send(clerk_, TokenAsksPtr(asks));
  }

  TokenVerdictsPtr ask(const std::vector<std::string>& tokens) {
    auto asks = std::make_shared<TokenAsks>();
    asks->from = caf::actor_cast<caf::actor>(self_);
    for (const auto& token : tokens) asks->asks.push_back({asks->asks.size() + 1, token});
    caf::anon_send(clerk_, TokenAsksPtr(asks));
    TokenVerdictsPtr answer;
    self_->receive([&](const TokenVerdictsPtr& verdicts) { answer = verdicts; });
    REQUIRE(answer->size() == tokens.size());
    return answer;
  }

 private:
  caf::actor_system_config config_;
  caf::actor_system system_{config_};
  caf::scoped_actor self_{system_};
  caf::actor clerk_;
};

}  // namespace

TEST_CASE("each token gets its verdict, in its place") {
  Clerk clerk([]() -> std::variant<TokenKeys, std::string> { return "nobody asks"; });
  const auto verdicts = clerk.ask({token_of("a", "ann", 60'000), "no token",
                                   token_of("a", "bob", 600'000), token_of("a", "cid", -60'000)});
  const auto& all = *verdicts;
  for (std::size_t at = 0; at < all.size(); ++at) CHECK(all[at].number == at + 1);
  CHECK(all[0].verdict.session.user == "ann");
  CHECK((all[0].left_ms > 0 && all[0].left_ms <= 65'000));
  CHECK(all[1].verdict.code == Code::not_logged_in);
  CHECK(all[2].verdict.session.user == "bob");
  CHECK((all[2].left_ms > 500'000 && all[2].left_ms <= 605'000));
  CHECK(all[3].verdict.code == Code::session_expired);
}

TEST_CASE("a key that is new to it is looked up, at most once a second") {
  int reads = 0;
  Clerk clerk([&]() -> std::variant<TokenKeys, std::string> {
    ++reads;
    return keys_of({"a", "b"});
  });
  const auto new_key = [&] {
    return clerk.ask({token_of("b", "ann", 60'000)})->at(0).verdict.code;
  };
  const auto until = config::wall_ms() + 20'000;
  while (new_key() != Code::none && config::wall_ms() < until) {
  }
  CHECK(new_key() == Code::none);
  CHECK(reads == 1);
  for (int n = 0; n < 50; ++n) clerk.ask({token_of("c", "ann", 60'000)});
  CHECK(reads <= 2);
}

TEST_CASE("a key that was taken away counts no more once the keys are read anew") {
  Clerk clerk([]() -> std::variant<TokenKeys, std::string> { return keys_of({"b"}); });
  const auto code = [&] { return clerk.ask({token_of("a", "ann", 60'000)})->at(0).verdict.code; };
  CHECK(code() == Code::none);
  clerk.read_keys();
  CHECK(code() == Code::not_logged_in);
}

TEST_CASE("keys that cannot be read leave those that are known") {
  int reads = 0;
  Clerk clerk([&]() -> std::variant<TokenKeys, std::string> {
    ++reads;
    return "gone";
  });
  const auto until = config::wall_ms() + 20'000;
  while (reads == 0 && config::wall_ms() < until) clerk.ask({token_of("b", "ann", 60'000)});
  CHECK(reads > 0);
  CHECK(clerk.ask({token_of("a", "ann", 60'000)})->at(0).verdict.code == Code::none);
}
