#pragma once

// The port role of a webapp: it owns all ZeroMQ sockets of the node, feeds WebappCore and StockNews
// with what arrives and carries their effects out. Everything here runs in the port's thread;
// nothing blocks; malformed input is answered or counted, never thrown.
//
// Mail: HttpAsksPtr and StockWatchesPtr from the HTTP actor; TokenVerdictsPtr from the TokenClerk;
// DrainMail from anywhere.

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "actors/auth/token_clerk.h"
#include "actors/http/http_server.h"
#include "actors/node/control_link.h"
#include "actors/node/node.h"
#include "actors/protocol/envelope.h"
#include "actors/protocol/sf1.h"
#include "actors/webapp/core/stock_news.h"
#include "actors/webapp/core/webapp_core.h"
#include "actors/webapp/held_messages.h"
#include "actors/webapp/http/http_mail.h"
#include "actors/webapp/http/stock_event.h"
#include "transport/port/port.h"
#include "transport/zmq/large_answers.h"

namespace stampede::actors {

using DrainMail = caf::atom_constant<caf::atom("drain")>;

// 128 random bits a call, from the kernel, fetched in large portions.
class RandomBits {
 public:
  std::array<std::uint64_t, 2> operator()();

 private:
  std::array<std::uint64_t, 32> pool_{};  // one call of the kernel gives as much
  std::size_t used_ = 32;
};

constexpr std::size_t kCorrelationBytes = 4;  // of ZMQ_REQ_CORRELATE

struct ClientAddress {  // a ROUTER's peer, and what it wants to have back before an answer
  std::string_view identity;
  std::string_view number;  // empty: none
  bool delimiter = false;
};

// As configured; null: no limit is set.
std::shared_ptr<RateLimits> rate_limits(const config::Limits& limits);

class WebappPort final : public transport::PortRole, private WebappOutput, private NewsOutput {
 public:
  // `rates` null: nobody's requests are counted. `tickets`: what they are signed with. `clerk`: who
  // looks at new tokens, where there are sessions. `http`: what the HTTP server counts.
  // `live`: what else follows a reload of the configuration; called in the port's thread, with the
  // limits that count from now on (null: none).
  using Live = std::function<void(const config::Config&, const std::shared_ptr<RateLimits>&)>;
  WebappPort(NodeRuntime& node, std::shared_ptr<RateLimits> rates, const TicketKey& tickets,
             caf::actor clerk, std::shared_ptr<const HttpCounts> http, Live live);

  void start(transport::PortControl& port) override;
  caf::message_handler mail(transport::PortControl& port) override;
  void on_message(transport::PortControl& port, transport::SocketId id,
                  transport::Message& parts) override;
  void on_timer(transport::PortControl& port) override;
  void end_of_round(transport::PortControl& port) override;
  void finish(transport::PortControl& port) override;

 private:
  // WebappOutput, NewsOutput
  bool send_work(std::uint64_t number, std::uint32_t count, std::string_view body) override;
  void reply(const ClientToken& client, const Reply& reply) override;
  void open_array(const ClientToken& client, std::uint32_t entries) override;
  void close_array(const ClientToken& client) override;
  void drop_array() override;
  void publish(const ItemRow& row) override;
  void notice(const StockNotice& notice) override;
  void ask_item(std::uint64_t item) override;

