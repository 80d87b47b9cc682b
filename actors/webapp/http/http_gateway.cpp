#include "actors/webapp/http/http_gateway.h"

#include <algorithm>
#include <array>

#include "actors/http/http_head.h"
#include "actors/webapp/http/http_form.h"
#include "actors/webapp/http/http_json.h"
#include "actors/webapp/http/http_replies.h"
#include "config/process/version.h"
#include "config/process/wall_clock.h"

namespace stampede::actors {

namespace {

constexpr std::uint64_t kWaitMaxSeconds = 30;

HttpReply not_found() {
  return problem(404, "unknown_op", "there is nothing at this path");
}

HttpReply wrong_method(std::string allowed) {
  auto reply = problem(405, "unknown_op", "this path does not take that method");
  reply.headers.emplace_back("Allow", std::move(allowed));
  return reply;
}

HttpReply bad_field(std::string_view field, std::string_view detail = {}) {
  return code_problem(Code::bad_request, {}, field, detail);
}

// Anything that is surely something else than JSON. curl -d sends a form's type with any body.
bool other_than_json(std::string_view content_type) {
  static constexpr std::array<std::string_view, 8> kOthers{
      "multipart/",          "text/xml",
      "text/html",           "application/xml",
      "application/msgpack", "application/x-msgpack",
      "application/cbor",    "image/"};
  return std::any_of(kOthers.begin(), kOthers.end(), [&](std::string_view other) {
    return same_name(content_type.substr(0, other.size()), other);
  });
}

std::string_view unquoted(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    return text.substr(1, text.size() - 2);
  return text;
}

// "respond-async, wait=2": the seconds; 0 when the client does not wait.
std::uint64_t preferred_wait(std::string_view prefer) {
  while (!prefer.empty()) {
    const auto end = prefer.find_first_of(",;");
    auto token = prefer.substr(0, end);
    prefer.remove_prefix(end == std::string_view::npos ? prefer.size() : end + 1);
    while (token.starts_with(' ')) token.remove_prefix(1);
    if (!same_name(token.substr(0, 5), "wait=")) continue;
    return std::min(parse_number(token.substr(5)).value_or(0), kWaitMaxSeconds);
  }
  return 0;
}

// The rest of `target` behind `prefix`, when there is one.
std::string_view behind(std::string_view target, std::string_view prefix) {
  return target.starts_with(prefix) ? target.substr(prefix.size()) : std::string_view{};
}

}  // namespace

// --- requests -------------------------------------------------------------------------------

void HttpGateway::handle(const HttpRequest& request, HttpRespond&& respond) {
  const bool known = handle_miaosha(request, respond) || handle_orders(request, respond) ||
                     handle_items(request, respond) || handle_health(request, respond);
  if (!known) respond(not_found());
}

bool HttpGateway::handle_orders(const HttpRequest& request, HttpRespond& respond) {
  if (request.target == "/v1/orders") {
    if (request.method == "POST")
      post_order(request, respond);
    else
      respond(wrong_method("POST"));
    return true;
  }
  const auto id = behind(request.target, "/v1/orders/");
  if (id.empty()) return false;
  if (request.method == "GET")
    show_order(id, respond);
  else
    respond(wrong_method("GET"));
  return true;
}

bool HttpGateway::handle_items(const HttpRequest& request, HttpRespond& respond) {
  const auto item = behind(request.target, "/v1/items/");
  if (request.target != "/v1/items" && item.empty()) return false;
  if (request.method != "GET")
    respond(wrong_method("GET"));
  else if (item.empty())
    list_items(request, respond);
  else
    show_item(item, respond);
  return true;
}

bool HttpGateway::handle_miaosha(const HttpRequest& request, HttpRespond& respond) {
  if (request.target == "/miaosha/order") {
    if (request.method == "POST")
      miaosha_order(request, respond);
    else
      respond(wrong_method("POST"));
    return true;
  }
  if (request.target != "/miaosha/order-result") return false;
  if (request.method == "GET")
    miaosha_result(request, respond);
  else
    respond(wrong_method("GET"));
  return true;
}

bool HttpGateway::handle_health(const HttpRequest& request, HttpRespond& respond) {
  const auto& target = request.target;
  if (target != "/healthz" && target != "/readyz" && target != "/version") return false;
  if (request.method != "GET") {
    respond(wrong_method("GET"));
  } else if (target == "/readyz") {
    ask(Route::ready, respond).ask.request.op = ClientOp::ping;
  } else {
    HttpReply reply;
    reply.body = target == "/healthz" ? std::string(R"({"state":"alive"})")
                                      : "{\"version\":\"" + std::string(kVersion) +
                                            "\",\"proto\":" + std::to_string(kSf1Version) + "}";
    respond(std::move(reply));
  }
  return true;
}

void HttpGateway::post_order(const HttpRequest& request, HttpRespond& respond) {
  if (other_than_json(request.header("content-type")))
    return respond(problem(415, "bad_request", "the body must be JSON"));
  OrderBody body;
  if (const auto fault = parse_order_body(request.body, body))
    return respond(bad_field(fault->field, fault->text));
  const auto key = unquoted(request.header("idempotency-key"));
  const auto keys = request.header_count("idempotency-key");
  if (keys > 1) return respond(bad_field("Idempotency-Key", "this header is there twice"));
  if (keys == 1 && !valid_request_id(key))
    return respond(bad_field("Idempotency-Key", "1 to 64 characters of A-Z a-z 0-9 _ -"));
  if (!key.empty() && !body.id.empty() && key != body.id)
    return respond(bad_field("id", "the header Idempotency-Key says otherwise"));
  const auto wait = preferred_wait(request.header("prefer"));

  auto& entry = ask(Route::order, respond);
  entry.id = body.id.empty() ? std::string(key) : std::move(body.id);
  entry.user = std::move(body.user);
  entry.ask.mode = wait == 0 ? WaitMode::detach_now : WaitMode::detach_at_deadline;
  auto& order = entry.ask.request;
  order.op = ClientOp::order;
  order.item = body.item;
  order.qty = body.qty;
  if (wait > 0) order.deadline_ms = static_cast<std::int64_t>(wait * 1000);
}

void HttpGateway::show_order(std::string_view id, HttpRespond& respond) {
  if (!valid_request_id(id)) return respond(bad_field("id"));
  auto& entry = ask(Route::show, respond);
  entry.id = id;
  entry.ask.request.op = ClientOp::get;
}

void HttpGateway::list_items(const HttpRequest& request, HttpRespond& respond) {
  const auto number = [&](std::string_view name, std::uint64_t otherwise) {
    if (request.query.find(name) == std::string::npos) return std::optional(otherwise);
    const auto text = query_value(request.query, name);
    return text ? parse_number(*text) : std::nullopt;
  };
  const auto from = number("from", 0);
  const auto limit = number("limit", kItemsPageMax);
  if (!from) return respond(bad_field("from"));
  if (!limit || *limit < 1 || *limit > kItemsPageMax) return respond(bad_field("limit"));
  auto& asked = ask(Route::items, respond).ask.request;
  asked.op = ClientOp::items;
  asked.item = *from;
  asked.limit = static_cast<std::uint32_t>(*limit);
}

void HttpGateway::show_item(std::string_view item, HttpRespond& respond) {
  const auto number = parse_number(item);
  if (!number) return respond(bad_field("item"));
  auto& asked = ask(Route::item, respond).ask.request;
  asked.op = ClientOp::items;
  asked.one_item = true;
  asked.item = *number;
}

void HttpGateway::miaosha_order(const HttpRequest& request, HttpRespond& respond) {
  auto text = form_value(request.header("content-type"), request.body, "itemId");
  if (!text) text = query_value(request.query, "itemId");
  const auto item = text ? parse_number(*text) : std::nullopt;
  if (!item) return respond(bad_field("itemId"));
  auto& entry = ask(Route::miaosha_order, respond);
  entry.ask.mode = WaitMode::detach_now;
  entry.ask.user_is_id = true;
  entry.ask.request.op = ClientOp::order;
  entry.ask.request.item = *item;
  pending_[entry.token & 0xFFFFFFFFU].item = *item;
}

void HttpGateway::miaosha_result(const HttpRequest& request, HttpRespond& respond) {
  auto id = query_value(request.query, "requestId");
  if (!id || !valid_request_id(*id)) return respond(bad_field("requestId"));
  auto& entry = ask(Route::miaosha_result, respond);
  entry.id = std::move(*id);
  entry.ask.request.op = ClientOp::get;
  entry.ask.cached = true;
}

// A token is a slot's index and, above it, how often the slot was used.
HttpAsk& HttpGateway::ask(Route route, HttpRespond& respond) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(pending_.size()));
    pending_.emplace_back();
  }
  const auto index = free_.back();
  free_.pop_back();
  auto& slot = pending_[index];
  slot.respond = std::move(respond);
  slot.route = route;
  ++slot.use;
  if (!asks_) asks_ = std::make_shared<HttpAsks>();
  auto& entry = asks_->asks.emplace_back();
  entry.token = (std::uint64_t{slot.use} << 32) | index;
  return entry;
}

