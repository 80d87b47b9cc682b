#include "actors/auth/password_clerk.h"

#include <sodium.h>
#include <sys/resource.h>

#include <utility>

#include "actors/auth/account_replies.h"
#include "actors/auth/core/token_keys.h"
#include "actors/node/node_log.h"
#include "config/process/wall_clock.h"

namespace stampede::actors {

namespace {

constexpr std::size_t kSessionIdBytes = 16;  // random
constexpr int kNice = 10;
constexpr auto kNoMemory = "there is no memory for a password's hash";

// Of the calling thread alone: Linux knows a priority of each.
void give_way_to_orders() {
  ::setpriority(PRIO_PROCESS, 0, kNice);
}

std::string new_session_id() {
  std::string bytes(kSessionIdBytes, '\0');
  ::randombytes_buf(bytes.data(), bytes.size());
  return to_base64url(bytes);
}

void forget(std::string& password) {
  ::sodium_memzero(password.data(), password.size());
}

}  // namespace

PasswordClerk::PasswordClerk(caf::actor_config& config, ReadMint read_mint, std::int64_t session_s,
                             std::shared_ptr<AccountTries> tries)
    : SteadyActor(config),
      read_mint_(std::move(read_mint)),
      session_s_(session_s),
      tries_(std::move(tries)) {}

void PasswordClerk::act() {
  give_way_to_orders();
  work_until_end<AccountWorkPtr>([&](const AccountWorkPtr& work) { work_on(work); });
}

void PasswordClerk::work_on(const AccountWorkPtr& work) {
  if (waited_too_long(*work)) return refuse_too_late(*work);
  if (auto* ask = std::get_if<LoginAsk>(&work->ask)) {
    auto reply = log_in(*work, *ask);
    forget(ask->password);
    return send_reply(*work, std::move(reply));
  }
  auto& account = std::get<SignUpAsk>(work->ask).account;
  auto hash = hash_password(account.password);
  forget(account.password);
  if (!hash) {
    log_warning(kNoMemory);
    return refuse_overloaded(*work, kNoMemory);
  }
  work->hash = std::move(*hash);
  caf::anon_send(work->keeper, work);
}

LoginReply PasswordClerk::log_in(const AccountWork& work, const LoginAsk& ask) {
  LoginReply reply;
  reply.number = ask.number;
  const auto found = check(work, ask);
  if (found == PasswordCheck::right) {
    open_session(work, reply);
  } else if (found == PasswordCheck::no_memory) {
    log_warning(kNoMemory);
    reply.code = Code::overloaded;
    reply.detail = kNoMemory;
  } else {
    reply.code = Code::not_logged_in;
  }
  return reply;
}

// The same work whoever it is: without an account, or a try of it left, one hash that none fits.
PasswordCheck PasswordClerk::check(const AccountWork& work, const LoginAsk& ask) {
  const bool known = !work.user.empty();
  const bool may_try = known && tries_->begin(work.user, ask.address, config::steady_us());
  auto found = check_password(may_try ? work.hash : std::string{}, ask.password);
  if (found == PasswordCheck::right && work.locked) found = PasswordCheck::wrong;
  if (may_try)
    tries_->end(work.user, ask.address, found == PasswordCheck::wrong, config::steady_us());
  return found;
}

// The key is read anew each time: it may have been changed, and costs nothing beside the hash.
void PasswordClerk::open_session(const AccountWork& work, LoginReply& reply) {
  const auto mint = read_mint_();
  if (const auto* fault = std::get_if<std::string>(&mint)) {
    log_warning("nobody can log in: " + *fault);
    reply.code = Code::internal;
    return;
  }
  Session session;
  session.user = work.user;
  session.id = new_session_id();
  session.expires_ms = (work.opened_ms / 1000 + session_s_) * 1000;
  reply.code = Code::none;
  reply.user = session.user;
  reply.jti = session.id;
  reply.expires_ms = session.expires_ms;
  reply.token = std::get<TokenMint>(mint).mint(session, work.opened_ms);
}

}  // namespace stampede::actors
