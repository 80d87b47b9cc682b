#include "actors/webapp/core/login_desk.h"

#include <algorithm>

#include "actors/sale/limits.h"
#include "actors/webapp/core/shares.h"

namespace stampede::actors {

namespace {

Admission refused(Code code, std::string_view field = {}) {
  Admission admission;
  admission.code = code;
  admission.field = field;
  return admission;
}

std::string bytes_of(const TokenKey& key) {
  return {reinterpret_cast<const char*>(key.data()), sizeof key};
}

bool is_for_all(ClientOp op) {
  return op == ClientOp::items || op == ClientOp::ping;
}

}  // namespace

LoginDesk::LoginDesk(const LoginSettings& settings)
    : settings_(settings), known_(settings.sessions_max), refused_(kRefusalsMax) {}

Admission LoginDesk::admit(const ClientRequest& request, const Credentials& who,
                           std::int64_t now_us) {
  Admission as_it_is;
  as_it_is.user = request.op == ClientOp::get ? std::string_view{} : request.user;
  as_it_is.service = true;
  if (is_for_all(request.op)) return as_it_is;
  if (!settings_.sessions) return who.trusted_key ? as_it_is : allow_stranger(request, as_it_is);
  const auto caller = find_caller(who, now_us);
  if (caller.refusal.waits || caller.refusal.code != Code::none) return caller.refusal;
  return allow(request, caller.session);
}

// Nobody shows tokens, and some keys are trusted: not his. Only the name makes an order his.
Admission LoginDesk::allow_stranger(const ClientRequest& request, const Admission& as_it_is) {
  if (request.op == ClientOp::pay) return refused(Code::not_allowed);
  if (request.op == ClientOp::cancel && request.user.empty())
    return refused(Code::not_allowed, "user");
  return as_it_is;
}

// Why a session is not taken that has ended, or may have; code none: it has not.
Admission LoginDesk::refusal_by_end(const Session& session, const Credentials& who,
                                    std::int64_t now_us) const {
  if (!session.may_end()) return {};
  if (!ends_.known(now_us)) return refused(Code::overloaded, limit::kSessionEnds);
  const auto what = ends_.find(session.hash);
  const bool barred = ends_.barred(session.bar, session.opened_ms);
  if (what == SessionEvent::invalid && !barred) return {};
  const auto code = what == SessionEvent::replaced ? Code::session_replaced : Code::not_logged_in;
  return refused(code, who.token.empty() ? std::string_view{} : "token");
}

// What the rules say of somebody who is known.
Admission LoginDesk::allow(const ClientRequest& request, const Session* session) {
  Admission admission;
  admission.service = session == nullptr || session->service;
  const auto own = session == nullptr ? std::string_view{} : std::string_view(session->user);
  if (request.op == ClientOp::end_session) {
    if (admission.service) return refused(session ? Code::not_allowed : Code::not_logged_in);
    if (!session->may_end()) return refused(Code::bad_request, "token");
    admission.session = session;
    return admission;
  }
  if (request.op == ClientOp::pay)
    return admission.service ? admission : refused(Code::not_allowed);
  if (request.op == ClientOp::get) {
    if (!admission.service) admission.user = own;
    return admission;
  }
  const bool his = request.user.empty() || request.user == own;
  if (!admission.service && !his) return refused(Code::not_allowed, "user");
  const bool by_name =
      admission.service && (!request.user.empty() || request.op == ClientOp::cancel);
  admission.user = by_name ? request.user : own;
  const bool needs_user = request.op == ClientOp::order || request.op == ClientOp::ticket;
  if (needs_user && admission.user.empty()) return refused(Code::bad_request, "user");
  return admission;
}

Admission LoginDesk::log_in(const Credentials& who, std::int64_t now_us, const Session*& session) {
  if (!settings_.sessions || who.connection.empty()) return refused(Code::unknown_op);
  const std::string name(who.connection);
  const auto caller = of_token(who, now_us);
  if (caller.refusal.code != Code::none) {
    connections_.erase(name);
    return caller.refusal;
  }
  if (connections_.size() >= kConnectionsMax && !connections_.contains(name))
    return refused(Code::overloaded, limit::kTokens);
  auto& connection = connections_[name];
  connection.peer = who.peer;
  // What follows on the connection waits for the same token.
  connection.number = caller.number;
  if (caller.refusal.waits) return caller.refusal;
  auto ended = refusal_by_end(*caller.session, who, now_us);
  if (ended.code != Code::none && ended.code != Code::overloaded) {
    connections_.erase(name);
    return ended;
  }
  // Whether it has ended is asked at each use, so that what follows may try again, too.
  connection.session = *caller.session;
  connection.ends_us = caller.ends_us;
  if (ended.code == Code::none) session = &connection.session;
  return ended;
}

LoginDesk::Caller LoginDesk::find_caller(const Credentials& who, std::int64_t now_us) {
  Caller caller;
  if (!who.token.empty())
    caller = of_token(who, now_us);
  else if (connections_.contains(std::string(who.connection)))
    caller = of_connection(who, now_us);
  else if (!who.trusted_key)
    caller.refusal = refused(Code::not_logged_in);
  if (caller.session != nullptr) caller.refusal = refusal_by_end(*caller.session, who, now_us);
  return caller;
}

LoginDesk::Caller LoginDesk::of_token(const Credentials& who, std::int64_t now_us) {
  const auto key = token_key(settings_.hash_key, who.token);
  if (const auto* known = known_.find(key, now_us))
    return {{}, &known->verdict.session, known->ends_us, 0};
  if (const auto* refusal = refused_.find(key, now_us))
    return {refused(refusal->verdict.code, "token"), nullptr, 0, 0};
  auto bytes = bytes_of(key);
  if (const auto found = numbers_.find(bytes); found != numbers_.end() && who.waits)
    return wait_for(found->second);
  auto& own = awaited_by_client_[who.slot];
  if (!who.waits || !in_share(own, on_their_way_.size(), kAwaitedMax))
    return {refused(Code::overloaded, limit::kTokens), nullptr, 0, 0};
  const auto number = next_number_++;
  on_their_way_.emplace(number, Awaited{key, who.slot});
  ++own;
  numbers_.emplace(std::move(bytes), number);
  new_.push_back({number, std::string(who.token)});
  return wait_for(number);
}

LoginDesk::Caller LoginDesk::of_connection(const Credentials& who, std::int64_t now_us) {
  const auto& connection = connections_.find(std::string(who.connection))->second;
  if (connection.number != 0)
    return who.waits ? wait_for(connection.number)
                     : Caller{refused(Code::overloaded, limit::kTokens), nullptr, 0, 0};
  if (now_us >= connection.ends_us) return {refused(Code::session_expired), nullptr, 0, 0};
  return {{}, &connection.session, connection.ends_us, 0};
}

LoginDesk::Caller LoginDesk::wait_for(std::uint64_t number) {
  if (std::find(awaits_.begin(), awaits_.end(), number) == awaits_.end()) awaits_.push_back(number);
  Caller caller;
  caller.refusal.waits = true;
  caller.number = number;
  return caller;
}

void LoginDesk::on_verdict(std::uint64_t number, Verdict verdict, std::int64_t left_us,
                           std::int64_t now_us) {
  const auto found = on_their_way_.find(number);
  if (found == on_their_way_.end()) return;
  const auto key = found->second.key;
  --awaited_by_client_[found->second.slot];
  on_their_way_.erase(found);
  numbers_.erase(bytes_of(key));
  if (verdict.code == Code::none)
    known_.keep(key, std::move(verdict), now_us + left_us);
  else
    refused_.keep(key, std::move(verdict), now_us + kRefusalUs);
}

void LoginDesk::drop_connections(const std::function<bool(std::uint64_t)>& is_there) {
  std::erase_if(connections_, [&](const auto& entry) { return !is_there(entry.second.peer); });
}

}  // namespace stampede::actors
