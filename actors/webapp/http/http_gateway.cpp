#include "actors/webapp/http/http_gateway.h"

#include <algorithm>
#include <chrono>

#include "actors/http/http_conditions.h"
#include "actors/http/http_fields.h"
#include "actors/http/http_forwarded.h"
#include "actors/http/http_head.h"
#include "actors/webapp/http/http_checks.h"
#include "actors/webapp/http/http_form.h"
#include "actors/webapp/http/http_json.h"
#include "actors/webapp/http/http_replies.h"
#include "actors/webapp/http/page_replies.h"
#include "config/process/wall_clock.h"
#include "web/pages.h"

namespace stampede::actors {

namespace {

constexpr std::uint64_t kWaitMaxSeconds = 30;
constexpr std::size_t kFaultsMax = 65536;  // kept beside arrays that wait for their answers
constexpr std::int64_t kAskAgainMinUs = 20'000, kAskAgainMaxUs = 320'000;
constexpr std::size_t kPatientMax = 2048;  // who wait for the decision on an order that is open

using EventClock = std::chrono::steady_clock;

HttpReply not_found() {
  return problem(404, "unknown_op", "there is nothing at this path");
}

constexpr std::string_view kEnds = "DELETE, OPTIONS";                   // what a session takes
constexpr std::string_view kOrderTakes = "GET, HEAD, DELETE, OPTIONS";  // what an order takes

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return text;  // what follows a header's value is cut already
}

std::string_view unquoted(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    return text.substr(1, text.size() - 2);
  return text;
}

// Digits alone; more than there are seconds to wait for are as good as these.
std::uint64_t wait_seconds(std::string_view digits) {
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) return 0;
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  if (digits.size() > 2) return kWaitMaxSeconds;
  return std::min(parse_number(digits).value_or(0), kWaitMaxSeconds);
}

// "respond-async, wait=2" (RFC 7240): the seconds of the first `wait`; 0 when the client does not
// wait.
std::uint64_t preferred_wait(std::string_view head) {
  for (const auto member : list_members(head, "prefer")) {
    const auto preference = parse_parameters(member);
    if (preference && preference->front().name == "wait")
      return wait_seconds(preference->front().value);
  }
  return 0;
}

// `otherwise` when the name is not there; nothing when it is there twice or no number.
std::optional<std::uint64_t> number_or(const std::vector<QueryPair>& query, std::string_view name,
                                       std::uint64_t otherwise) {
  const auto found = sole_value(query, name);
  if (found.times == 0) return otherwise;
  return found.value ? parse_number(*found.value) : std::nullopt;
}

// A value that may stand in two places: where it stands in both, they must agree.
std::optional<std::string> agreed(const SoleValue& left, const SoleValue& right) {
  if (left.times == 0) return right.value;
  if (right.times == 0 || left.value == right.value) return left.value;
  return std::nullopt;
}

// The rest of `target` behind `prefix`, when there is one.
std::string_view behind(std::string_view target, std::string_view prefix) {
  return target.starts_with(prefix) ? target.substr(prefix.size()) : std::string_view{};
}

}  // namespace

HttpGateway::HttpGateway(GatewaySettings settings)
    : settings_(std::move(settings)),
      shop_(web::shop_pages()),
      events_(
          settings_.events_max,
          [this](std::vector<StockWatch> watches) { tell_watches(std::move(watches)); },
          settings_.counts) {
  if (settings_.accounts.keeper) accounts_.emplace(settings_.accounts, settings_.proxies);
  if (accounts_ && settings_.single_session)
    accounts_->set_keep(
        [this](const LoginReply& reply, LoginDone done) { keep_session(reply, std::move(done)); });
}

void HttpGateway::set_self(const caf::actor& self) {
  self_ = self;
  if (accounts_) accounts_->set_self(self);
}

void HttpGateway::log_in(const HttpRequest& request, LoginAsk ask, LoginDone done) {
  accounts_->log_in(request, std::move(ask), std::move(done));
}

// --- requests -------------------------------------------------------------------------------

namespace {

bool is_health(std::string_view target) {
  return target == "/healthz" || target == "/readyz" || target == "/version";
}

}  // namespace

