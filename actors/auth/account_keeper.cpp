#include "actors/auth/account_keeper.h"

#include <utility>

#include "actors/auth/account_replies.h"
#include "actors/node/node_log.h"
#include "config/process/wall_clock.h"

namespace stampede::actors {

namespace {

constexpr std::int64_t kAgainUs = 1'000'000;
constexpr auto kAway = "the database does not answer: nobody can log in or sign up now";

// Somebody waits: better no answer soon than one too late. The wait for a lock stays below that for
// an answer, so that the session outlives it.
storage::DbOptions impatient(storage::DbOptions options) {
  options.connect_timeout = std::chrono::seconds(2);
  options.read_timeout = options.write_timeout = std::chrono::seconds(3);
  options.lock_wait_timeout = std::chrono::seconds(2);
  return options;
}

}  // namespace

AccountKeeper::AccountKeeper(caf::actor_config& config, storage::DbOptions database,
                             std::vector<caf::actor> clerks)
    : SteadyActor(config), store_(impatient(std::move(database))), clerks_(std::move(clerks)) {}

void AccountKeeper::act() {
  work_until_end<AccountWorkPtr>([&](const AccountWorkPtr& work) { work_on(work); });
}

void AccountKeeper::work_on(const AccountWorkPtr& work) {
  if (config::steady_us() < again_us_) return refuse_overloaded(*work, kAway);
  if (waited_too_long(*work)) return refuse_too_late(*work);
  if (const auto* ask = std::get_if<LoginAsk>(&work->ask)) return find(work, *ask);
  const auto& ask = std::get<SignUpAsk>(work->ask);
  if (work->hash.empty())
    look_whether_free(work, ask.account);
  else
    store(*work, ask);
}

// A session is as old as the look that it rests on: an account that is locked behind the look is
// barred behind it, too, and the session with it, whenever its token is made.
void AccountKeeper::find(const AccountWorkPtr& work, const LoginAsk& ask) {
  work->opened_ms = config::wall_ms();
  const auto found = ask.by_phone ? store_.find_by_phone(ask.name) : store_.find(ask.name);
  if (!found) return database_failed(*work, found.error());
  database_answered();
  if (*found) {
    work->user = (*found)->user;
    work->hash = (*found)->password;
    work->locked = (*found)->locked;
  }
  pass_on(work);
}

// A hash for a name that is taken would be work for nothing.
void AccountKeeper::look_whether_free(const AccountWorkPtr& work, const NewAccount& account) {
  const auto same_user = store_.find(account.user);
  if (!same_user) return database_failed(*work, same_user.error());
  if (*same_user) return refuse_taken(*work, "user");
  if (!account.phone.empty()) {
    const auto same_phone = store_.find_by_phone(account.phone);
    if (!same_phone) return database_failed(*work, same_phone.error());
    if (*same_phone) return refuse_taken(*work, "phone");
  }
  database_answered();
  work->keeper = caf::actor_cast<caf::actor>(this);
  pass_on(work);
}

void AccountKeeper::store(const AccountWork& work, const SignUpAsk& ask) {
  const storage::AccountRow row{ask.account.user, ask.account.phone, work.hash, ask.account.name};
  const auto added = store_.add(row, config::wall_us());
  if (!added) return database_failed(work, added.error());
  if (*added == storage::AccountAdded::user_taken) return refuse_taken(work, "user");
  if (*added == storage::AccountAdded::phone_taken) return refuse_taken(work, "phone");
  SignUpReply reply;
  reply.number = ask.number;
  reply.code = Code::none;
  reply.user = row.user;
  send_reply(work, std::move(reply));
}

void AccountKeeper::pass_on(const AccountWorkPtr& work) {
  caf::anon_send(clerks_[next_clerk_], work);
  next_clerk_ = (next_clerk_ + 1) % clerks_.size();
}

void AccountKeeper::database_failed(const AccountWork& work, const storage::Error& error) {
  if (!std::exchange(away_, true)) log_warning("nobody can log in: " + error.message);
  again_us_ = config::steady_us() + kAgainUs;
  refuse_overloaded(work, kAway);
}

void AccountKeeper::database_answered() {
  if (std::exchange(away_, false)) log_info("the database answers again: accounts can log in");
}

}  // namespace stampede::actors
