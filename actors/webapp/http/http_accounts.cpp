#include "actors/webapp/http/http_accounts.h"

#include <optional>
#include <string>
#include <utility>

#include "actors/http/http_conditions.h"
#include "actors/http/http_forwarded.h"
#include "actors/webapp/http/account_body.h"
#include "actors/webapp/http/http_checks.h"
#include "actors/webapp/http/http_form.h"
#include "actors/webapp/http/http_replies.h"
#include "config/process/wall_clock.h"

namespace stampede::actors {

namespace {

static_assert(AccountDesk::kWaitingMax == 100);
constexpr std::string_view kLineFull = "100 log-ins and sign-ups wait, as many as may; try again";
constexpr std::string_view kPlaceLost =
    "100 log-ins and sign-ups wait, most of them from this address: another one got the place";

bool is_form(const HttpRequest& request) {
  const auto type = parse_media_type(request.header("content-type"));
  const bool named = type && (type->name == "application/x-www-form-urlencoded" ||
                              type->name == "multipart/form-data");
  // curl -d calls JSON a form, too.
  const auto first = request.body.find_first_not_of(" \t\r\n");
  return named && (first == std::string::npos || request.body[first] != '{');
}

// The body of a request as one of the two; nothing: it was read.
template <class Body>
std::optional<HttpReply> read_body(const HttpRequest& request, Body& body,
                                   std::optional<BodyFault> (*from_json)(std::string_view, Body&),
                                   std::optional<BodyFault> (*from_form)(const Form&, Body&)) {
  if (auto wrong = wrong_coding(request)) return wrong;
  std::optional<BodyFault> fault;
  if (is_form(request)) {
    const auto form = parse_form(request.header("content-type"), request.body);
    if (form.fault != FormFault::none) return bad_field({}, "the body is no well-formed form");
    fault = from_form(form, body);
  } else if (is_json(request)) {
    fault = from_json(request.body, body);
  } else {
    return unsupported("the body must be JSON or a form", "Content-Type");
  }
  if (!fault) return std::nullopt;
  return code_problem(fault->code, {}, fault->field, fault->text);
}

}  // namespace

HttpAccounts::HttpAccounts(const AccountSettings& settings, std::vector<config::IpNetwork> proxies)
    : keeper_(settings.keeper), proxies_(std::move(proxies)), desk_(settings.hash_key) {}

bool HttpAccounts::handle(const HttpRequest& request, HttpRespond& respond) {
  const bool account = request.target == "/v1/accounts";
  if (!account && request.target != "/v1/sessions") return false;
  if (!performs(request, "POST", kTakes, respond)) return true;
  if (account)
    post_account(request, respond);
  else
    post_session(request, respond);
  return true;
}

void HttpAccounts::post_session(const HttpRequest& request, HttpRespond& respond) {
  LoginBody body;
  if (auto wrong = read_body<LoginBody>(request, body, parse_login_body, parse_login_form))
    return respond(std::move(*wrong));
  LoginAsk ask;
  ask.name = std::move(body.user);
  ask.password = std::move(body.password);
  log_in(request, std::move(ask), [respond = std::move(respond)](const LoginReply& reply) {
    respond(session_reply(reply));
  });
}

void HttpAccounts::post_account(const HttpRequest& request, HttpRespond& respond) {
  SignUpAsk ask;
  if (auto wrong =
          read_body<NewAccount>(request, ask.account, parse_account_body, parse_account_form))
    return respond(std::move(*wrong));
  const auto address = config::address_key(client_address(request, proxies_));
  const auto admission = desk_.admit_sign_up(address, config::steady_us());
  if (admission.code != Code::none) return respond(busy_reply(kLineFull));
  ask.number = admission.number;
  sign_ups_.emplace(ask.number, std::move(respond));
  stand_in_line(admission, std::move(ask));
}

void HttpAccounts::log_in(const HttpRequest& request, LoginAsk ask, LoginDone done) {
  ask.address = config::address_key(client_address(request, proxies_));
  const auto admission =
      desk_.admit_login(ask.name, ask.by_phone, ask.address, config::steady_us());
  if (admission.code != Code::none) {
    LoginReply refused;
    refused.code = admission.code;
    refused.retry_after_ms = admission.retry_after_ms;
    if (refused.code == Code::overloaded) refused.detail = kLineFull;
    return done(refused);
  }
  ask.number = admission.number;
  logins_.emplace(ask.number, std::move(done));
  stand_in_line(admission, std::move(ask));
}

void HttpAccounts::stand_in_line(const AccountDesk::Admission& admission,
                                 std::variant<LoginAsk, SignUpAsk> ask) {
  auto work = std::make_shared<AccountWork>();
  work->from = self_;
  work->ask = std::move(ask);
  work->asked_us = config::steady_us();
  line_.emplace(admission.number, std::move(work));
  if (admission.turned_away != 0) turn_away(admission.turned_away);
  work_on_next();
}

void HttpAccounts::work_on_next() {
  while (const auto number = desk_.take_next(config::steady_us())) {
    auto entry = line_.extract(number);
    caf::anon_send(keeper_, std::move(entry.mapped()));
  }
}

// The desk has forgotten it.
void HttpAccounts::turn_away(std::uint64_t number) {
  line_.erase(number);
  if (const auto login = logins_.extract(number)) {
    LoginReply refused;
    refused.code = Code::overloaded;
    refused.detail = kPlaceLost;
    login.mapped()(refused);
  } else if (const auto sign_up = sign_ups_.extract(number)) {
    sign_up.mapped()(busy_reply(kPlaceLost));
  }
}

void HttpAccounts::on_reply(const LoginReply& reply) {
  desk_.answered(reply.number, reply.code, config::steady_us());
  work_on_next();
  auto entry = logins_.extract(reply.number);
  if (!entry) return;
  if (keep_ && reply.code == Code::none) return keep_(reply, std::move(entry.mapped()));
  entry.mapped()(reply);
}

void HttpAccounts::on_reply(const SignUpReply& reply) {
  desk_.answered(reply.number, reply.code, config::steady_us());
  work_on_next();
  if (const auto entry = sign_ups_.extract(reply.number)) entry.mapped()(account_reply(reply));
}

}  // namespace stampede::actors