void HttpGateway::handle(const HttpRequest& request, HttpRespond&& respond) {
  connection_ = request.connection;
  if (settings_.rates && refused_by_rate(request, respond)) return;
  const bool known = handle_miaosha(request, respond) || handle_orders(request, respond) ||
                     handle_items(request, respond) || handle_promos(request, respond) ||
                     handle_events(request, respond) ||
                     (accounts_ && accounts_->handle(request, respond)) ||
                     handle_sessions(request, respond) || handle_health(request, respond) ||
                     handle_pages(request, respond) || handle_shop(request, respond);
  if (!known) respond(not_found());
}

// Its address is counted here; its user where all doors meet (WebappCore).
bool HttpGateway::refused_by_rate(const HttpRequest& request, HttpRespond& respond) {
  if (!settings_.rates->of_addresses() || is_health(request.target)) return false;
  address_ = config::address_key(client_address(request, settings_.proxies));
  const auto wait_ms = settings_.rates->take_address(address_, config::steady_us());
  if (wait_ms <= 0) return false;
  if (settings_.compat && is_page_route(request.target))
    respond(page_rate_reply(wait_ms));
  else
    respond(code_problem(Code::rate_limited, {}, "address", {}, {}, wait_ms));
  return true;
}

// Whether what is malformed costs the user whom it names. With sessions it is not known here whose
// it is.
bool HttpGateway::counts_users() const {
  return settings_.rates && settings_.sessions == Sessions::no;
}

// Milliseconds that the user whom a malformed request names has to wait: it counts as if it were
// not.
std::int64_t HttpGateway::user_waits(std::string_view user) const {
  return counts_users() ? settings_.rates->take_user(user, config::steady_us()) : 0;
}

// A body that is malformed is read again for its user only where that counts.
void HttpGateway::refuse_body(std::string_view body, HttpReply reply, HttpRespond& respond) const {
  refuse(counts_users() ? user_in(body) : std::string{}, std::move(reply), respond);
}

void HttpGateway::refuse(std::string_view user, HttpReply reply, HttpRespond& respond) const {
  const auto wait_ms = user_waits(user);
  respond(wait_ms > 0 ? code_problem(Code::rate_limited, {}, "user", {}, {}, wait_ms)
                      : std::move(reply));
}

// Of an array the first one is counted already: as a good order, or else as a bad one.
void HttpGateway::count_faults(OrdersBody& body) const {
  if (!settings_.rates) return;
  bool counted = body.orders.empty();
  for (auto& fault : body.faults) {
    auto wait_ms = counted ? 0 : settings_.rates->take_address(address_, config::steady_us());
    counted = false;
    const auto* field = wait_ms > 0 ? "address" : "user";
    if (wait_ms == 0) wait_ms = user_waits(fault.user);
    if (wait_ms > 0)
      fault = {fault.index, std::move(fault.id), field, {}, {}, Code::rate_limited, wait_ms};
  }
}

bool HttpGateway::handle_orders(const HttpRequest& request, HttpRespond& respond) {
  if (request.target == "/v1/orders") {
    if (performs(request, "POST", kTakes, respond)) post_order(request, respond);
    return true;
  }
  const auto id = behind(request.target, "/v1/orders/");
  if (id.empty()) return false;
  constexpr std::string_view kPayments = "/payments";
  constexpr std::string_view kDemoPayments = "/demo-payments";
  if (id.ends_with(kDemoPayments)) {
    if (!settings_.shop.demo_payment) return false;
    if (performs(request, "POST", kTakes, respond))
      pay_for_show(id.substr(0, id.size() - kDemoPayments.size()), request, respond);
  } else if (id.ends_with(kPayments))
    handle_payments(id.substr(0, id.size() - kPayments.size()), request, respond);
  else
    handle_order(id, request, respond);
  return true;
}

void HttpGateway::handle_order(std::string_view id, const HttpRequest& request,
                               HttpRespond& respond) {
  const bool cancels = request.method == "DELETE";
  if (!performs(request, cancels ? "DELETE" : "GET", kOrderTakes, respond)) return;
  if (cancels)
    cancel_order(id, request, respond);
  else
    show_order(id, request, respond);
}

void HttpGateway::handle_payments(std::string_view order, const HttpRequest& request,
                                  HttpRespond& respond) {
  if (performs(request, "POST", kTakes, respond)) pay_order(order, request, respond);
}