void HttpGateway::flush() {
  if (!asks_) return;
  asks_->from = self_;
  caf::anon_send(port_, std::move(asks_));
  asks_.reset();
}

// --- answers --------------------------------------------------------------------------------

void HttpGateway::on_answers(const HttpAnswersPtr& answers) {
  for (const auto& answer : *answers) {
    const auto index = static_cast<std::uint32_t>(answer.token);
    if (index >= pending_.size()) continue;
    auto& slot = pending_[index];
    if (!slot.respond || slot.use != answer.token >> 32) continue;
    auto reply = reply_for(slot, answer);
    const auto respond = std::move(slot.respond);
    slot.respond = nullptr;
    free_.push_back(index);  // before respond(), which may bring the next request
    respond(std::move(reply));
  }
}

HttpReply HttpGateway::reply_for(const Pending& pending, const HttpAnswer& answer) {
  switch (pending.route) {
    case Route::order:
      return order_reply(answer);
    case Route::show:
      return show_reply(answer);
    case Route::items:
      return items_reply(answer, config::wall_ms());
    case Route::item:
      return item_reply(answer, config::wall_ms());
    case Route::miaosha_order:
      return miaosha_order_reply(answer, pending.item);
    case Route::miaosha_result:
      return miaosha_result_reply(answer);
    case Route::ready:
      return ready_reply(answer);
  }
  return code_problem(Code::internal);
}

HttpServerOptions with_gateway(HttpServerOptions options, const caf::actor& port) {
  auto gateway = std::make_shared<HttpGateway>(port);
  options.on_start = [gateway](const caf::actor& self) { gateway->set_self(self); };
  options.handler = [gateway](HttpRequest request, HttpRespond respond) {
    gateway->handle(request, std::move(respond));
  };
  options.end_of_round = [gateway] { gateway->flush(); };
  options.on_mail = {[gateway](const HttpAnswersPtr& answers) { gateway->on_answers(answers); }};
  return options;
}

}  // namespace stampede::actors
