#include "actors/webapp/http/http_replies.h"

#include "actors/protocol/sf1.h"
#include "actors/webapp/http/http_json.h"
#include "config/process/version.h"

namespace stampede::actors {

namespace {

constexpr std::int64_t kAccountsAgainMs = 1000;

HttpReply json_reply(int status, const Json& body) {
  HttpReply reply;
  reply.status = status;
  reply.body = to_text(body);
  return reply;
}

Code code_of(const Answer& answer) {
  return answer.reason == RejectReason::limit_reached ? Code::limit_reached : Code::sold_out;
}

// The members of a problem (RFC 9457) of this code, before others are added.
Json problem_json(const CodeInfo& about, std::string_view id) {
  Json json = {{"type", "about:blank"},
               {"title", about.message},
               {"status", about.http_status},
               {"code", about.text}};
  if (!id.empty()) json["id"] = id;
  return json;
}

// `retry_after_ms` 0: what the code says.
Json refusal_json(Code code, std::string_view id, std::string_view field, std::string_view detail,
                  std::string_view state = {}, std::int64_t retry_after_ms = 0) {
  const auto& about = info(code);
  auto json = problem_json(about, id);
  if (!detail.empty()) json["detail"] = detail;
  if (!field.empty()) json["field"] = field;
  if (!state.empty()) json["state"] = state;
  if (retry_after_ms == 0) retry_after_ms = about.retry_after_ms;
  if (retry_after_ms > 0) json["retry_after_ms"] = retry_after_ms;
  return json;
}

// The header Retry-After has whole seconds.
HttpReply problem_reply(const CodeInfo& about, const Json& body) {
  auto reply = json_reply(about.http_status, body);
  if (const auto retry = body.find("retry_after_ms"); retry != body.end())
    reply.headers.emplace_back("Retry-After",
                               std::to_string((retry->get<std::int64_t>() + 999) / 1000));
  if (about.http_status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  reply.content_type = "application/problem+json";
  return reply;
}

// A rejection is final: 409, with everything the answer says.
Json rejection_json(const HttpAnswer& answer) {
  auto json = problem_json(info(code_of(answer.answer)), answer.id);
  json["state"] = to_text(State::rejected);
  json["reason"] = storage::to_text(answer.answer.reason);
  json["item"] = answer.answer.item;
  json["qty"] = answer.answer.qty;
  if (answer.answer.left) json["left"] = *answer.answer.left;
  return json;
}

// Sold out, by a webapp's own word: nothing is decided, and the same id asked again is.
Json edge_json(const HttpAnswer& answer) {
  auto json = problem_json(info(Code::sold_out), answer.id);
  json["edge"] = true;
  json["retry"] = true;
  return json;
}

// What an order would have been answered alone, and whether asking again can help: there is no
// status beside it that says so.
Json entry_json(const HttpAnswer& answer) {
  if (answer.kind == ReplyKind::edge) return edge_json(answer);
  if (answer.kind == ReplyKind::refused) {
    auto json = refusal_json(answer.code, answer.id, answer.field, answer.message, {},
                             answer.retry_after_ms);
    json["retry"] = info(answer.code).retry;
    return json;
  }
  const bool rejected = answer.answer.state == State::rejected;
  return rejected ? rejection_json(answer) : answer_json(answer.id, answer.answer);
}

Json entry_json(const OrderFault& fault) {
  auto json = refusal_json(fault.code, fault.id, fault.field, fault.text, {}, fault.retry_after_ms);
  json["retry"] = info(fault.code).retry;
  return json;
}

HttpReply with_location(HttpReply reply, std::string_view id) {
  reply.headers.emplace_back("Location", "/v1/orders/" + std::string(id));
  return reply;
}

// Only one code reads like another that is final.
HttpReply refused(const HttpAnswer& answer) {
  auto json =
      refusal_json(answer.code, answer.id, answer.field, answer.message, {}, answer.retry_after_ms);
  if (answer.code == Code::sold_out_for_now) json["retry"] = true;
  return problem_reply(info(answer.code), json);
}

}  // namespace

HttpReply code_problem(Code code, std::string_view id, std::string_view field,
                       std::string_view detail, std::string_view state,
                       std::int64_t retry_after_ms) {
  return problem_reply(info(code), refusal_json(code, id, field, detail, state, retry_after_ms));
}

HttpReply order_reply(const HttpAnswer& answer) {
  if (answer.kind == ReplyKind::queued)
    return with_location(json_reply(202, queued_json(answer.id)), answer.id);
  if (answer.kind == ReplyKind::refused) return refused(answer);
  if (answer.kind == ReplyKind::edge) return problem_reply(info(Code::sold_out), edge_json(answer));
  if (answer.answer.state == State::rejected)
    return problem_reply(info(code_of(answer.answer)), rejection_json(answer));
  const int status = answer.answer.replayed ? 200 : 201;
  return with_location(json_reply(status, answer_json(answer.id, answer.answer)), answer.id);
}

HttpReply orders_reply(const HttpAnswer& answer, const std::vector<OrderFault>& faults) {
  if (answer.kind == ReplyKind::refused) return refused(answer);
  Json json = Json::array();
  auto fault = faults.begin();
  const auto add_faults = [&] {
    for (; fault != faults.end() && fault->index == json.size(); ++fault)
      json.push_back(entry_json(*fault));
  };
  for (const auto& entry : answer.entries) {
    add_faults();
    json.push_back(entry_json(entry));
  }
  add_faults();
  return json_reply(200, json);
}

HttpReply show_reply(const HttpAnswer& answer) {
  if (answer.kind == ReplyKind::queued) return json_reply(200, queued_json(answer.id));
  if (answer.kind == ReplyKind::refused) return refused(answer);
  return json_reply(200, answer_json(answer.id, answer.answer));
}

HttpReply fulfilled_reply(const HttpAnswer& answer) {
  if (answer.kind == ReplyKind::refused) return refused(answer);
  return json_reply(200, {{"id", answer.id},
                          {"order", answer.order},
                          {"order_id", std::to_string(answer.fulfilled.order_id)},
                          {"fulfilment", storage::to_text(answer.fulfilled.fulfilment)},
                          {"at", answer.fulfilled.at_ms}});
}

HttpReply granted_reply(const HttpAnswer& answer) {
  if (answer.kind == ReplyKind::refused) return refused(answer);
  Json json = {{"id", answer.order},
               {"ticket", answer.ticket},
               {"promo", answer.granted.promo},
               {"item", answer.granted.item},
               {"expires_at", answer.granted.expires_at_ms}};
  if (answer.order != answer.id) json["asked"] = answer.id;
  return json_reply(201, json);
}

HttpReply items_reply(const HttpAnswer& answer, std::int64_t now_ms) {
  if (answer.kind == ReplyKind::refused) return refused(answer);
  Json rows = Json::array();
  for (const auto& item : answer.items) rows.push_back(item_json(item));
  Json json = {{"items", std::move(rows)}};
  if (answer.next) json["next"] = *answer.next;
  json["server_time"] = now_ms;
  return json_reply(200, json);
}

HttpReply item_reply(const HttpAnswer& answer, std::int64_t now_ms) {
  if (answer.kind == ReplyKind::refused) return refused(answer);
  if (answer.items.empty()) return code_problem(Code::unknown_item, answer.id);
  auto json = item_json(answer.items.front());
  json["server_time"] = now_ms;
  return json_reply(200, json);
}

HttpReply session_kept_reply(const HttpAnswer& answer) {
  if (answer.kind == ReplyKind::refused) return refused(answer);
  HttpReply reply;
  reply.status = 204;
  return reply;
}

HttpReply miaosha_order_reply(const HttpAnswer& answer, std::uint64_t item) {
  if (answer.kind == ReplyKind::refused) return refused(answer);
  return json_reply(200, {{"id", answer.id}, {"itemId", item}, {"userId", answer.id}});
}

HttpReply miaosha_result_reply(const HttpAnswer& answer) {
  const bool unknown = answer.kind == ReplyKind::refused && answer.code == Code::unknown_request;
  if (answer.kind == ReplyKind::queued || unknown) return HttpReply{};
  if (answer.kind == ReplyKind::refused && info(answer.code).http_status >= 500)
    return refused(answer);
  const bool confirmed =
      answer.kind == ReplyKind::answer && answer.answer.state == State::confirmed;
  const auto reason = answer.kind == ReplyKind::refused ? info(answer.code).text
                                                        : storage::to_text(answer.answer.reason);
  Json json = {{"requestId", answer.id}, {"success", confirmed}, {"errorMessage", nullptr}};
  if (!confirmed) json["errorMessage"] = reason;
  return json_reply(200, json);
}

HttpReply busy_reply(std::string_view why) {
  const auto said = why.empty() ? "no log-in and no sign-up is possible now" : why;
  return code_problem(Code::overloaded, {}, {}, said, {}, kAccountsAgainMs);
}

HttpReply session_reply(const LoginReply& reply) {
  if (reply.code == Code::none)
    return json_reply(
        201, {{"token", reply.token}, {"user", reply.user}, {"expires_at", reply.expires_ms}});
  if (reply.code == Code::overloaded && reply.retry_after_ms == 0) return busy_reply(reply.detail);
  if (!reply.detail.empty())
    return code_problem(reply.code, {}, {}, reply.detail, {}, reply.retry_after_ms);
  if (reply.code == Code::rate_limited)
    return code_problem(reply.code, {}, "user", "too many wrong passwords", {},
                        reply.retry_after_ms);
  if (reply.code == Code::not_logged_in)
    return code_problem(reply.code, {}, {}, "there is no such user, or the password is another");
  return code_problem(reply.code, {}, {}, {}, {}, reply.retry_after_ms);
}

HttpReply account_reply(const SignUpReply& reply) {
  if (reply.code == Code::none) return json_reply(201, {{"user", reply.user}});
  if (reply.code == Code::overloaded) return busy_reply(reply.detail);
  return code_problem(reply.code, {}, reply.field);
}

HttpReply ready_reply(const HttpAnswer& answer) {
  const bool serving = answer.state == to_text(Phase::serving);
  if (serving && answer.message.empty()) return json_reply(200, {{"state", "ready"}});
  if (!answer.message.empty())
    return code_problem(Code::overloaded, {}, {}, answer.message, answer.state);
  return code_problem(parse_code(answer.state).value_or(Code::no_backend), {}, {}, {},
                      answer.state);
}

HttpReply alive_reply() {
  return json_reply(200, {{"state", "alive"}});
}

HttpReply version_reply() {
  return json_reply(200, {{"version", kVersion}, {"proto", kSf1Version}});
}

}  // namespace stampede::actors