bool HttpGateway::handle_promos(const HttpRequest& request, HttpRespond& respond) {
  auto promo = behind(request.target, "/v1/promos/");
  constexpr std::string_view kTickets = "/tickets";
  if (!promo.ends_with(kTickets)) return false;
  promo.remove_suffix(kTickets.size());
  if (performs(request, "POST", kTakes, respond)) ask_ticket(promo, request, respond);
  return true;
}

bool HttpGateway::handle_items(const HttpRequest& request, HttpRespond& respond) {
  const auto item = behind(request.target, "/v1/items/");
  if (request.target != "/v1/items" && item.empty()) return false;
  if (!performs(request, "GET", kReads, respond)) return true;
  if (item.empty())
    list_items(request, respond);
  else
    show_item(item, respond);
  return true;
}

bool HttpGateway::handle_events(const HttpRequest& request, HttpRespond& respond) {
  if (request.target != "/v1/events") return false;
  if (performs(request, "GET", kReads, respond))
    events_.open(request, config::address_key(client_address(request, settings_.proxies)),
                 std::move(respond), EventClock::now());
  return true;
}

void HttpGateway::tell_watches(std::vector<StockWatch> watches) {
  auto mail = std::make_shared<StockWatches>();
  mail->from = self_;
  mail->watches = std::move(watches);
  caf::anon_send(settings_.port, StockWatchesPtr(std::move(mail)));
}

void HttpGateway::on_stock(const StockEventsPtr& events) {
  events_.on_events(*events, EventClock::now());
}

bool HttpGateway::tick() {
  ask_again(config::steady_us());
  const bool streams = events_.tick(EventClock::now());
  return streams || !patient_.empty();
}

// Where there are none, there is nothing.
bool HttpGateway::handle_sessions(const HttpRequest& request, HttpRespond& respond) {
  if (settings_.sessions == Sessions::no || request.target != "/v1/sessions/current") return false;
  if (performs(request, "DELETE", kEnds, respond)) end_session(request, respond);
  return true;
}

bool HttpGateway::handle_miaosha(const HttpRequest& request, HttpRespond& respond) {
  if (request.target == "/miaosha/order") {
    if (performs(request, "POST", kTakes, respond)) miaosha_order(request, respond);
    return true;
  }
  if (request.target != "/miaosha/order-result") return false;
  if (performs(request, "GET", kReads, respond)) miaosha_result(request, respond);
  return true;
}

bool HttpGateway::handle_health(const HttpRequest& request, HttpRespond& respond) {
  const auto& target = request.target;
  if (!is_health(target)) return false;
  if (!performs(request, "GET", kReads, respond)) return true;
  if (target == "/readyz") {
    ask(Route::ready, respond).ask.request.op = ClientOp::ping;
  } else {
    respond(target == "/healthz" ? alive_reply() : version_reply());
  }
  return true;
}

bool HttpGateway::handle_pages(const HttpRequest& request, HttpRespond& respond) {
  if (!settings_.compat || !is_page_route(request.target)) return false;
  const bool shows = request.target == kPageItemPath;
  if (!performs(request, shows ? "GET" : "POST", shows ? kReads : kTakes, respond)) return true;
  if (shows)
    page_item(request, respond);
  else if (request.target == kPageOrderPath)
    page_order(request, respond);
  else
    page_login(request, respond);
  return true;
}

// What the page has to know before it shows anything.
HttpReply HttpGateway::shop_reply() const {
  const auto* login = has_accounts() ? "accounts" : "elsewhere";
  const Json json = {{"login", settings_.sessions == Sessions::no ? "none" : login},
                     {"demo_payment", settings_.shop.demo_payment},
                     {"server_time", config::wall_ms()}};
  HttpReply reply;
  reply.body = to_text(json);
  return reply;
}

bool HttpGateway::handle_shop(const HttpRequest& request, HttpRespond& respond) {
  if (request.target == "/v1/shop") {
    if (performs(request, "GET", kReads, respond)) respond(shop_reply());
    return true;
  }
  auto file = shop_.answer(request);
  if (file) respond(std::move(*file));
  return file.has_value();
}

