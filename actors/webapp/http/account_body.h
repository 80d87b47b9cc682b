#pragma once

// Reading the bodies of sign-ups and log-ins, JSON or forms, strictly: one flat object, or one
// form, of texts. Unknown, doubled, missing and wrong members are faults. Pure functions.

#include <optional>
#include <string>
#include <string_view>

#include "actors/auth/core/account_rules.h"
#include "actors/webapp/http/http_form.h"
#include "actors/webapp/http/order_body.h"

namespace stampede::actors {

struct LoginBody {
  std::string user;
  std::string password;
};

// {"user":"ann","password":"…","name":"Ann Lee","phone":"+4912345"}: name and phone may be missing
// or empty. What the values may be is looked at, too (account_fault).
std::optional<BodyFault> parse_account_body(std::string_view body, NewAccount& account);
std::optional<BodyFault> parse_account_form(const Form& form, NewAccount& account);

// {"user":"ann","password":"…"} (login_fault).
std::optional<BodyFault> parse_login_body(std::string_view body, LoginBody& login);
std::optional<BodyFault> parse_login_form(const Form& form, LoginBody& login);

}  // namespace stampede::actors