  void open_sockets(transport::PortControl& port);
  void look_soon(transport::PortControl& port);
  void look_at(transport::MonoTime when);
  // `again`: what waited for verdicts on its tokens comes once more.
  void take_client(transport::Message& parts, bool again = false);
  void take_next(transport::Message& behind);
  void take_ask(HttpAsk& ask, bool again = false);
  void keep_session(const HttpAsk& entry);
  void take_result(transport::Message& parts);
  void take_news(std::uint64_t epoch, std::string_view body);
  void take_session_news(std::string_view body);
  void take_asks(const HttpAsksPtr& asks);
  void take_watches(const StockWatchesPtr& watches);
  void tell_stock(const ItemRow& row);
  void tell_stock(std::uint64_t item, StockEvent::Kind kind);
  void send_stock();
  void judge_ticket(const std::string& ticket, ClientRequest& request);
  void take_array(HttpArrayAsk& array, bool again = false);
  void take_verdicts(const TokenVerdictsPtr& verdicts);
  void hold(HeldMessage&& message, const ClientToken& client, std::size_t bytes);
  void show_credentials(transport::Message& parts, const ClientToken& client, bool again);
  void show_credentials(std::string_view token, const ClientToken& client, std::size_t bytes,
                        bool again);
  void send_new_tokens();
  void drop_connections();
  void reply_router(const ClientToken& client, const Reply& reply);
  void reply_in_array(const Reply& reply);
  HttpAnswer& add_http_answer(const ClientToken& client);
  void reply_http(const ClientToken& client, const Reply& reply);
  void reply_internal(const ClientToken& client, const Reply& reply);
  void send_router(const ClientAddress& to, std::string_view answer);
  transport::Message& next_late();
  void send_late();
  void start_drain();
  void stop_when_drained();
  void report(nlohmann::json& report) const;
  void report_metrics(nlohmann::json& out) const;
  void take_config(const config::Config& now);
  [[nodiscard]] std::int64_t now_us() const;

  NodeRuntime& node_;
  bool counts_addresses_;
  std::chrono::milliseconds tick_idle_;  // between two looks while nobody waits
  config::Limits limits_;                // that count now
  Live live_;
  ControlLink control_;
  RandomBits random_;
  WebappCore core_;
  StockNews news_;
  KnownTickets known_tickets_;
  TicketSigner tickets_;
  TicketBytes ticket_bytes_;  // of an order that came by HTTP
  Sf1Decoder decoder_;
  BodyReader reader_;
  caf::actor clerk_;
  std::shared_ptr<const HttpCounts> http_counts_;
  HeldMessages held_;
  std::map<std::string, std::uint64_t> tokens_refused_;  // why, and how many
  transport::MonoTime next_sweep_{};                     // of connections with a session
  transport::PortControl* port_ = nullptr;  // set by start(); outlives every other call
  transport::SocketId clients_ = 0, stock_ = 0, requests_ = 0, results_ = 0;
  transport::Message out_;  // reused for every answer
  // Answers that need nobody else, given while the clients' socket is read: they go out together at
  // the end of the round. One at a time each would wake the thread that writes them, for a system
  // call and a packet of its own.
  std::vector<transport::Message> late_;
  std::size_t late_used_ = 0;
  bool reads_clients_ = false;
  transport::Message next_;  // of a client: taken once the one behind it is there, or none
  std::string buffer_;
  storage::ByteBuffer array_;
  std::vector<ClientRequest> orders_;    // of the HTTP array at hand
  std::deque<std::string> ticket_ids_;   // of those among them that have no id but their ticket's
  std::vector<std::string_view> shown_;  // tokens of its orders
  // Whose replies gather, in array_ or in the last of http_answers_; none: nobody's.
  ClientToken::Kind array_of_ = ClientToken::Kind::none;
  std::size_t round_entries_ = 0;  // taken from clients
  caf::actor http_;
  HttpAnswersPtr http_answers_;                            // collected for one mail per round
  std::unordered_set<std::uint64_t> watched_;              // items that streams of events hear
  std::shared_ptr<std::vector<StockEvent>> stock_events_;  // of them, collected likewise
  transport::MonoTime next_tick_{};
  bool draining_ = false;
  std::uint64_t ticks_ = 0;
  transport::LargeAnswers large_;
  std::uint64_t answers_dropped_ = 0;  // to clients that are gone or do not read
  std::uint64_t news_dropped_ = 0;
  std::uint64_t malformed_messages_ = 0;  // from the broker
};

}  // namespace stampede::actors