namespace {

// The id of a request that its header names, or its body. `wrong`: what is wrong with them.
std::string id_of(const HttpRequest& request, std::string&& in_body,
                  std::optional<HttpReply>& wrong) {
  const auto key = unquoted(request.header("idempotency-key"));
  const auto keys = request.header_count("idempotency-key");
  if (keys > 1)
    wrong = bad_field("Idempotency-Key", "this header is there twice");
  else if (keys == 1 && !valid_request_id(key))
    wrong = bad_field("Idempotency-Key", "1 to 64 characters of A-Z a-z 0-9 _ -");
  else if (!key.empty() && !in_body.empty() && key != in_body)
    wrong = bad_field("id", "the header Idempotency-Key says otherwise");
  return in_body.empty() ? std::string(key) : std::move(in_body);
}

// What the client of an order says of its id: `first`, that it was never sent before. One that is
// made here was not, either. Behind a proxy nobody knows what was sent before: it may repeat.
struct FirstTry {
  bool direct = true;
  bool said = false;
  [[nodiscard]] bool holds(std::string_view id) const { return direct && (said || id.empty()); }
};

FirstTry first_try(const HttpRequest& request, std::optional<HttpReply>& wrong) {
  const auto text = request.header("stampede-first");
  const auto times = request.header_count("stampede-first");
  if (times > 1)
    wrong = bad_field("Stampede-First", "this header is there twice");
  else if (times == 1 && text != "1" && text != "0")
    wrong = bad_field("Stampede-First", "1, of an id that was never sent before; else 0");
  bool direct = true;
  for (const auto name : {"via", "x-forwarded-for", "forwarded"})
    direct = direct && request.header_count(name) == 0;
  return {direct, text == "1"};
}

}  // namespace

// The token that a request shows, in its header or its body, where they are looked at. `wrong`:
// what is wrong with them.
std::string HttpGateway::session_of(const HttpRequest& request, std::string&& in_body,
                                    std::optional<HttpReply>& wrong) const {
  if (settings_.sessions == Sessions::no) return {};
  constexpr std::string_view kScheme = "bearer ";
  const auto said = request.header("authorization");
  const bool bearer =
      said.size() > kScheme.size() && same_name(said.substr(0, kScheme.size()), kScheme);
  const auto token = bearer ? trimmed(said.substr(kScheme.size())) : std::string_view{};
  if (request.header_count("authorization") > 1)
    wrong = bad_field("Authorization", "this header is there twice");
  else if (token.size() > kSf1TokenBytesMax)
    wrong = bad_field("Authorization", "a token has at most 4096 bytes");
  else if (!token.empty() && !in_body.empty() && token != in_body)
    wrong = bad_field("token", "the header Authorization says otherwise");
  return in_body.empty() ? std::string(token) : std::move(in_body);
}

// Nobody is asked for money, so it is looked whether the order is the asker's, where that can be
// told: by what he may see.
void HttpGateway::pay_for_show(std::string_view order, const HttpRequest& request,
                               HttpRespond& respond) {
  if (settings_.sessions == Sessions::no)
    return pay_order(order, request, respond, settings_.shop.demo_session);
  HttpRespond seen = [this, order = std::string(order), request, respond](HttpReply reply) {
    if (reply.status != 200) return respond(std::move(reply));
    HttpRespond last = respond;
    pay_order(order, request, last, settings_.shop.demo_session);
    flush();
  };
  show_order(order, request, seen);
}

void HttpGateway::pay_order(std::string_view order, const HttpRequest& request,
                            HttpRespond& respond, std::optional<std::string> demo_session) {
  if (!valid_request_id(order)) return respond(bad_field("order"));
  if (auto wrong = wrong_coding(request)) return respond(std::move(*wrong));
  if (!is_json(request)) return respond(unsupported("the body must be JSON", "Content-Type"));
  HttpPayment body;
  if (const auto fault = parse_payment_body(request.body, body))
    return respond(bad_field(fault->field, fault->text));
  std::optional<HttpReply> wrong;
  auto id = id_of(request, std::move(body.id), wrong);
  if (wrong) return respond(std::move(*wrong));
  if (id.empty()) return respond(bad_field("id", "a payment has an id of its own"));
  auto session = demo_session ? *demo_session : session_of(request, std::move(body.session), wrong);
  if (wrong) return respond(std::move(*wrong));

  auto& entry = ask(Route::fulfil, respond);
  entry.id = std::move(id);
  entry.order = order;
  entry.session = std::move(session);
  entry.ask.request.op = ClientOp::pay;
  entry.ask.request.amount_cents = body.amount_cents;
}

