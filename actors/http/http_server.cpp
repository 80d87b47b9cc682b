#include "actors/http/http_server.h"

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <list>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <unordered_map>
#include <utility>

#include "actors/http/http_connection.h"
#include "actors/http/http_head.h"
#include "config/process/descriptor_shares.h"
#include "transport/port/caught_error.h"
#include "transport/zmq/socket_error.h"

namespace stampede::actors {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kTimeCheck{200};
constexpr milliseconds kAcceptPause{100};  // when the process has no descriptors left
constexpr std::size_t kTurns = 64;         // connections that go on before sockets are looked at
constexpr std::size_t kGuestsMax = 64;     // who may ask for what is urgent
constexpr int kSample = 16;                // connections looked at for one to close
constexpr int kSendBuffer = 64 * 1024;     // the kernel's, for a peer that does not read

tcp::acceptor listen(asio::io_context& io, const HttpServerOptions& options) {
  tcp::acceptor acceptor(io);
  const std::string where = options.host + ":" + std::to_string(options.port);
  error_code error;
  const auto address = asio::ip::make_address(options.host, error);
  if (error) throw transport::SocketError("http address " + where + " is no IP address", false);
  const tcp::endpoint endpoint(address, static_cast<std::uint16_t>(options.port));
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.set_option(asio::socket_base::send_buffer_size(kSendBuffer), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error == asio::error::address_in_use)
    throw transport::SocketError(
        "http address " + where + " is taken; stop its owner or configure another port", true);
  if (error)
    throw transport::SocketError("cannot listen on " + where + ": " + error.message(), false);
  return acceptor;
}

config::IpAddress bytes_of(const asio::ip::address& address) {
  const auto of_v6 = address.is_v4()
                         ? asio::ip::make_address_v6(asio::ip::v4_mapped, address.to_v4())
                         : address.to_v6();
  return {of_v6.to_bytes()};
}

}  // namespace

// The server's poll loop and its connections; one thread, but for post().
class HttpServer::Loop final : private HttpHost {
 public:
  explicit Loop(HttpServerOptions options)
      : options_(std::move(options)),
        acceptor_(listen(*io_, options_)),
        desk_(std::make_shared<HttpReplyDesk>(io_)),
        time_check_(*io_),
        accept_pause_(*io_),
        tick_(*io_) {
    if (options_.on_listening) options_.on_listening(acceptor_.local_endpoint().port());
  }

  template <class Work>
  void post(Work work) {  // any thread: has the loop do it
    asio::post(*io_, std::move(work));
  }

  void run(const caf::actor& self) {
    desk_->set_home();
    if (options_.on_start) options_.on_start(self);
    accept();
    io_->run();
    acceptor_.close();
    while (!connections_.empty()) connections_.back().connection->close();
    while (!streams_.empty()) streams_.back()->close();
  }
  void look_at_tick() {  // after whatever may have given it something to do
    if (ticking_ || !options_.on_tick) return;
    ticking_ = true;
    await_tick();
  }
  void stop() { io_->stop(); }
  void set_site(HttpSite site) { options_.site = std::move(site); }
  void drop_handlers() { options_ = {}; }  // they may hold this very actor

 private:
  void await_tick() {
    tick_.expires_after(kHttpTick);
    tick_.async_wait([this](const error_code& error) {
      if (error) return;
      ticking_ = options_.on_tick();
      if (ticking_) await_tick();
    });
  }

  // --- connections ---
  struct Entry {
    std::shared_ptr<HttpConnection> connection;
    asio::ip::address address;
  };

