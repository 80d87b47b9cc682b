#pragma once

// The HTTP routes of built-in accounts: who signs up, and who logs in. Lives in the HTTP server's
// thread; nothing blocks: what takes time is done by the AccountKeeper and the PasswordClerks
// (actors/auth), whose replies come back as mail. It exists only where there are such accounts.

#include <caf/all.hpp>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "actors/auth/account_mail.h"
#include "actors/auth/core/account_desk.h"
#include "actors/http/http_server.h"
#include "config/settings/ip_address.h"

namespace stampede::actors {

struct AccountSettings {
  caf::actor keeper{};  // null: there are no accounts
  TriesKey hash_key{};  // random
};

using LoginDone = std::function<void(const LoginReply&)>;

class HttpAccounts {
 public:
  // `proxies`: whose X-Forwarded-For is believed.
  HttpAccounts(const AccountSettings& settings, std::vector<config::IpNetwork> proxies);

  void set_self(const caf::actor& self) { self_ = self; }  // where replies go to

  // Who keeps new sessions before they are told (auth.single_session): it calls `done` with the
  // reply, or with a refusal in its place. Without it nobody does.
  using Keep = std::function<void(const LoginReply&, LoginDone done)>;
  void set_keep(Keep keep) { keep_ = std::move(keep); }

  // False: the path is none of its own. Else `respond` is called, now or later, or was taken.
  bool handle(const HttpRequest& request, HttpRespond& respond);

  // Starts a log-in of checked fields (login_fault). `done` is called once, in this thread, maybe
  // before this returns. `ask.number` and `ask.address` (of `request`) are filled in here.
  void log_in(const HttpRequest& request, LoginAsk ask, LoginDone done);

  void on_reply(const LoginReply& reply);
  void on_reply(const SignUpReply& reply);

 private:
  void post_session(const HttpRequest& request, HttpRespond& respond);
  void post_account(const HttpRequest& request, HttpRespond& respond);
  // Puts it in line, and answers who has lost his place to it.
  void stand_in_line(const AccountDesk::Admission& admission,
                     std::variant<LoginAsk, SignUpAsk> ask);
  void work_on_next();
  void turn_away(std::uint64_t number);

  caf::actor keeper_;
  std::vector<config::IpNetwork> proxies_;
  caf::actor self_;
  Keep keep_;
  AccountDesk desk_;
  // By the desk's numbers, so no more than it takes on.
  std::unordered_map<std::uint64_t, AccountWorkPtr> line_;  // not worked on yet
  std::unordered_map<std::uint64_t, LoginDone> logins_;
  std::unordered_map<std::uint64_t, HttpRespond> sign_ups_;
};

}  // namespace stampede::actors