void HttpGateway::ask_ticket(std::string_view promo, const HttpRequest& request,
                             HttpRespond& respond) {
  const auto number = parse_number(promo);
  if (!number) return respond(bad_field("promo"));
  if (auto wrong = wrong_coding(request)) return respond(std::move(*wrong));
  if (!is_json(request)) return respond(unsupported("the body must be JSON", "Content-Type"));
  HttpTicketAsk body;
  if (const auto fault = parse_ticket_body(request.body, body, settings_.sessions))
    return refuse_body(request.body, bad_field(fault->field, fault->text), respond);
  std::optional<HttpReply> wrong;
  auto id = id_of(request, std::move(body.id), wrong);
  auto session = session_of(request, std::move(body.session), wrong);
  if (wrong) return refuse(body.user, std::move(*wrong), respond);

  auto& entry = ask(Route::ticket, respond);
  entry.session = std::move(session);
  entry.id = std::move(id);
  entry.user = std::move(body.user);
  entry.ask.request.op = ClientOp::ticket;
  entry.ask.request.promo = *number;
}

// By the buyer whom the query names, or by whoever may.
void HttpGateway::cancel_order(std::string_view order, const HttpRequest& request,
                               HttpRespond& respond) {
  if (!valid_request_id(order)) return respond(bad_field("order"));
  auto user = sole_value(request.query, "user");
  if (user.times > 0 && (!user.value || !valid_user(*user.value)))
    return respond(bad_field("user"));
  std::optional<HttpReply> wrong;
  auto id = id_of(request, {}, wrong);
  auto session = session_of(request, {}, wrong);
  if (wrong) return refuse(user.value.value_or(""), std::move(*wrong), respond);

  auto& entry = ask(Route::fulfil, respond);
  entry.session = std::move(session);
  entry.id = id.empty() ? std::string(order) : std::move(id);
  entry.order = order;
  if (user.value) entry.user = std::move(*user.value);
  entry.ask.request.op = ClientOp::cancel;
}

void HttpGateway::post_order(const HttpRequest& request, HttpRespond& respond) {
  if (auto wrong = wrong_coding(request)) return respond(std::move(*wrong));
  if (!is_json(request)) return respond(unsupported("the body must be JSON", "Content-Type"));
  if (is_array(request.body)) return post_orders(request, respond);
  if (request.body.size() > kOrderBodyBytesMax)
    return respond(problem(413, "too_large", "the body of one order is longer than 4 KiB"));
  HttpOrder body;
  if (const auto fault = parse_order_body(request.body, body, settings_.sessions))
    return refuse_body(request.body, bad_field(fault->field, fault->text), respond);
  std::optional<HttpReply> wrong;
  auto id = id_of(request, std::move(body.id), wrong);
  const auto first = first_try(request, wrong);
  auto session = session_of(request, std::move(body.session), wrong);
  if (wrong) return refuse(body.user, std::move(*wrong), respond);
  const auto wait = preferred_wait(request.head);

  auto& entry = ask(Route::order, respond);
  entry.ask.request.first = first.holds(id);
  entry.id = std::move(id);
  entry.user = std::move(body.user);
  entry.ticket = std::move(body.ticket);
  entry.session = std::move(session);
  entry.ask.mode = wait == 0 ? WaitMode::detach_now : WaitMode::detach_at_deadline;
  auto& order = entry.ask.request;
  order.op = ClientOp::order;
  order.item = body.item;
  order.qty = body.qty;
  order.promo = body.promo;
  order.valid_until_ms = body.valid_until_ms;
  if (wait > 0) order.deadline_ms = static_cast<std::int64_t>(wait * 1000);
}

