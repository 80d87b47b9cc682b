#include "actors/webapp/http/page_replies.h"

#include "actors/webapp/compat/page_answers.h"

namespace stampede::actors {

namespace {

// The port counts from the start of its round, so that an order's time may seem to be over a little
// before it was asked for so long.
constexpr std::int64_t kWaitedWholeMs = kPageWaitMs - 500;

HttpReply page_reply(std::string body) {
  HttpReply reply;
  reply.body = std::move(body);
  return reply;
}

// An order that may be decided is told by its id, by which it can be looked up.
PageJson trace_of(const PageText& says, std::string_view id) {
  if (says.code != PageCode::undecided || id.empty()) return nullptr;
  return {{"requestId", id}};
}

HttpReply refused_order(const HttpAnswer& answer, bool waited) {
  const auto says = order_refusal_text(answer.code, waited, answer.field, answer.retry_after_ms);
  return page_reply(page_body(says, trace_of(says, answer.id)));
}

}  // namespace

HttpReply page_item_reply(const HttpAnswer& answer) {
  if (answer.kind == ReplyKind::items && !answer.items.empty())
    return page_reply(page_item(answer.items.front()));
  const auto code = answer.kind == ReplyKind::items ? Code::unknown_item : answer.code;
  return page_reply(page_body(refusal_text(code, answer.field, answer.retry_after_ms)));
}

HttpReply page_order_reply(const HttpAnswer& answer, std::int64_t waited_ms) {
  if (answer.kind == ReplyKind::answer) return page_reply(page_decision(answer.answer, answer.id));
  if (answer.kind == ReplyKind::edge)
    return page_reply(page_body(refusal_text(Code::sold_out_for_now)));
  return refused_order(answer, waited_ms >= kWaitedWholeMs);
}

HttpReply page_login_reply(const LoginReply& reply) {
  if (reply.code == Code::none) return page_reply(page_session(reply.token));
  return page_reply(page_body(login_refusal_text(reply.code, {}, reply.retry_after_ms)));
}

HttpReply page_fault_reply(std::string_view field) {
  return page_reply(page_body(refusal_text(Code::bad_request, field)));
}

HttpReply page_rate_reply(std::int64_t retry_after_ms) {
  return page_reply(page_body(refusal_text(Code::rate_limited, {}, retry_after_ms)));
}

HttpReply page_no_accounts_reply() {
  return page_reply(page_body(no_accounts_text()));
}

}  // namespace stampede::actors
