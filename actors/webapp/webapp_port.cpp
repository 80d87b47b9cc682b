#include "actors/webapp/webapp_port.h"

#include <sys/random.h>

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "actors/metrics/core/metric_report.h"
#include "actors/node/node_log.h"
#include "actors/node/operator_wishes.h"
#include "config/process/invariant.h"
#include "config/process/wall_clock.h"
#include "config/settings/ip_address.h"
#include "transport/port/time_grid.h"
#include "transport/zmq/peer_guard.h"

namespace stampede::actors {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using transport::BehindGrid;
using transport::Channel;
using transport::Envelope;
using transport::EnvelopeKind;
using transport::Frame;
using transport::SocketKind;
using transport::SocketOptions;
using Client = ClientToken::Kind;

constexpr milliseconds kTickBusy{5};
constexpr int kTickIdleMinMs = 50;
constexpr int kTickIdleMaxMs = 500;
constexpr int kTickOfSessionsMs = EndedSessions::kRefreshUs / 1000;
constexpr std::int64_t kClientMessageBytesMax = 1 << 20;  // a larger one cuts the connection
constexpr int kLastAnswersLingerMs = 500;                 // for answers given just before the end
constexpr std::chrono::seconds kSweepEvery{5};
constexpr int kClientQueue = 2 * kSf1OpenMax;  // answers for one client

// None where whoever asks may ask everything.
std::optional<LoginSettings> login_settings(NodeRuntime& node) {
  const auto& auth = node.config().auth;
  if (!auth.required() && node.config().curve.allow_file.empty()) return std::nullopt;
  return LoginSettings{auth.required(), auth.sessions_max, RandomBits{}()};
}

WebappSettings settings_of(NodeRuntime& node, std::shared_ptr<RateLimits> rates,
                           const TicketSigner* tickets) {
  const auto& config = node.config().webapp;
  WebappSettings settings;
  settings.instance = node.instance();
  settings.waiting_max = config.waiting_max;
  settings.resend_us = std::int64_t{config.resend_ms} * 1000;
  settings.items_refresh_us = std::int64_t{config.items_refresh_ms} * 1000;
  settings.items_max = config.items_max;
  settings.limits = node.limits();
  settings.rates = std::move(rates);
  settings.login = login_settings(node);
  settings.tickets = tickets;
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

std::shared_ptr<RateLimits> rate_limits(const config::Limits& limits) {
  const RateSettings settings{limits.user_per_s, limits.user_burst, limits.address_per_min,
                              limits.address_ban_s};
  return settings.any() ? std::make_shared<RateLimits>(settings, RandomBits{}()) : nullptr;
}

WebappPort::WebappPort(NodeRuntime& node, std::shared_ptr<RateLimits> rates,
                       const TicketKey& tickets, caf::actor clerk,
                       std::shared_ptr<const HttpCounts> http, Live live)
    : node_(node),
      counts_addresses_(rates && rates->of_addresses()),
      tick_idle_(std::clamp(node.config().webapp.items_refresh_ms / 2, kTickIdleMinMs,
                            node.config().auth.required() ? kTickOfSessionsMs : kTickIdleMaxMs)),
      limits_(node.config().limits),
      live_(std::move(live)),
      control_(node,
               {[this](nlohmann::json& json) { report(json); },
                [this](Phase wanted) {
                  if (wanted == Phase::draining) start_drain();
                },
                nullptr, [this](nlohmann::json& json) { report_metrics(json); },
                [this](const config::Config& now) { take_config(now); },
                [this](bool refused) { core_.refuse_orders(refused); }},
               BehindGrid::kWebapp),
      core_(settings_of(node, std::move(rates), &tickets_), *this, [this] { return random_(); }),
      news_(*this),
      known_tickets_(random_()),
      tickets_(tickets, &known_tickets_),
      decoder_(&tickets_, node.config().auth.required()),
      clerk_(std::move(clerk)),
      http_counts_(std::move(http)) {}

void WebappPort::start(transport::PortControl& port) {
  port_ = &port;
  core_.refuse_orders(read_operator_wishes(node_.config().run_dir).drained());
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
          [this](const StockWatchesPtr& watches) { take_watches(watches); },
          [this](const TokenVerdictsPtr& verdicts) { take_verdicts(verdicts); },
          [this](DrainMail) { start_drain(); }};
}

void WebappPort::on_message(transport::PortControl& port, transport::SocketId id,
                            transport::Message& parts) {
  if (id == clients_) return take_next(parts);
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
  if (core_.desk() != nullptr && port.now() >= next_sweep_) drop_connections();
  const bool busy = core_.busy() || !news_.idle();
  if (busy) return look_at(port.now() + kTickBusy);
  next_tick_ = transport::next_on_grid(port.now(), tick_idle_);
  port.wake_between(next_tick_, next_tick_ + BehindGrid::kWebapp);
}

void WebappPort::look_at(transport::MonoTime when) {
  next_tick_ = when;
  port_->wake_at(when);
}

// Who waits has a deadline, so the next look may not be as far away as when nobody does.
void WebappPort::look_soon(transport::PortControl& port) {
  if (next_tick_ <= port.now() + kTickBusy || (!core_.busy() && news_.idle())) return;
  look_at(port.now() + kTickBusy);
}

void WebappPort::end_of_round(transport::PortControl& port) {
  if (transport::Message none; !next_.empty()) take_next(none);
  round_entries_ = 0;
  send_late();
  core_.end_of_round(now_us());
  look_soon(port);
  if (clerk_) send_new_tokens();
  if (http_answers_) {
    caf::anon_send(http_, std::move(http_answers_));
    http_answers_.reset();
  }
  if (stock_events_) send_stock();
  if (draining_) stop_when_drained();
}

void WebappPort::finish(transport::PortControl& port) {
  control_.finish(port);
}

void WebappPort::start_drain() {
  if (draining_) return;
  draining_ = true;
  core_.drain();
  control_.set_phase(Phase::draining);
}

void WebappPort::stop_when_drained() {
  if (!core_.busy() && held_.empty()) node_.request_stop();
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

// The memory that a message asks for is on its way while the one before it is taken.
void WebappPort::take_next(transport::Message& behind) {
  std::swap(next_, behind);
  if (!next_.empty()) decoder_.prefetch(next_.back().bytes());
  if (behind.empty()) return;
  reads_clients_ = true;
  take_client(behind);
  reads_clients_ = false;
}

void WebappPort::take_client(transport::Message& parts, bool again) {
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
  if (counts_addresses_) core_.comes_from(address_of(parts.back()), again ? 1 : 0);
  if (parts.size() != parts_of(kind))
    return core_.on_malformed(client, Refusal{Code::bad_protocol, {}, {}}, now_us());
  const auto frame = parts.back().bytes();
  const bool batch = Sf1Decoder::is_batch(frame);
  if (!(batch ? decoder_.open_batch(frame) : decoder_.decode(frame))) {
    if (core_.desk() != nullptr) show_credentials(parts, client, again);
    return core_.on_malformed(client, decoder_.refusal(), now_us());
  }
  round_entries_ += batch ? decoder_.unread() : 1;
  if (round_entries_ >= kRoundEntries && !again) port_->leave_rest();
  const bool items = !batch && decoder_.request().op == ClientOp::items;
  if (batch || items) large_.expect(identity, parts.back());
  if (items) core_.at_wall_time(config::wall_ms());
  if (core_.desk() != nullptr) show_credentials(parts, client, again);
  const bool taken = batch ? core_.on_orders(client, decoder_, now_us())
                           : core_.on_request(ClientAsk{client, decoder_.request()}, now_us());
  if (!taken) hold(std::exchange(parts, {}), client, frame.size());
}

void WebappPort::take_asks(const HttpAsksPtr& asks) {
  http_ = asks->from;
  core_.at_wall_time(config::wall_ms());
  for (auto& entry : asks->asks) take_ask(entry);
  for (auto& array : asks->arrays) take_array(array);
}

// An order that has none, and everything else, is left as it is. Where sessions are needed it is
// not known yet who asks.
void WebappPort::judge_ticket(const std::string& ticket, ClientRequest& request) {
  if (ticket.empty()) return;
  if (core_.desk() != nullptr && core_.desk()->sessions()) {
    request.ticket = ticket;
    request.ticket_ms = kForeignTicket;
    return;
  }
  request.ticket_ms =
      tickets_.judge(ticket, request.promo, request.item, request.user, request.id, ticket_bytes_);
}

void WebappPort::take_ask(HttpAsk& entry, bool again) {
  core_.comes_from(0);  // the HTTP actor has counted it
  entry.ask.client = ClientToken::numbered(Client::http, entry.token, entry.connection);
  if (entry.ask.request.op == ClientOp::keep_session) return keep_session(entry);
  entry.ask.request.id = entry.id;
  entry.ask.request.user = entry.user;
  entry.ask.request.order = entry.order;
  judge_ticket(entry.ticket, entry.ask.request);
  const auto bytes = sizeof entry + entry.session.size() + entry.ticket.size();
  const auto client = entry.ask.client;
  if (core_.desk() != nullptr) show_credentials(entry.session, client, bytes, again);
  if (!core_.on_request(entry.ask, now_us())) hold(std::move(entry), client, bytes);
}

// Of a login, which has looked at who asks itself; no client can ask for it.
void WebappPort::keep_session(const HttpAsk& entry) {
  core_.keep_session(entry.ask.client,
                     {SessionEvent::opened, entry.user, entry.id, entry.ask.request.valid_until_ms},
                     now_us());
}

void WebappPort::take_array(HttpArrayAsk& array, bool again) {
  orders_.clear();
  ticket_ids_.clear();
  shown_.clear();
  std::size_t bytes = sizeof array + array.session.size();
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
    shown_.push_back(order.session);
    bytes += sizeof order + order.session.size() + order.ticket.size();
  }
  core_.comes_from(array.address, 1);
  const auto client = ClientToken::numbered(Client::http, array.token, array.connection);
  if (core_.desk() != nullptr) show_credentials(array.session, client, bytes, again);
  if (!core_.on_orders(client, orders_, now_us(), shown_)) hold(std::move(array), client, bytes);
}

// --- who asks -------------------------------------------------------------------------------

namespace {

std::uint64_t number_of(const transport::PeerId& peer) {
  return std::uint64_t{peer.life} << 32U | static_cast<std::uint32_t>(peer.fd);
}

transport::PeerId peer_from(std::uint64_t number) {
  return {static_cast<int>(static_cast<std::uint32_t>(number)),
          static_cast<std::uint32_t>(number >> 32U)};
}

}  // namespace

// Of a client over ZeroMQ. Nobody else has the name of its connection: peer_guard.h takes away what
// peers call themselves. Who comes over a Unix socket needed no key to get to it; where sessions
// are needed that says nothing of whom he speaks for.
void WebappPort::show_credentials(transport::Message& parts, const ClientToken& client,
                                  bool again) {
  auto& frame = parts.back();
  Credentials who;
  who.connection = parts[0].bytes();
  const bool alone = !Sf1Decoder::is_batch(frame.bytes());
  if (alone) who.token = decoder_.token();
  if (alone && decoder_.request().op == ClientOp::auth)
    who.peer = number_of(transport::peer_of(frame));
  if (node_.context().curve().on()) {
    const auto key = frame.peer_key();
    who.trusted_key = key == transport::kTrustedPeer || (key.empty() && !core_.desk()->sessions());
  }
  who.slot = client_slot(client);
  who.waits = !again && held_.has_room(who.slot, frame.size());
  core_.shows(who);
}

void WebappPort::show_credentials(std::string_view token, const ClientToken& client,
                                  std::size_t bytes, bool again) {
  Credentials who;
  who.token = token;
  who.slot = client_slot(client);
  who.waits = !again && held_.has_room(who.slot, bytes);
  core_.shows(who);
}

void WebappPort::hold(HeldMessage&& message, const ClientToken& client, std::size_t bytes) {
  held_.hold(std::move(message), client_slot(client), bytes, core_.desk()->awaited());
}

void WebappPort::send_new_tokens() {
  auto tokens = core_.desk()->take_new();
  if (tokens.empty()) return;
  auto asks = std::make_shared<TokenAsks>();
  asks->from = caf::actor_cast<caf::actor>(&port_->self());
  for (auto& token : tokens) asks->asks.push_back({token.number, std::move(token.token)});
  caf::anon_send(clerk_, TokenAsksPtr(std::move(asks)));
}

void WebappPort::take_verdicts(const TokenVerdictsPtr& verdicts) {
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, verdict, left_ms] : *verdicts) {
    if (verdict.code != Code::none) ++tokens_refused_[std::string(verdict.why)];
    core_.desk()->on_verdict(number, verdict, left_ms * 1000, now_us());
    numbers.push_back(number);
  }
  for (auto& message : held_.release(numbers)) {
    if (auto* parts = std::get_if<transport::Message>(&message))
      take_client(*parts, true);
    else if (auto* ask = std::get_if<HttpAsk>(&message))
      take_ask(*ask, true);
    else
      take_array(std::get<HttpArrayAsk>(message), true);
  }
}

