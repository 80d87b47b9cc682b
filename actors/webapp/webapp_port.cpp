#include "actors/webapp/webapp_port.h"

#include <sys/random.h>

#include <chrono>

#include "config/process/invariant.h"
#include "config/process/wall_clock.h"
#include "config/settings/ip_address.h"

namespace stampede::actors {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using transport::Channel;
using transport::Envelope;
using transport::EnvelopeKind;
using transport::Frame;
using transport::SocketKind;
using transport::SocketOptions;
using Client = ClientToken::Kind;

constexpr milliseconds kTickBusy{5};
constexpr milliseconds kTickIdle{50};
constexpr std::int64_t kClientMessageBytesMax = 1 << 20;  // a larger one cuts the connection
constexpr int kLastAnswersLingerMs = 500;                 // for answers given just before the end
constexpr int kClientQueue = 2 * kSf1OpenMax;             // answers for one client

WebappSettings settings_of(const NodeRuntime& node, std::shared_ptr<RateLimits> rates) {
  const auto& config = node.config().webapp;
  WebappSettings settings;
  settings.instance = node.instance();
  settings.waiting_max = config.waiting_max;
  settings.resend_us = std::int64_t{config.resend_ms} * 1000;
  settings.items_refresh_us = std::int64_t{config.items_refresh_ms} * 1000;
  settings.items_max = config.items_max;
  settings.limits = node.limits();
  settings.rates = std::move(rates);
  settings.result_ttl_us = std::int64_t{config.result_cache_ttl_s} * 1'000'000;
  return settings;
}

}  // namespace

std::array<std::uint64_t, 2> RandomBits::operator()() {
  if (used_ == pool_.size()) {
    static_assert(sizeof pool_ <= 256, "the kernel gives 256 bytes whole, whatever interrupts it");
    STAMPEDE_ASSERT(::getrandom(pool_.data(), sizeof pool_, 0) == sizeof pool_, "no random bits");
    used_ = 0;
  }
  used_ += 2;
  return {pool_[used_ - 2], pool_[used_ - 1]};
}

WebappPort::WebappPort(NodeRuntime& node, std::shared_ptr<RateLimits> rates,
                       const TicketKey& tickets)
    : node_(node),
      counts_addresses_(rates && rates->of_addresses()),
      control_(node, {[this](nlohmann::json& json) { report(json); },
                      [this](Phase wanted) {
                        if (wanted == Phase::draining) start_drain();
                      },
                      nullptr}),
      core_(settings_of(node, std::move(rates)), *this, [this] { return random_(); }),
      news_(*this),
      tickets_(tickets) {}

void WebappPort::start(transport::PortControl& port) {
  port_ = &port;
  open_sockets(port);
  control_.start(port);
  control_.set_phase(Phase::serving);
  if (node_.options().wanted == Phase::draining) start_drain();
  next_tick_ = port.now();
  port.wake_at(next_tick_);
}

void WebappPort::open_sockets(transport::PortControl& port) {
  const int index = node_.options().index;
  const auto options = [&](SocketKind kind, Channel channel, bool bind, int of = 1) {
    SocketOptions made;
    made.kind = kind;
    made.endpoint = node_.endpoint(channel, of);
    made.bind = bind;
    made.for_clients = bind;  // what a webapp binds is for clients
    return made;
  };
  auto clients = options(SocketKind::router, Channel::webapp_clients, true, index);
  clients.max_message_bytes = kClientMessageBytesMax;
  clients.send_high_water = clients.receive_high_water = kClientQueue;
  clients.linger_ms = kLastAnswersLingerMs;
  clients.local_endpoint = node_.local_clients_endpoint();
  clients_ = port.open(clients);
  auto stock = options(SocketKind::xpub, Channel::webapp_news, true, index);
  stock.max_message_bytes = 256;          // subscribers send topics only
  stock.tells_every_join = true;          // a newcomer hears the present value at once
  stock.topics_max = kNewsTopicsMax / 2;  // there may be twice as many for a moment
  stock_ = port.open(stock);
  requests_ = port.open(options(SocketKind::push, Channel::requests_in, false));
  auto results = options(SocketKind::sub, Channel::results_out, false);
  results.subscriptions = {"result/webapp-" + std::to_string(index) + "/", "news/"};
  results_ = port.open(results);
}

