#pragma once

// What a webapp's HTTP actor asks about accounts, and the answers. Mails own their bytes; a mail is
// not touched by whoever sent it. The way of a log-in: HTTP actor -> AccountKeeper (finds the
// account in the database) -> PasswordClerk (verifies, signs a token) -> HTTP actor. Of a sign-up:
// HTTP actor -> AccountKeeper -> PasswordClerk (hashes) -> AccountKeeper (stores) -> HTTP actor.

#include <caf/all.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "actors/auth/core/account_rules.h"
#include "actors/sale/codes.h"

namespace stampede::actors {

struct LoginAsk {
  std::uint64_t number = 0;  // the asker's name for it
  std::string name;          // the user, or the phone
  bool by_phone = false;
  std::string password;
  std::uint64_t address = 0;  // the client's, of config::address_key(); 0: not known
};

struct LoginReply {
  std::uint64_t number = 0;
  Code code = Code::internal;       // none: there is a session. not_logged_in, rate_limited,
                                    // overloaded, internal: there is none
  std::string user;                 // of the account, however it was named; the session's `sub`
  std::string token;                // the session, to be shown
  std::string jti;                  // its id: 128 random bits
  std::int64_t expires_ms = 0;      // Unix time
  std::int64_t retry_after_ms = 0;  // of a refusal; 0: what the code says
  std::string detail{};             // of a refusal; empty: what the code says
};

struct SignUpAsk {
  std::uint64_t number = 0;
  NewAccount account;  // checked (account_rules.h)
};

struct SignUpReply {
  std::uint64_t number = 0;
  Code code = Code::internal;  // none: the account is stored. user_exists, overloaded, internal
  std::string field{};         // user_exists: what is taken, "user" or "phone"
  std::string user{};
  std::string detail{};  // of a refusal; empty: what the code says
};

// One ask on its way, with what was found out so far.
struct AccountWork {
  caf::actor from;      // who gets the LoginReply or SignUpReply
  caf::actor keeper{};  // who stores what was hashed; set by itself
  std::variant<LoginAsk, SignUpAsk> ask;
  std::int64_t asked_us = 0;   // of config::steady_us()
  std::string user{};          // login: of the account that was found; empty: there is none
  std::string hash{};          // login: its password's, as stored; sign-up: the new one
  bool locked = false;         // login: nobody may use it
  std::int64_t opened_ms = 0;  // login: Unix time, before the account was looked at
};

using AccountWorkPtr = std::shared_ptr<AccountWork>;
using LoginReplyPtr = std::shared_ptr<const LoginReply>;
using SignUpReplyPtr = std::shared_ptr<const SignUpReply>;

}  // namespace stampede::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stampede::actors::AccountWorkPtr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stampede::actors::LoginReplyPtr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stampede::actors::SignUpReplyPtr)