// An array is answered by one, as over SF1: it waits for all of its answers.
void HttpGateway::post_orders(const HttpRequest& request, HttpRespond& respond) {
  if (request.header_count("idempotency-key") > 0)
    return respond(bad_field("Idempotency-Key", "the ids of an array stand in its orders"));
  std::optional<HttpReply> wrong;
  const auto first = first_try(request, wrong);
  auto session = session_of(request, {}, wrong);
  if (wrong) return respond(std::move(*wrong));
  OrdersBody body;
  if (const auto fault = parse_orders_body(request.body, body, settings_.sessions))
    return respond(code_problem(fault->code, {}, fault->field, fault->text));
  count_faults(body);
  if (body.orders.empty()) return respond(orders_reply({}, body.faults));
  if (!body.faults.empty() && faults_ + body.faults.size() > kFaultsMax)
    return respond(code_problem(Code::overloaded, {}, {}, "too many arrays with bad orders wait"));
  const auto wait = preferred_wait(request.head);

  const auto token = wait_in_slot(Route::orders, respond);
  faults_ += body.faults.size();
  pending_[token & 0xFFFFFFFFU].faults = std::move(body.faults);
  auto& array = asks_->arrays.emplace_back();
  array.token = token;
  array.connection = connection_;
  array.address = address_;
  array.orders = std::move(body.orders);
  for (auto& order : array.orders) order.first = first.holds(order.id);
  array.session = std::move(session);
  if (wait > 0) array.deadline_ms = static_cast<std::int64_t>(wait * 1000);
}

void HttpGateway::show_order(std::string_view id, const HttpRequest& request,
                             HttpRespond& respond) {
  if (!valid_request_id(id)) return respond(bad_field("id"));
  std::optional<HttpReply> wrong;
  auto session = session_of(request, {}, wrong);
  if (wrong) return respond(std::move(*wrong));
  const auto wait = preferred_wait(request.head);
  auto& entry = ask(Route::show, respond);
  entry.session = std::move(session);
  entry.id = id;
  entry.ask.request.op = ClientOp::get;
  if (wait == 0) return;
  auto& patience = pending_[entry.token & 0xFFFFFFFFU].patience;
  patience = std::make_unique<Patience>();
  patience->ask = entry;
  patience->until_us = config::steady_us() + static_cast<std::int64_t>(wait) * 1'000'000;
  patience->pause_us = kAskAgainMinUs;
}

// Whether an order that is still open is asked for again: its client waits for the decision.
bool HttpGateway::waits_on(Pending& slot, std::uint32_t index, const HttpAnswer& answer) {
  if (!slot.patience || answer.kind != ReplyKind::queued || patient_.size() >= kPatientMax)
    return false;
  auto& patience = *slot.patience;
  const auto now_us = config::steady_us();
  if (now_us >= patience.until_us) return false;
  patience.next_us = std::min(now_us + patience.pause_us, patience.until_us);
  patience.pause_us = std::min(patience.pause_us * 2, kAskAgainMaxUs);
  patient_.push_back(index);
  return true;
}

void HttpGateway::ask_again(std::int64_t now_us) {
  std::erase_if(patient_, [&](std::uint32_t index) {
    const auto& patience = *pending_[index].patience;
    if (now_us < patience.next_us) return false;
    if (!asks_) asks_ = std::make_shared<HttpAsks>();
    asks_->asks.push_back(patience.ask);
    return true;
  });
  flush();
}

// It is told when the backend has it, and has ended the one before it. Comes from mail, behind
// which no round ends.
void HttpGateway::keep_session(const LoginReply& reply, LoginDone done) {
  HttpRespond nobody = [](HttpReply) {};
  auto& entry = ask(Route::kept_session, nobody);
  entry.user = reply.user;
  entry.id = reply.jti;
  entry.ask.request.op = ClientOp::keep_session;
  entry.ask.request.valid_until_ms = reply.expires_ms;
  pending_[entry.token & 0xFFFFFFFFU].login =
      std::make_unique<KeptLogin>(KeptLogin{reply, std::move(done)});
  flush();
}

// One that may not be kept is not told.
void HttpGateway::on_kept(Pending& slot, const HttpAnswer& answer) {
  const auto login = std::move(slot.login);
  if (answer.kind == ReplyKind::session_kept) return login->done(login->reply);
  LoginReply refused;
  refused.code = answer.code;
  refused.retry_after_ms = answer.retry_after_ms;
  refused.detail = answer.message;
  login->done(refused);
}

void HttpGateway::end_session(const HttpRequest& request, HttpRespond& respond) {
  std::optional<HttpReply> wrong;
  auto session = session_of(request, {}, wrong);
  if (wrong) return respond(std::move(*wrong));
  auto& entry = ask(Route::session, respond);
  entry.session = std::move(session);
  entry.ask.request.op = ClientOp::end_session;
}

