#include "actors/auth/password_clerk.h"

#include <sodium.h>
#include <sys/resource.h>

#include <utility>

#include "actors/auth/account_replies.h"
#include "actors/auth/core/token_keys.h"
#include "actors/auth/password/password_hash.h"
#include "actors/node/node_log.h"
#include "config/process/wall_clock.h"

namespace stampede::actors {

namespace {

constexpr std::size_t kSessionIdBytes = 16;  // random
constexpr int kNice = 10;

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

PasswordClerk::PasswordClerk(caf::actor_config& config, ReadMint read_mint, std::int64_t session_s)
    : SteadyActor(config), read_mint_(std::move(read_mint)), session_s_(session_s) {}

void PasswordClerk::act() {
  give_way_to_orders();
  work_until_end<AccountWorkPtr>([&](const AccountWorkPtr& work) { work_on(work); });
}

void PasswordClerk::work_on(const AccountWorkPtr& work) {
  if (waited_too_long(*work)) return refuse(*work, Code::overloaded);
  if (auto* ask = std::get_if<LoginAsk>(&work->ask)) {
    auto reply = log_in(*work, *ask);
    forget(ask->password);
    return send_reply(*work, std::move(reply));
  }
  auto& account = std::get<SignUpAsk>(work->ask).account;
  auto hash = hash_password(account.password);
  forget(account.password);
  if (!hash) {
    log_warning("there is no memory for a password's hash");
    return refuse(*work, Code::overloaded);
  }
  work->hash = std::move(*hash);
  caf::anon_send(work->keeper, work);
}

LoginReply PasswordClerk::log_in(const AccountWork& work, const LoginAsk& ask) {
  LoginReply reply;
  reply.number = ask.number;
  const auto check = check_password(work.hash, ask.password);
  const bool is_he = check == PasswordCheck::right && !work.user.empty();
  const bool may = is_he && !work.locked;
  if (may) {
    open_session(work.user, reply);
  } else if (check == PasswordCheck::no_memory) {
    log_warning("there is no memory for a password's hash");
    reply.code = Code::overloaded;
  } else {
    reply.code = Code::not_logged_in;
  }
  return reply;
}

// The key is read anew each time: it may have been changed, and costs nothing beside the hash.
void PasswordClerk::open_session(const std::string& user, LoginReply& reply) {
  const auto mint = read_mint_();
  if (const auto* fault = std::get_if<std::string>(&mint)) {
    log_warning("nobody can log in: " + *fault);
    reply.code = Code::internal;
    return;
  }
  const auto now_ms = config::wall_ms();
  Session session;
  session.user = user;
  session.id = new_session_id();
  session.expires_ms = (now_ms / 1000 + session_s_) * 1000;
  reply.code = Code::none;
  reply.user = session.user;
  reply.jti = session.id;
  reply.expires_ms = session.expires_ms;
  reply.token = std::get<TokenMint>(mint).mint(session, now_ms);
}

}  // namespace stampede::actors
