#include "actors/webapp/http/http_replies.h"

#include "actors/webapp/http/http_json.h"

namespace stampede::actors {

namespace {

HttpReply json_reply(int status, std::string body) {
  HttpReply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

void add_member(HttpReply& reply, std::string_view key, std::string_view text) {
  reply.body.pop_back();
  reply.body.append(",\"").append(key).append("\":");
  append_json_text(reply.body, text);
  reply.body.push_back('}');
}

void add_number(HttpReply& reply, std::string_view key, std::int64_t value) {
  reply.body.pop_back();
  reply.body.append(",\"").append(key).append("\":").append(std::to_string(value)).append("}");
}

Code code_of(const Answer& answer) {
  return answer.reason == RejectReason::limit_reached ? Code::limit_reached : Code::sold_out;
}

// A rejection is final: 409, with everything the answer says.
HttpReply rejected(const HttpAnswer& answer) {
  auto reply = code_problem(code_of(answer.answer), answer.id);
  add_member(reply, "state", to_text(State::rejected));
  add_member(reply, "reason", storage::to_text(answer.answer.reason));
  add_number(reply, "item", static_cast<std::int64_t>(answer.answer.item));
  add_number(reply, "qty", answer.answer.qty);
  if (answer.answer.left) add_number(reply, "left", *answer.answer.left);
  return reply;
}

HttpReply with_location(HttpReply reply, std::string_view id) {
  reply.headers.emplace_back("Location", "/v1/orders/" + std::string(id));
  return reply;
}

HttpReply refused(const HttpAnswer& answer) {
  return code_problem(answer.code, answer.id, answer.field);
}

}  // namespace

HttpReply code_problem(Code code, std::string_view id, std::string_view field,
                       std::string_view detail) {
  const auto& about = info(code);
  auto reply = problem(about.http_status, about.text, about.message);
  if (!detail.empty()) add_member(reply, "detail", detail);
  if (!id.empty()) add_member(reply, "id", id);
  if (!field.empty()) add_member(reply, "field", field);
  if (about.retry_after_ms > 0) {
    add_number(reply, "retry_after_ms", about.retry_after_ms);
    reply.headers.emplace_back("Retry-After", std::to_string((about.retry_after_ms + 999) / 1000));
  }
  return reply;
}

HttpReply order_reply(const HttpAnswer& answer) {
  if (answer.kind == ReplyKind::queued)
    return with_location(json_reply(202, queued_json(answer.id)), answer.id);
  if (answer.kind == ReplyKind::refused) return refused(answer);
  if (answer.answer.state == State::rejected) return rejected(answer);
  const int status = answer.answer.replayed ? 200 : 201;
  return with_location(json_reply(status, answer_json(answer.id, answer.answer)), answer.id);
}

HttpReply show_reply(const HttpAnswer& answer) {
  if (answer.kind == ReplyKind::queued) return json_reply(200, queued_json(answer.id));
  if (answer.kind == ReplyKind::refused) return refused(answer);
  return json_reply(200, answer_json(answer.id, answer.answer));
}

HttpReply items_reply(const HttpAnswer& answer, std::int64_t now_ms) {
  if (answer.kind == ReplyKind::refused) return refused(answer);
  auto reply = json_reply(200, "{" + answer.text + "}");
  add_number(reply, "server_time", now_ms);
  return reply;
}

HttpReply item_reply(const HttpAnswer& answer, std::int64_t now_ms) {
  if (answer.kind == ReplyKind::refused) return refused(answer);
  static constexpr std::string_view kBefore = "\"items\":[";
  const auto row = std::string_view(answer.text).substr(kBefore.size());
  auto reply = json_reply(200, std::string(row.substr(0, row.rfind(']'))));
  add_number(reply, "server_time", now_ms);
  return reply;
}

HttpReply miaosha_order_reply(const HttpAnswer& answer, std::uint64_t item) {
  if (answer.kind == ReplyKind::refused) return refused(answer);
  std::string body = "{\"id\":\"" + answer.id + "\",\"itemId\":" + std::to_string(item) +
                     ",\"userId\":\"" + answer.id + "\"}";
  return json_reply(200, std::move(body));
}

HttpReply miaosha_result_reply(const HttpAnswer& answer) {
  const bool unknown = answer.kind == ReplyKind::refused && answer.code == Code::unknown_request;
  if (answer.kind == ReplyKind::queued || unknown) return json_reply(200, "");
  if (answer.kind == ReplyKind::refused && info(answer.code).http_status >= 500)
    return refused(answer);
  const bool confirmed =
      answer.kind == ReplyKind::answer && answer.answer.state == State::confirmed;
  const auto reason = answer.kind == ReplyKind::refused ? info(answer.code).text
                                                        : storage::to_text(answer.answer.reason);
  std::string body = "{\"requestId\":";
  append_json_text(body, answer.id);
  body.append(confirmed ? R"(,"success":true,"errorMessage":null})"
                        : R"(,"success":false,"errorMessage":)");
  if (!confirmed) append_json_text(body, reason), body.push_back('}');
  return json_reply(200, std::move(body));
}

HttpReply ready_reply(const HttpAnswer& answer) {
  if (answer.text == to_text(Phase::serving)) return json_reply(200, R"({"state":"ready"})");
  auto reply = code_problem(parse_code(answer.text).value_or(Code::no_backend));
  add_member(reply, "state", answer.text);
  return reply;
}

}  // namespace stampede::actors