void HttpGateway::list_items(const HttpRequest& request, HttpRespond& respond) {
  const auto from = number_or(request.query, "from", 0);
  const auto limit = number_or(request.query, "limit", kItemsPageMax);
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

// The item stands in the form, or in the query, or in both.
void HttpGateway::miaosha_order(const HttpRequest& request, HttpRespond& respond) {
  if (auto wrong = wrong_coding(request)) return respond(std::move(*wrong));
  const auto form = parse_form(request.header("content-type"), request.body);
  if (form.fault == FormFault::other_type)
    return respond(unsupported("the body must be a form", "Content-Type"));
  if (form.fault == FormFault::malformed)
    return respond(bad_field({}, "the body is no well-formed form"));
  const auto text = agreed(sole_value(form.pairs, "itemId"), sole_value(request.query, "itemId"));
  const auto item = text ? parse_number(*text) : std::nullopt;
  if (!item) return respond(bad_field("itemId"));
  auto shown = sole_value(form.pairs, "token");
  if (shown.times > 1) return respond(bad_field("token"));
  std::optional<HttpReply> wrong;
  auto session = session_of(request, std::move(shown.value).value_or(""), wrong);
  if (wrong) return respond(std::move(*wrong));
  auto& entry = ask(Route::miaosha_order, respond);
  entry.ask.mode = WaitMode::detach_now;
  entry.ask.user_is_id = true;
  entry.session = std::move(session);
  entry.ask.request.op = ClientOp::order;
  entry.ask.request.item = *item;
  pending_[entry.token & 0xFFFFFFFFU].item = *item;
}

void HttpGateway::miaosha_result(const HttpRequest& request, HttpRespond& respond) {
  auto id = sole_value(request.query, "requestId").value;
  if (!id || !valid_request_id(*id)) return respond(bad_field("requestId"));
  std::optional<HttpReply> wrong;
  auto session = session_of(request, {}, wrong);
  if (wrong) return respond(std::move(*wrong));
  auto& entry = ask(Route::miaosha_result, respond);
  entry.session = std::move(session);
  entry.id = std::move(*id);
  entry.ask.request.op = ClientOp::get;
  entry.ask.cached = true;
}

namespace {

// The field of the form at fault, which `read` finds; empty: the body as a whole.
template <class Read, class Content>
std::optional<std::string_view> wrong_field(const HttpRequest& request, Read read,
                                            Content& content) {
  if (wrong_coding(request)) return "";
  const auto form = parse_form(request.header("content-type"), request.body);
  if (form.fault != FormFault::none) return "";
  return read(form.pairs, content);
}

}  // namespace

void HttpGateway::page_item(const HttpRequest& request, HttpRespond& respond) {
  std::uint64_t item = 0;
  if (const auto field = read_item_query(request.query, item))
    return respond(page_fault_reply(*field));
  auto& asked = ask(Route::page_item, respond).ask.request;
  asked.op = ClientOp::items;
  asked.one_item = true;
  asked.item = item;
}

// The form has no id, so each is an order of its own, and nobody goes on trying for one whose page
// has been told that nothing is known of it.
void HttpGateway::page_order(const HttpRequest& request, HttpRespond& respond) {
  PageOrder order;
  if (const auto field = wrong_field(request, read_order_form, order))
    return respond(page_fault_reply(*field));
  std::optional<HttpReply> wrong;
  auto session = session_of(request, std::move(order.session), wrong);
  if (wrong) return respond(page_fault_reply("token"));
  const bool direct = first_try(request, wrong).direct;

  auto& entry = ask(Route::page_order, respond);
  pending_[entry.token & 0xFFFFFFFFU].asked_us = config::steady_us();
  entry.session = std::move(session);
  auto& asked = entry.ask.request;
  asked.op = ClientOp::order;
  asked.item = order.item;
  asked.qty = order.qty;
  asked.promo = order.promo;
  asked.first = direct;  // its id is made here
  asked.deadline_ms = kPageWaitMs;
}

void HttpGateway::page_login(const HttpRequest& request, HttpRespond& respond) {
  PageLogin login;
  if (const auto field = wrong_field(request, read_login_form, login))
    return respond(page_fault_reply(*field));
  if (!has_accounts()) return respond(page_no_accounts_reply());
  if (const auto fault = login_fault(login.phone, true, login.password))
    return respond(page_fault_reply(fault->field));
  LoginAsk asked;
  asked.name = std::move(login.phone);
  asked.by_phone = true;
  asked.password = std::move(login.password);
  log_in(request, std::move(asked),
         [respond](const LoginReply& reply) { respond(page_login_reply(reply)); });
}

// A token is a slot's index and, above it, how often the slot was used.
std::uint64_t HttpGateway::wait_in_slot(Route route, HttpRespond& respond) {
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
  return (std::uint64_t{slot.use} << 32) | index;
}

HttpAsk& HttpGateway::ask(Route route, HttpRespond& respond) {
  const auto token = wait_in_slot(route, respond);
  auto& entry = asks_->asks.emplace_back();
  entry.token = token;
  entry.connection = connection_;
  return entry;
}

void HttpGateway::flush() {
  if (!asks_) return;
  asks_->from = self_;
  caf::anon_send(settings_.port, std::move(asks_));
  asks_.reset();
}

// --- answers --------------------------------------------------------------------------------

void HttpGateway::on_answers(const HttpAnswersPtr& answers) {
  for (const auto& answer : *answers) {
    const auto index = static_cast<std::uint32_t>(answer.token);
    if (index >= pending_.size()) continue;
    auto& slot = pending_[index];
    if (!slot.respond || slot.use != answer.token >> 32) continue;
    if (slot.route == Route::kept_session) {
      slot.respond = nullptr;
      free_.push_back(index);
      on_kept(slot, answer);
      continue;
    }
    if (waits_on(slot, index, answer)) continue;
    auto reply = reply_for(slot, answer);
    const auto respond = std::move(slot.respond);
    slot.respond = nullptr;
    slot.patience.reset();
    faults_ -= slot.faults.size();
    std::vector<OrderFault>().swap(slot.faults);  // with its memory
    free_.push_back(index);  // before respond(), which may bring the next request
    respond(std::move(reply));
  }
}

HttpReply HttpGateway::reply_for(const Pending& pending, const HttpAnswer& answer) {
  switch (pending.route) {
    case Route::order:
      return order_reply(answer);
    case Route::orders:
      return orders_reply(answer, pending.faults);
    case Route::show:
      return show_reply(answer);
    case Route::fulfil:
      return fulfilled_reply(answer);
    case Route::ticket:
      return granted_reply(answer);
    case Route::items:
      return items_reply(answer, config::wall_ms());
    case Route::item:
      return item_reply(answer, config::wall_ms());
    case Route::miaosha_order:
      return miaosha_order_reply(answer, pending.item);
    case Route::miaosha_result:
      return miaosha_result_reply(answer);
    case Route::session:
      return session_kept_reply(answer);
    case Route::kept_session:
      break;  // answered by on_kept()
    case Route::page_item:
      return page_item_reply(answer);
    case Route::page_order:
      return page_order_reply(answer, (config::steady_us() - pending.asked_us) / 1000);
    case Route::ready:
      return ready_reply(answer);
  }
  return code_problem(Code::internal);
}

HttpServerOptions with_gateway(HttpServerOptions options, GatewaySettings settings) {
  options.counts = settings.counts;
  auto gateway = std::make_shared<HttpGateway>(std::move(settings));
  options.limits.large_body_target = "/v1/orders";
  options.limits.large_body_bytes_max = kOrdersBodyBytesMax;
  options.on_start = [gateway](const caf::actor& self) { gateway->set_self(self); };
  options.handler = [gateway](HttpRequest request, HttpRespond respond) {
    gateway->handle(request, std::move(respond));
  };
  options.end_of_round = [gateway] { gateway->flush(); };
  options.on_tick = [gateway] { return gateway->tick(); };
  options.urgent = is_health;
  options.on_mail = {
      [gateway](const HttpAnswersPtr& answers) { gateway->on_answers(answers); },
      [gateway](const StockEventsPtr& events) { gateway->on_stock(events); },
      [gateway](const RateLimitsPtr& rates) { gateway->limit_rates(rates); },
      [gateway](const LoginReplyPtr& reply) { gateway->accounts().on_reply(*reply); },
      [gateway](const SignUpReplyPtr& reply) { gateway->accounts().on_reply(*reply); }};
  return options;
}

}  // namespace stampede::actors