std::int64_t WebappPort::now_us() const {
  return std::chrono::duration_cast<microseconds>(port_->now().time_since_epoch()).count();
}

caf::message_handler WebappPort::mail(transport::PortControl&) {
  return {[this](const HttpAsksPtr& asks) { take_asks(asks); },
          [this](DrainMail) { start_drain(); }};
}

void WebappPort::on_message(transport::PortControl& port, transport::SocketId id,
                            transport::Message& parts) {
  if (id == clients_) return take_client(parts);
  if (id == results_) return take_result(parts);
  if (id == stock_) return news_.on_subscription(parts.empty() ? "" : parts[0].bytes());
  control_.on_message(port, id, parts);
}

void WebappPort::on_timer(transport::PortControl& port) {
  control_.on_timer(port);
  if (port.now() < next_tick_) return;
  ++ticks_;
  core_.on_tick(now_us());
  news_.on_tick(now_us());
  next_tick_ = port.now() + (core_.busy() || !news_.idle() ? kTickBusy : kTickIdle);
  port.wake_at(next_tick_);
}

void WebappPort::end_of_round(transport::PortControl&) {
  round_entries_ = 0;
  core_.end_of_round(now_us());
  if (http_answers_) {
    caf::anon_send(http_, std::move(http_answers_));
    http_answers_.reset();
  }
  if (draining_) stop_when_drained();
}

void WebappPort::start_drain() {
  if (draining_) return;
  draining_ = true;
  core_.drain();
  control_.set_phase(Phase::draining);
}

void WebappPort::stop_when_drained() {
  if (!core_.busy()) node_.request_stop();
}

// --- what arrives ---------------------------------------------------------------------------

namespace {

// What stands before a request: a REQ's empty delimiter, and its number when it counts them.
Client kind_of(const transport::Message& parts) {
  if (parts[1].size() == 0) return Client::req;  // alone, too: ZMQ_PROBE_ROUTER of a REQ
  const bool numbered = parts.size() > 3 && parts[1].size() == kCorrelationBytes;
  return numbered && parts[2].size() == 0 ? Client::correlated : Client::dealer;
}

std::size_t parts_of(Client kind) {
  return kind == Client::correlated ? 4 : kind == Client::req ? 3 : 2;
}

ClientAddress address_of(const ClientToken& client) {
  const auto identity = client.identity();
  if (client.kind != Client::correlated) return {identity, {}, client.kind == Client::req};
  const auto size = identity.size() - kCorrelationBytes;
  return {identity.substr(0, size), identity.substr(size), true};
}

// Of a peer on a Unix socket libzmq tells no address of the network.
std::uint64_t address_of(const Frame& part) {
  const auto address = config::parse_address(part.peer_address());
  return address ? config::address_key(*address) : 0;
}

}  // namespace

void WebappPort::take_client(transport::Message& parts) {
  if (parts.size() < 2) return;  // ROUTER always gives the identity and at least one frame
  const auto identity = parts[0].bytes();
  const Client kind = kind_of(parts);
  const std::size_t number = kind == Client::correlated ? kCorrelationBytes : 0;
  if (identity.size() + number > ClientToken::kIdentityBytesMax) {
    buffer_.clear();
    append_sf1_error(buffer_, {}, Code::bad_protocol, "identity");
    return send_router(ClientAddress{identity, {}, kind != Client::dealer}, buffer_);
  }
  const auto client =
      kind == Client::correlated
          ? ClientToken::router(kind, std::string(identity) + std::string(parts[1].bytes()))
          : ClientToken::router(kind, identity);
  if (counts_addresses_) core_.comes_from(address_of(parts.back()));
  if (parts.size() != parts_of(kind))
    return core_.on_malformed(client, Refusal{Code::bad_protocol, {}, {}}, now_us());
  const auto frame = parts.back().bytes();
  const bool batch = Sf1Decoder::is_batch(frame);
  if (!(batch ? decoder_.open_batch(frame) : decoder_.decode(frame)))
    return core_.on_malformed(client, decoder_.refusal(), now_us());
  round_entries_ += batch ? decoder_.unread() : 1;
  if (round_entries_ >= kRoundEntries) port_->leave_rest();
  const bool items = !batch && decoder_.request().op == ClientOp::items;
  if (batch || items) large_.expect(identity, parts.back());
  if (items) core_.at_wall_time(config::wall_ms());
  if (batch) return core_.on_orders(client, decoder_, now_us());
  core_.on_request(ClientAsk{client, decoder_.request()}, now_us());
}