void WebappPort::drop_connections() {
  next_sweep_ = port_->now() + kSweepEvery;
  core_.desk()->drop_connections(
      [](std::uint64_t peer) { return transport::is_connected(peer_from(peer)); });
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
      return envelope->code == kSessionNews ? take_session_news(body)
                                            : take_news(envelope->epoch, body);
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

void WebappPort::take_session_news(std::string_view body) {
  reader_.open(body);
  EndedSession session;
  while (reader_.next(session)) core_.on_session_news(session, now_us());
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
    case ReplyKind::session:
      append_sf1_session(buffer_, reply.id, reply.user, reply.expires_ms);
      break;
    case ReplyKind::session_kept:  // is asked for over HTTP alone
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
  auto& out = reads_clients_ ? next_late() : out_;
  out.clear();
  out.emplace_back(to.identity);
  if (!to.number.empty()) out.emplace_back(to.number);
  if (to.delimiter) out.emplace_back();
  out.push_back(large_.frame(to.identity, answer));
  if (!reads_clients_ && !port_->send(clients_, out)) ++answers_dropped_;
}

transport::Message& WebappPort::next_late() {
  if (late_used_ == late_.size()) late_.emplace_back();
  return late_[late_used_++];
}

void WebappPort::send_late() {
  for (auto& answer : std::span(late_).first(std::exchange(late_used_, 0)))
    if (!port_->send(clients_, answer)) ++answers_dropped_;
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
  const bool absent = reply.kind == ReplyKind::refused && reply.code == Code::unknown_item;
  if (absent && watched_.contains(client.number()))
    tell_stock(client.number(), StockEvent::Kind::absent);
}

// --- events of the stock over HTTP ----------------------------------------------------------

void WebappPort::take_watches(const StockWatchesPtr& watches) {
  http_ = watches->from;
  for (const auto& [item, on] : watches->watches) {
    if (!on) {
      news_.unwatch(item);
      watched_.erase(item);
    } else if (!news_.watch(item)) {
      tell_stock(item, StockEvent::Kind::full);
    } else {
      watched_.insert(item);
      if (const auto* row = news_.known(item)) tell_stock(*row);
    }
  }
  port_->wake_at(port_->now());  // news are told by the tick
  next_tick_ = port_->now();
}

void WebappPort::tell_stock(const ItemRow& row) {
  tell_stock(row.item, StockEvent::Kind::value);
  auto& event = stock_events_->back();
  event.seq = row.seq;
  event.left = row.left;
  event.state = item_state(row);
  event.ts_ms = config::wall_ms();
}

void WebappPort::tell_stock(std::uint64_t item, StockEvent::Kind kind) {
  if (!stock_events_) stock_events_ = std::make_shared<std::vector<StockEvent>>();
  auto& event = stock_events_->emplace_back();
  event.kind = kind;
  event.item = item;
}

void WebappPort::send_stock() {
  caf::anon_send(http_, StockEventsPtr(std::exchange(stock_events_, nullptr)));
}

void WebappPort::publish(const ItemRow& row) {
  if (watched_.contains(row.item)) tell_stock(row);
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

// The limits begin anew only where they are others. Keys that cannot be read are left as they were:
// the supervisor has looked at them, and whoever changed them since is told when they are reloaded.
void WebappPort::take_config(const config::Config& now) {
  auto keys = transport::read_curve(now.curve);
  if (const auto* curve = std::get_if<transport::CurveOptions>(&keys))
    node_.context().allow(*curve);
  else
    log_warning("the keys of clients stay as they are: " + std::get<std::string>(keys));
  auto rates = core_.rates();
  if (now.limits != limits_) {
    limits_ = now.limits;
    rates = rate_limits(limits_);
    counts_addresses_ = rates && rates->of_addresses();
    core_.limit_rates(rates);
  }
  if (clerk_) {
    auto asks = std::make_shared<TokenAsks>();
    asks->read_keys = true;
    caf::anon_send(clerk_, TokenAsksPtr(std::move(asks)));
  }
  if (live_) live_(now, rates);
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
  if (core_.orders_refused())
    report["refuses"] = "every order is refused: drained by the operator, until stampede undrain";
  report["orders_refused"] = core_.orders_refused();
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
      {"asked_again", counters.asked_again},
      {"results_ignored", counters.results_ignored},
      {"results_malformed", counters.results_malformed + malformed_messages_},
      {"answers_late", counters.answers_late},
      {"answers_dropped", answers_dropped_},
      {"news_published", news_.counters().published},
      {"news_dropped", news_dropped_ + news_.counters().changes_dropped},
      {"topics", news_.topics()},
      {"topics_refused", news_.counters().topics_refused}};
  if (clerk_) {
    report["counters"]["sessions"] = core_.desk()->sessions_known();
    report["counters"]["sessions_ended"] = core_.desk()->ends().size();
    report["counters"]["tokens_refused"] = tokens_refused_;
  }
}

void WebappPort::report_metrics(nlohmann::json& out) const {
  const auto counters = core_.counters();
  MetricReport report(out);
  report.set(metric::kRequests, counters.requests);
  report.add(metric::kAnswers, "confirmed", counters.confirmed);
  report.add(metric::kAnswers, "sold_out", counters.sold_out);
  report.add(metric::kAnswers, "limit_reached", counters.limit_reached);
  report.add(metric::kAnswers, "edge_sold_out", counters.edge);
  for (std::size_t code = 1; code < counters.refused.size(); ++code)
    report.add(metric::kAnswers, info(static_cast<Code>(code)).text, counters.refused[code]);
  report.set(metric::kAnswerSeconds, core_.answer_us());
  report.set(metric::kAnswersLate, counters.answers_late);
  report.set(metric::kAnswersDropped, answers_dropped_);
  report.set(metric::kOpenRequests, core_.waiting());
  report.set(metric::kRefusing, core_.state() == "ready" && core_.standstill().empty() ? 0 : 1);
  report.set(metric::kBatches, counters.batches);
  report.set(metric::kBatchesResent, counters.resent);
  report.set(metric::kConnections, http_counts_->connections.load());
  report.set(metric::kEventStreams, http_counts_->streams.load());
  report.set(metric::kEventsSent, http_counts_->events.load());
  report.set(metric::kEventStreamsCut, http_counts_->streams_cut.load());
}

}  // namespace stampede::actors
