// The clerk's mail: real hashes, real tokens, and one answer for all who may not.

#include "actors/auth/password_clerk.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <caf/all.hpp>
#include <chrono>

#include "actors/auth/account_replies.h"
#include "actors/auth/core/account_desk.h"
#include "actors/auth/core/token_verifier.h"
#include "actors/auth/password/password_hash.h"
#include "config/process/wall_clock.h"

using namespace stampede;
using namespace stampede::actors;

namespace {

constexpr std::int64_t kSessionS = 3600;
const std::string kPassword = "correct horse";

TokenMint mint() {
  return {"k", std::string(TokenMint::kSecretBytes, 'k')};
}

std::string hash_of(const std::string& password) {
  auto hash = hash_password(password);
  REQUIRE(hash);
  return *hash;
}

class Clerk {
 public:
  explicit Clerk(PasswordClerk::ReadMint read = [] { return mint(); })
      : clerk_(system_.spawn<PasswordClerk, caf::detached>(
            std::move(read), kSessionS, std::make_shared<AccountTries>(TriesKey{1, 2}))) {}
  ~Clerk() { caf::anon_send_exit(clerk_, caf::exit_reason::user_shutdown); }

  AccountWorkPtr work(std::variant<LoginAsk, SignUpAsk> ask) {
    auto work = std::make_shared<AccountWork>();
    work->from = work->keeper = caf::actor_cast<caf::actor>(self_);
    work->ask = std::move(ask);
    work->asked_us = config::steady_us();
    return work;
  }
  AccountWorkPtr login(const std::string& user, const std::string& hash,
                       const std::string& password) {
    LoginAsk ask;
    ask.number = ++number_;
    ask.name = "whoever";
    ask.password = password;
    auto made = work(std::move(ask));
    made->user = user;
    made->hash = hash;
    made->opened_ms = config::wall_ms() - opened_ago_ms;
    return made;
  }
  std::int64_t opened_ago_ms = 0;  // that the account was looked at

  LoginReply answer(const AccountWorkPtr& work) {
    caf::anon_send(clerk_, work);
    LoginReplyPtr reply;
    self_->receive([&](const LoginReplyPtr& got) { reply = got; });
    CHECK(reply->number == std::get<LoginAsk>(work->ask).number);
    return *reply;
  }
  AccountWorkPtr hashed(const AccountWorkPtr& work) {
    caf::anon_send(clerk_, work);
    AccountWorkPtr back;
    self_->receive([&](const AccountWorkPtr& got) { back = got; });
    return back;
  }

 private:
  caf::actor_system_config config_;
  caf::actor_system system_{config_};
  caf::scoped_actor self_{system_};
  caf::actor clerk_;
  std::uint64_t number_ = 0;
};

std::int64_t median_us(const std::function<void()>& call) {
  std::vector<std::int64_t> took;
  for (int n = 0; n < 5; ++n) {
    const auto began = config::steady_us();
    call();
    took.push_back(config::steady_us() - began);
  }
  std::sort(took.begin(), took.end());
  return took[2];
}

}  // namespace

TEST_CASE("a hash is Argon2id at the interactive cost, salted, and fits its column") {
  const auto first = hash_of(kPassword);
  CHECK(first.starts_with("$argon2id$v=19$m=65536,t=2,p=1$"));
  CHECK(first.size() <= kPasswordHashBytesMax);
  CHECK(first != hash_of(kPassword));
  CHECK(check_password(first, kPassword) == PasswordCheck::right);
  CHECK(check_password(first, kPassword + "x") == PasswordCheck::wrong);
  CHECK(check_password(first, std::string("correct\0horse", 13)) == PasswordCheck::wrong);
  for (const auto* none : {"", "x", "plain text", "$2y$10$abcdefghijklmnopqrstuv"})
    CHECK(check_password(none, none) == PasswordCheck::wrong);
}

TEST_CASE("who may log in gets a session that the system's own keys verify") {
  Clerk clerk;
  const auto before_ms = config::wall_ms();
  const auto reply = clerk.answer(clerk.login("ann", hash_of(kPassword), kPassword));
  REQUIRE(reply.code == Code::none);
  CHECK(reply.user == "ann");
  CHECK(reply.expires_ms % 1000 == 0);
  CHECK(reply.expires_ms > before_ms + (kSessionS - 2) * 1000);
  CHECK(reply.expires_ms <= config::wall_ms() + kSessionS * 1000);
  TokenKeys keys;
  REQUIRE(keys.add(mint().jwk_set(), KeyOwner::system) == "");
  const auto verdict =
      TokenVerifier(std::move(keys), TokenRules{}).verify(reply.token, config::wall_ms());
  REQUIRE(verdict.code == Code::none);
  CHECK(verdict.session.user == "ann");
  CHECK(verdict.session.id == reply.jti);
  CHECK(verdict.session.expires_ms == reply.expires_ms);
  CHECK_FALSE(verdict.session.service);
  CHECK(reply.jti.size() == 22);
  CHECK(clerk.answer(clerk.login("ann", hash_of(kPassword), kPassword)).jti != reply.jti);
}