void WebappPort::take_asks(const HttpAsksPtr& asks) {
  http_ = asks->from;
  core_.comes_from(0);  // the HTTP actor has counted them
  core_.at_wall_time(config::wall_ms());
  for (auto& entry : asks->asks) {
    entry.ask.client = ClientToken::numbered(Client::http, entry.token);
    entry.ask.request.id = entry.id;
    entry.ask.request.user = entry.user;
    entry.ask.request.order = entry.order;
    judge_ticket(entry.ticket, entry.ask.request);
    core_.on_request(entry.ask, now_us());
  }
  for (const auto& array : asks->arrays) take_array(array);
}

// An order that has none, and everything else, is left as it is.
void WebappPort::judge_ticket(const std::string& ticket, ClientRequest& request) {
  if (ticket.empty()) return;
  request.ticket_ms =
      tickets_.judge(ticket, request.promo, request.item, request.user, request.id, ticket_bytes_);
}

void WebappPort::take_array(const HttpArrayAsk& array) {
  orders_.clear();
  ticket_ids_.clear();
  for (const auto& order : array.orders) {
    auto& request = orders_.emplace_back();
    request.op = ClientOp::order;
    request.id = order.id;
    request.item = order.item;
    request.user = order.user;
    request.qty = order.qty;
    request.promo = order.promo;
    request.valid_until_ms = order.valid_until_ms;
    request.first = order.first;
    request.deadline_ms = array.deadline_ms;
    judge_ticket(order.ticket, request);
    if (order.id.empty() && !request.id.empty()) request.id = ticket_ids_.emplace_back(request.id);
  }
  core_.comes_from(array.address, 1);
  core_.on_orders(ClientToken::numbered(Client::http, array.token), orders_, now_us());
}

void WebappPort::take_result(transport::Message& parts) {
  const auto envelope =
      parts.size() >= 2 ? transport::decode_envelope(parts[1].bytes()) : std::nullopt;
  if (!envelope) {
    ++malformed_messages_;
    return;
  }
  const auto body = parts.size() > 2 ? parts[2].bytes() : std::string_view{};
  const BatchHead head{envelope->sender, envelope->number, envelope->epoch};
  switch (envelope->kind) {
    case EnvelopeKind::hello:
      return core_.on_hello(
          Hello{envelope->broker, envelope->epoch, envelope->counter,
                static_cast<Phase>(envelope->code), envelope->origin, Standstill{envelope->count}},
          now_us());
    case EnvelopeKind::result:
      return core_.on_result(head, body, now_us());
    case EnvelopeKind::refusal:
      return core_.on_refusal(head, static_cast<Code>(envelope->code), now_us());
    case EnvelopeKind::news:
      return take_news(envelope->epoch, body);
    default:
      ++malformed_messages_;
  }
}

void WebappPort::take_news(std::uint64_t epoch, std::string_view body) {
  reader_.open(body);
  ItemRow row;
  while (reader_.next(row)) {
    news_.on_row(row);
    core_.on_news(epoch, row);
  }
  if (reader_.bad()) ++malformed_messages_;
}

// --- what leaves ----------------------------------------------------------------------------

bool WebappPort::send_work(std::uint64_t number, std::uint32_t count, std::string_view body) {
  Envelope envelope;
  envelope.kind = EnvelopeKind::work;
  envelope.origin = static_cast<std::uint32_t>(node_.options().index);
  envelope.sender = node_.instance();
  envelope.number = number;
  envelope.count = count;
  out_.clear();
  out_.push_back(Frame::adopt(transport::encode(envelope)));
  out_.emplace_back(body);
  return port_->send(requests_, out_);
}

