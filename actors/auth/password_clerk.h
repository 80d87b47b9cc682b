#pragma once

// The actor that computes passwords' hashes beside a webapp's port, and signs the tokens of those
// who log in. Detached; one thread, of lower priority than the port's: orders come first. There are
// two of them.
//
// Mail: AccountWorkPtr. A log-in whose account was looked for is answered by a LoginReplyPtr to its
// `from`: an unknown user, a wrong password, a locked account and one
// whose tries are used up alike, after the same work. A
// sign-up goes to `keeper` with its hash. What waited for too long (AccountDesk::kWaitUs) is
// answered `overloaded` without any work.

#include <caf/all.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "actors/auth/account_mail.h"
#include "actors/auth/account_tries.h"
#include "actors/auth/core/token_mint.h"
#include "actors/auth/password/password_hash.h"
#include "actors/node/steady_actor.h"

namespace stampede::actors {

class PasswordClerk : public SteadyActor {
 public:
  using ReadMint = std::function<std::variant<TokenMint, std::string>()>;

  // `read_mint` is called for each session, in the actor's thread, and may block. Sessions last
  // `session_s` seconds. All clerks of a webapp share `tries`.
  PasswordClerk(caf::actor_config& config, ReadMint read_mint, std::int64_t session_s,
                std::shared_ptr<AccountTries> tries);

  const char* name() const override { return "passwords"; }
  void act() override;

 private:
  void work_on(const AccountWorkPtr& work);
  LoginReply log_in(const AccountWork& work, const LoginAsk& ask);
  [[nodiscard]] PasswordCheck check(const AccountWork& work, const LoginAsk& ask);
  void open_session(const AccountWork& work, LoginReply& reply);

  ReadMint read_mint_;
  std::int64_t session_s_;
  std::shared_ptr<AccountTries> tries_;
};

}  // namespace stampede::actors