  void accept() {
    acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (error == asio::error::no_descriptors) return accept_without_descriptors();
      if (error) return pause_accepting();
      take(std::move(socket));
      accept();
    });
  }

  // The kernel says that no descriptor is left before it looks whether anybody waits. Only for one
  // who does is a connection closed, or the one that came last would be: its request is on its way.
  void accept_without_descriptors() {
    acceptor_.async_wait(tcp::acceptor::wait_read, [this](const error_code& error) {
      if (error == asio::error::operation_aborted) return;
      if (error || !make_room()) return pause_accepting();
      accept();
    });
  }

  void pause_accepting() {
    accept_pause_.expires_after(kAcceptPause);
    accept_pause_.async_wait([this](const error_code& error) {
      if (!error) accept();
    });
  }

  void take(tcp::socket socket) {
    const bool guest = connections_.size() - guests_.size() >= connections_max() && !make_room();
    if (guest && guests_.size() >= guests_max() && !make_room_for_guest())
      return turn_away(std::move(socket));
    error_code gone;
    const auto address = socket.remote_endpoint(gone).address();
    if (gone) return;
    auto connection = std::make_shared<HttpConnection>(
        static_cast<HttpHost&>(*this), std::move(socket), bytes_of(address), ++connections_taken_);
    connection->place = connections_.size();
    connection->guest = guest;
    if (guest) guests_.push_back(connection.get());
    connections_.push_back({connection, address});
    ++of_address_[address];
    count();
    connection->start();
    if (!std::exchange(checks_times_, true)) check_times();
  }

  [[nodiscard]] std::size_t connections_max() const {
    return std::min(options_.limits.connections_max,
                    config::descriptors_for(config::Door::requests));
  }

  void count() const {
    options_.counts->connections.store(connections_.size(), std::memory_order_relaxed);
    options_.counts->streams.store(streams_.size(), std::memory_order_relaxed);
  }

  // Closes a connection that waits for its client: of some taken at random, one of the address that
  // has most, and of these the one that waits longest. False: all of them are being served.
  bool make_room() {
    const Entry* worst = nullptr;
    const auto worse = [this](const Entry& left, const Entry& right) {
      const auto more = of_address_[left.address], less = of_address_[right.address];
      return more != less ? more > less : left.connection->since() < right.connection->since();
    };
    for (int looked_at = 0; looked_at < kSample && !connections_.empty(); ++looked_at) {
      const auto& entry = connections_[random_() % connections_.size()];
      const auto& one = *entry.connection;
      if (one.guest || !(one.waits_for_peer() || entry.connection->hung_up())) continue;
      if (worst == nullptr || worse(entry, *worst)) worst = &entry;
    }
    if (worst == nullptr) return false;
    const auto connection = worst->connection;
    connection->close();
    return true;
  }

  [[nodiscard]] std::size_t guests_max() const {
    return std::min(kGuestsMax, std::max<std::size_t>(connections_max() / 4, 1));
  }

  // Closes the guest that has let us wait for longest.
  bool make_room_for_guest() {
    HttpConnection* oldest = nullptr;
    for (auto* const guest : guests_)
      if (guest->waits_for_peer() && (oldest == nullptr || guest->since() < oldest->since()))
        oldest = guest;
    if (oldest == nullptr) return false;
    oldest->close();
    return true;
  }

  void turn_away(tcp::socket socket) const {
    const auto words =
        std::to_string(connections_max()) + " connections are being served; try again\n";
    const auto busy =
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: text/plain\r\n"
        "Content-Length: " +
        std::to_string(words.size()) + "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n" +
        words;
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(busy), ignored);
  }

  void check_times() {
    const auto now = HttpConnection::Clock::now();
    for (std::size_t i = connections_.size(); i-- > 0;) {  // closing moves the last one here
      if (i >= connections_.size()) continue;
      const auto connection = connections_[i].connection;
      connection->check_time(now);
    }
    for (std::size_t i = streams_.size(); i-- > 0;) {
      if (i >= streams_.size()) continue;
      const auto stream = streams_[i];
      stream->check_time(now);
    }
    checks_times_ = !connections_.empty() || !streams_.empty();  // else nobody's time could end
    if (!checks_times_) return;
    time_check_.expires_after(kTimeCheck);
    time_check_.async_wait([this](const error_code& error) {
      if (!error) check_times();
    });
  }

  // --- HttpHost ---
  void serve(HttpRequest&& request, HttpRespond&& respond) override {
    if (options_.end_of_round && !round_open_) {
      round_open_ = true;  // runs behind all that is ready now
      asio::post(*io_, [this] {
        round_open_ = false;
        options_.end_of_round();
        look_at_tick();
      });
    }
    options_.handler(std::move(request), std::move(respond));
  }

  void closed(HttpConnection& connection) override {
    if (connection.among_streams)
      leave_streams(connection);
    else
      leave_connections(connection);
    count();
  }

  void streams(HttpConnection& connection) override {
    const auto kept = connection.shared_from_this();
    leave_connections(connection);
    connection.among_streams = true;
    connection.place = streams_.size();
    streams_.push_back(kept);
    count();
  }

  void stream_cut() override {
    options_.counts->streams_cut.fetch_add(1, std::memory_order_relaxed);
  }

  void leave_streams(const HttpConnection& connection) {
    const auto place = connection.place;
    std::swap(streams_[place], streams_.back());
    streams_[place]->place = place;
    streams_.pop_back();
  }

  void leave_connections(const HttpConnection& connection) {
    if (connection.guest) std::erase(guests_, &connection);
    const auto place = connection.place;
    const auto of_address = of_address_.find(connections_[place].address);
    if (--of_address->second == 0) of_address_.erase(of_address);
    std::swap(connections_[place], connections_.back());
    connections_[place].connection->place = place;
    connections_.pop_back();
  }

  // Who took a part of its answer goes behind those who took nothing.
  void answer_waits(HttpConnection& connection) override {
    if (connection.waiting_place) {
      waiting_.splice(waiting_.end(), waiting_, *connection.waiting_place);
    } else {
      connection.waiting_place = waiting_.insert(waiting_.end(), &connection);
      if (connection.body() && ++bodies_[connection.body().get()] == 1)
        waiting_bytes_ += connection.body()->size();
    }
    while (waiting_bytes_ > options_.limits.waiting_bytes_max && !waiting_.empty())
      waiting_.front()->close();
  }

  void answer_left(HttpConnection& connection) override {
    waiting_.erase(*connection.waiting_place);
    connection.waiting_place.reset();
    const auto body = bodies_.find(connection.body().get());
    if (body == bodies_.end() || --body->second > 0) return;
    waiting_bytes_ -= connection.body()->size();
    bodies_.erase(body);
  }

  // A body that comes without pause is there before 128 others began.
  void large_body_waits(HttpConnection& connection) override {
    connection.large_body_place = large_bodies_.insert(large_bodies_.end(), &connection);
    if (large_bodies_.size() > options_.limits.large_bodies_max)
      large_bodies_.front()->refuse_large_body();
  }

  void large_body_left(HttpConnection& connection) override {
    large_bodies_.erase(*connection.large_body_place);
    connection.large_body_place.reset();
  }

  // The kernel tells of 128 sockets at a time, one that is new behind all that are ready: little is
  // done between two looks, or somebody who comes waits for all those who have said much.
  void goes_on(std::shared_ptr<HttpConnection> connection) override {
    turns_.push_back(std::move(connection));
    if (turns_.size() == 1) asio::post(*io_, [this] { take_turns(); });
  }

  void take_turns() {
    for (auto left = std::min(turns_.size(), kTurns); left > 0; --left) {
      const auto connection = turns_.front();
      connection->proceed();  // may go on behind the others
      turns_.pop_front();
    }
    if (!turns_.empty()) asio::post(*io_, [this] { take_turns(); });
  }

  bool urgent(std::string_view target) const override {
    return options_.urgent && options_.urgent(target);
  }

  std::span<char> scratch() override { return scratch_; }
  const HttpSite& site() const override { return options_.site; }
  const HttpLimits& limits() const override { return options_.limits; }
  const std::shared_ptr<HttpReplyDesk>& desk() const override { return desk_; }

  HttpServerOptions options_;
  std::shared_ptr<asio::io_context> io_ = std::make_shared<asio::io_context>(1);
  tcp::acceptor acceptor_;
  std::shared_ptr<HttpReplyDesk> desk_;
  asio::steady_timer time_check_;
  asio::steady_timer accept_pause_;
  asio::steady_timer tick_;
  bool ticking_ = false;
  std::uint64_t connections_taken_ = 0;
  std::vector<Entry> connections_;
  std::vector<HttpConnection*> guests_;  // of connections_
  std::vector<std::shared_ptr<HttpConnection>> streams_;
  std::map<asio::ip::address, std::size_t> of_address_;  // connections
  std::deque<std::shared_ptr<HttpConnection>> turns_;    // who goes on, first come first served
  std::list<HttpConnection*> waiting_;  // answers not taken; longest without progress first
  std::unordered_map<const std::string*, std::size_t> bodies_;  // theirs, and of how many
  std::size_t waiting_bytes_ = 0;                               // of bodies_
  std::list<HttpConnection*> large_bodies_;                     // not there yet; first begun first
  std::minstd_rand random_{std::random_device{}()};
  std::array<char, 16 * 1024> scratch_{};
  bool round_open_ = false;
  bool checks_times_ = false;  // the timer runs
};

