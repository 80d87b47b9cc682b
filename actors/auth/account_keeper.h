#pragma once

// The actor that asks the database about accounts, beside a webapp's port and never on an order's
// way. Detached; one thread, one session of its own (AccountStore). It looks accounts up and stores
// new ones; passwords are the PasswordClerks'.
//
// Mail: AccountWorkPtr, from the HTTP actor and back from a clerk. While the database is away every
// ask is answered `overloaded`: the one that finds out waits for the time-outs, those behind it do
// not, and once a second one tries again. What waited for too long (AccountDesk::kWaitUs) is
// answered `overloaded`, too. What became of a sign-up that is answered so may have to be asked by
// signing up again.

#include <caf/all.hpp>
#include <cstdint>
#include <vector>

#include "actors/auth/account_mail.h"
#include "actors/node/steady_actor.h"
#include "storage/mysql/account_store.h"

namespace stampede::actors {

class AccountKeeper : public SteadyActor {
 public:
  // `database`: its time-outs are set here. The clerks get work by turns.
  AccountKeeper(caf::actor_config& config, storage::DbOptions database,
                std::vector<caf::actor> clerks);

  const char* name() const override { return "accounts"; }
  void act() override;

 private:
  void work_on(const AccountWorkPtr& work);
  void find(const AccountWorkPtr& work, const LoginAsk& ask);
  void look_whether_free(const AccountWorkPtr& work, const NewAccount& account);
  void store(const AccountWork& work, const SignUpAsk& ask);
  void pass_on(const AccountWorkPtr& work);
  void database_failed(const AccountWork& work, const storage::Error& error);
  void database_answered();

  storage::AccountStore store_;
  std::vector<caf::actor> clerks_;
  std::size_t next_clerk_ = 0;
  std::int64_t again_us_ = 0;  // the database is away: not asked before
  bool away_ = false;          // as it was told
};

}  // namespace stampede::actors