TEST_CASE("a session is as old as the look at the account") {
  Clerk clerk;
  clerk.opened_ago_ms = 5000;
  const auto work = clerk.login("ann", hash_of(kPassword), kPassword);
  const auto reply = clerk.answer(work);
  TokenKeys keys;
  REQUIRE(keys.add(mint().jwk_set(), KeyOwner::system) == "");
  const auto session =
      TokenVerifier(std::move(keys), TokenRules{}).verify(reply.token, config::wall_ms()).session;
  CHECK(session.opened_ms <= work->opened_ms);
  CHECK(session.opened_ms >= work->opened_ms - 1);
}

TEST_CASE("an account has ten wrong tries from an address, whichever name is used") {
  Clerk clerk;
  const auto hash = hash_of(kPassword);
  const auto log_in = [&](const std::string& password, std::uint64_t address, bool by_phone) {
    auto work = clerk.login("ann", hash, password);
    auto& ask = std::get<LoginAsk>(work->ask);
    ask.address = address;
    ask.by_phone = by_phone;
    ask.name = by_phone ? "+4912345" : "ann";
    return clerk.answer(work).code;
  };
  CHECK(log_in(kPassword, 7, false) == Code::none);
  for (int n = 0; n < 10; ++n) CHECK(log_in("guess", 7, n % 2 == 0) == Code::not_logged_in);
  // What is right is told as what is wrong, so that nobody hears whose the number is.
  CHECK(log_in(kPassword, 7, false) == Code::not_logged_in);
  CHECK(log_in(kPassword, 7, true) == Code::not_logged_in);
  CHECK(log_in(kPassword, 8, true) == Code::none);
  CHECK(clerk.answer(clerk.login("bob", hash, kPassword)).code == Code::none);
}

TEST_CASE("a wrong password, an unknown user and a locked account have one answer") {
  Clerk clerk;
  const auto hash = hash_of(kPassword);
  auto locked = clerk.login("ann", hash, kPassword);
  locked->locked = true;
  CHECK(clerk.answer(locked).code == Code::not_logged_in);
  for (const auto& work : {clerk.login("ann", hash, "wrong horse"), clerk.login("", "", kPassword),
                           clerk.login("ann", "", ""), clerk.login("ann", "no hash", "no hash")}) {
    const auto reply = clerk.answer(work);
    CHECK(reply.code == Code::not_logged_in);
    CHECK(reply.token.empty());
    CHECK(reply.user.empty());
  }
}

TEST_CASE("an unknown user costs as much as a wrong password") {
  const auto hash = hash_of(kPassword);
  const auto wrong = median_us([&] { (void)check_password(hash, "wrong horse"); });
  const auto unknown = median_us([&] { (void)check_password("", "wrong horse"); });
  CAPTURE(wrong);
  CAPTURE(unknown);
  CHECK(unknown > wrong / 2);
  CHECK(wrong > unknown / 2);
}

TEST_CASE("a sign-up goes to whoever stores it, hashed and without its password") {
  Clerk clerk;
  SignUpAsk ask;
  ask.number = 9;
  ask.account = {"ann", kPassword, "Ann", ""};
  const auto back = clerk.hashed(clerk.work(ask));
  CHECK(check_password(back->hash, kPassword) == PasswordCheck::right);
  const auto& left = std::get<SignUpAsk>(back->ask).account.password;
  CHECK(left.find_first_not_of('\0') == std::string::npos);
}

TEST_CASE("what waited for too long is not worked on") {
  Clerk clerk;
  auto late = clerk.login("ann", hash_of(kPassword), kPassword);
  late->asked_us -= AccountDesk::kWaitUs + 1;
  CHECK(clerk.answer(late).code == Code::overloaded);
}

TEST_CASE("without a key to sign with nobody gets a session") {
  Clerk clerk([]() -> std::variant<TokenMint, std::string> { return "gone"; });
  const auto reply = clerk.answer(clerk.login("ann", hash_of(kPassword), kPassword));
  CHECK(reply.code == Code::internal);
  CHECK(reply.token.empty());
}