void WebappPort::reply(const ClientToken& client, const Reply& reply) {
  switch (client.kind) {
    case Client::dealer:
    case Client::req:
    case Client::correlated:
      return reply_router(client, reply);
    case Client::http:
      return reply_http(client, reply);
    case Client::internal:
      return reply_internal(client, reply);
    case Client::none:
      STAMPEDE_ASSERT(false, "a reply for nobody");
  }
}

void WebappPort::open_array(const ClientToken& client, std::uint32_t entries) {
  array_of_ = client.kind;
  if (client.kind == Client::http) return add_http_answer(client).entries.reserve(entries);
  array_.clear();
  append_sf1_array(array_, entries);
}

void WebappPort::close_array(const ClientToken& client) {
  array_of_ = Client::none;
  if (client.kind != Client::http) send_router(address_of(client), array_.view());
}

void WebappPort::drop_array() {
  if (array_of_ == Client::http) http_answers_->pop_back();
  array_of_ = Client::none;
}

void WebappPort::reply_router(const ClientToken& client, const Reply& reply) {
  if (array_of_ != Client::none) return reply_in_array(reply);
  buffer_.clear();
  switch (reply.kind) {
    case ReplyKind::answer:
      append_sf1_answer(buffer_, reply.id, *reply.answer);
      break;
    case ReplyKind::queued:
      append_sf1_queued(buffer_, reply.id);
      break;
    case ReplyKind::refused:
      append_sf1_error(buffer_, reply.id, reply.code, reply.field, reply.message,
                       reply.retry_after_ms);
      break;
    case ReplyKind::items:
      append_sf1_items(buffer_, reply.id, *reply.items, reply.next, config::wall_ms());
      break;
    case ReplyKind::fulfilled:
      append_sf1_fulfilled(buffer_, reply.id, *reply.fulfilled);
      break;
    case ReplyKind::granted:
      append_sf1_granted(buffer_, reply.id, *reply.granted, tickets_.text(*reply.granted));
      break;
    case ReplyKind::pong:
      append_sf1_pong(buffer_, reply.id, reply.state);
      break;
    case ReplyKind::edge:
      append_sf1_edge(buffer_, reply.id);
      break;
    case ReplyKind::invalid:
      STAMPEDE_ASSERT(false, "a reply that says nothing");
  }
  send_router(address_of(client), buffer_);
}

void WebappPort::reply_in_array(const Reply& reply) {
  if (reply.kind == ReplyKind::answer) return append_sf1_answer(array_, reply.id, *reply.answer);
  if (reply.kind == ReplyKind::edge) return append_sf1_edge(array_, reply.id);
  STAMPEDE_ASSERT(reply.kind == ReplyKind::refused, "an order is answered or refused");
  append_sf1_error(array_, reply.id, reply.code, reply.field, reply.message, reply.retry_after_ms);
}

void WebappPort::send_router(const ClientAddress& to, std::string_view answer) {
  out_.clear();
  out_.emplace_back(to.identity);
  if (!to.number.empty()) out_.emplace_back(to.number);
  if (to.delimiter) out_.emplace_back();
  out_.push_back(large_.frame(to.identity, answer));
  if (!port_->send(clients_, out_)) ++answers_dropped_;
}

HttpAnswer& WebappPort::add_http_answer(const ClientToken& client) {
  if (!http_answers_) http_answers_ = std::make_shared<std::vector<HttpAnswer>>();
  auto& answer = http_answers_->emplace_back();
  answer.token = client.number();
  return answer;
}