// --- the actor ----------------------------------------------------------------------------------

HttpServer::HttpServer(caf::actor_config& config, HttpServerOptions options)
    : blocking_actor(config),
      on_mail_(
          options.on_mail.or_else([this](const HttpSitePtr& site) { loop_->set_site(*site); })) {
  loop_ = std::make_unique<Loop>(std::move(options));
}

HttpServer::~HttpServer() = default;

void HttpServer::enqueue(caf::mailbox_element_ptr mail, caf::execution_unit* unit) {
  blocking_actor::enqueue(std::move(mail), unit);
  if (!armed_.exchange(true)) loop_->post([this] { take_mail(); });
}

void HttpServer::act() {
  auto thrown = transport::caught_error([this] {
    loop_->run(caf::actor_cast<caf::actor>(this));
    fail_state(exit_reason_);
  });
  if (thrown) fail_state(std::move(thrown));
  on_mail_ = {};
  loop_->drop_handlers();
}

void HttpServer::take_mail() {
  armed_ = false;  // before the mailbox is looked at, or a wake-up could be lost
  while (has_next_message()) {
    const caf::mailbox_element_ptr mail = dequeue();
    auto& content = mail->content();
    if (content.match_elements<caf::exit_msg>()) {
      exit_reason_ = content.get_as<caf::exit_msg>(0).reason;
      return loop_->stop();
    }
    on_mail_(content);
  }
  loop_->look_at_tick();
}

// --- requests and replies -----------------------------------------------------------------------

std::string_view HttpRequest::header(std::string_view name) const {
  std::string_view found;
  for_each_header(head, [&](std::string_view key, std::string_view value) {
    if (!same_name(key, name)) return true;
    found = value;
    return false;
  });
  return found;
}

int HttpRequest::header_count(std::string_view name) const {
  int count = 0;
  for_each_header(head, [&](std::string_view key, std::string_view) {
    count += same_name(key, name) ? 1 : 0;
    return true;
  });
  return count;
}

HttpReply problem(int status, std::string_view code, std::string_view title,
                  std::string_view field) {
  nlohmann::ordered_json body = {
      {"type", "about:blank"}, {"title", title}, {"status", status}, {"code", code}};
  if (!field.empty()) body["field"] = field;
  HttpReply reply;
  reply.status = status;
  reply.content_type = "application/problem+json";
  reply.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return reply;
}

}  // namespace stampede::actors