void WebappPort::reply_http(const ClientToken& client, const Reply& reply) {
  auto& answer = array_of_ == Client::none ? add_http_answer(client)
                                           : http_answers_->back().entries.emplace_back();
  answer.kind = reply.kind;
  answer.id = reply.id;
  if (reply.answer != nullptr) answer.answer = *reply.answer;
  if (reply.fulfilled != nullptr) {
    answer.fulfilled = *reply.fulfilled;
    answer.order = reply.fulfilled->order;
  }
  if (reply.granted != nullptr) {
    answer.granted = *reply.granted;
    answer.granted.id = answer.granted.user = {};
    answer.order = reply.granted->id;
    answer.ticket = tickets_.text(*reply.granted);
  }
  answer.code = reply.code;
  answer.field = reply.field;
  answer.message = reply.message;
  answer.retry_after_ms = reply.retry_after_ms;
  answer.state = reply.state;
  answer.next = reply.next;
  if (reply.items == nullptr) return;
  answer.items.reserve(reply.items->size());
  for (const auto& row : *reply.items) answer.items.push_back(copy_of(row));
}

void WebappPort::reply_internal(const ClientToken& client, const Reply& reply) {
  const bool known = reply.kind == ReplyKind::items && !reply.items->empty();
  news_.on_answer(client.number(), known ? &reply.items->front() : nullptr);
}

void WebappPort::publish(const ItemRow& row) {
  buffer_.clear();
  append_sf1_news(buffer_, row, config::wall_ms());
  out_.clear();
  out_.emplace_back(std::string_view(stock_topic(row.item)));
  out_.emplace_back(std::string_view(buffer_));
  if (!port_->send(stock_, out_)) ++news_dropped_;
}

// As it is learnt, once: who joins later asks for the item.
void WebappPort::notice(const StockNotice& notice) {
  buffer_.clear();
  append_sf1_notice(buffer_, notice.item, notice.seq, notice.left);
  out_.clear();
  const std::string topic = notice_topic(notice.item, notice.left > 0);
  out_.emplace_back(std::string_view(topic));
  out_.emplace_back(std::string_view(buffer_));
  if (!port_->send(stock_, out_)) ++news_dropped_;
}

void WebappPort::ask_item(std::uint64_t item) {
  ClientAsk ask;
  ask.client = ClientToken::numbered(Client::internal, item);
  ask.request.op = ClientOp::items;
  ask.request.one_item = true;
  ask.request.item = item;
  core_.on_request(ask, now_us());
}

// A webapp never waits for anything but the backend, whose standstill is not the webapp's: each
// tick counts as progress, so that only a port that no longer runs is taken for hung.
void WebappPort::report(nlohmann::json& report) const {
  const auto& counters = core_.counters();
  nlohmann::json refused = nlohmann::json::object();
  for (std::size_t code = 1; code < counters.refused.size(); ++code) {
    if (counters.refused[code] == 0) continue;
    const std::string text(info(static_cast<Code>(code)).text);  // two say sold_out
    refused[text] = refused.value(text, std::uint64_t{0}) + counters.refused[code];
  }
  const std::string state(core_.state());
  report["state"] = state;
  report["refuses"] = nullptr;
  if (state != "ready") report["refuses"] = "every order is refused: " + state;
  if (const auto why = core_.standstill(); !why.empty()) report["refuses"] = why;
  report["work_waiting"] = core_.busy();
  report["progress"] = ticks_;
  report["epoch"] = core_.epoch();
  report["counters"] = {
      {"requests", counters.requests},
      {"confirmed", counters.confirmed},
      {"rejected", {{"sold_out", counters.sold_out}, {"limit_reached", counters.limit_reached}}},
      {"refused", std::move(refused)},
      {"edge_sold_out", counters.edge},
      {"items_sold_out", core_.stock().marks()},
      {"items_held", core_.items().size()},
      {"items_answered", counters.copied},
      {"waiting", core_.waiting()},
      {"batches", counters.batches},
      {"batches_resent", counters.resent},
      {"results_ignored", counters.results_ignored},
      {"results_malformed", counters.results_malformed + malformed_messages_},
      {"answers_late", counters.answers_late},
      {"answers_dropped", answers_dropped_},
      {"news_published", news_.counters().published},
      {"news_dropped", news_dropped_ + news_.counters().changes_dropped},
      {"topics", news_.topics()},
      {"topics_refused", news_.counters().topics_refused}};
}

}  // namespace stampede::actors
