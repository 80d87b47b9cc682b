#pragma once

// The webapp's HTTP routes (contract §4): turns requests into asks for the port actor and its
// answers into replies. Lives in the HTTP server's thread; nothing blocks. What one round of the
// server brought goes to the port as one mail, and comes back so.

#include <caf/all.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/http/http_server.h"
#include "actors/http/static_files.h"
#include "actors/webapp/http/event_desk.h"
#include "actors/webapp/http/http_accounts.h"
#include "actors/webapp/http/http_mail.h"
#include "actors/webapp/http/order_body.h"
#include "config/settings/ip_address.h"

namespace stampede::actors {

// What the shop's page may do beside buying.
struct ShopSettings {
  bool demo_payment = false;  // whoever may see an order has it paid, as a payment service would
  std::string demo_session;   // the service's token that this is done with; empty: none is needed
};

struct GatewaySettings {
  caf::actor port;
  std::shared_ptr<RateLimits> rates{};       // null: nobody's requests are counted
  std::vector<config::IpNetwork> proxies{};  // whose X-Forwarded-For is believed
  Sessions sessions = Sessions::no;          // needed: requests show tokens
  AccountSettings accounts{};                // whether there are built-in ones
  bool single_session = false;               // a log-in ends the older session of its user
  bool compat = false;                       // the routes of springboot-seckill's pages are there
  std::size_t events_max = 10'000;           // connections that hear /v1/events
  std::shared_ptr<HttpCounts> counts = std::make_shared<HttpCounts>();
  ShopSettings shop{};
};

class HttpGateway {
 public:
  explicit HttpGateway(GatewaySettings settings);

  void set_self(const caf::actor& self);  // where answers go to
  void handle(const HttpRequest& request, HttpRespond&& respond);
  void flush();  // sends what was collected
  void on_answers(const HttpAnswersPtr& answers);
  void on_stock(const StockEventsPtr& events);
  bool tick();  // see HttpServerOptions::on_tick
  void limit_rates(RateLimitsPtr rates) { settings_.rates = std::move(rates); }  // from now on
  [[nodiscard]] HttpAccounts& accounts() { return *accounts_; }  // where there are any

 private:
  enum class Route : std::uint8_t {
    order,
    orders,
    show,
    fulfil,
    ticket,
    items,
    item,
    miaosha_order,
    miaosha_result,
    session,
    kept_session,
    page_item,
    page_order,
    ready,
  };
  struct KeptLogin {  // what is told when the session is kept, and to whom
    LoginReply reply;
    LoginDone done;
  };
  struct Patience {
    HttpAsk ask;
    std::int64_t until_us = 0;
    std::int64_t next_us = 0;   // when it is asked again
    std::int64_t pause_us = 0;  // before that
  };
  struct Pending {
    HttpRespond respond;  // empty: the slot is free
    Route route = Route::order;
    std::uint64_t item = 0;                // miaosha_order
    std::int64_t asked_us = 0;             // page_order: when, of the steady clock
    std::uint32_t use = 0;                 // tells answers for an earlier user of the slot
    std::vector<OrderFault> faults;        // orders: those that the port was not asked about
    std::unique_ptr<KeptLogin> login{};    // kept_session
    std::unique_ptr<Patience> patience{};  // show: while its client waits for the decision
  };

  [[nodiscard]] bool has_accounts() const { return accounts_.has_value(); }
  // As HttpAccounts::log_in(), where there are accounts.
  void log_in(const HttpRequest& request, LoginAsk ask, LoginDone done);

  bool refused_by_rate(const HttpRequest& request, HttpRespond& respond);
  [[nodiscard]] bool counts_users() const;
  [[nodiscard]] std::int64_t user_waits(std::string_view user) const;
  void refuse_body(std::string_view body, HttpReply reply, HttpRespond& respond) const;
  void refuse(std::string_view user, HttpReply reply, HttpRespond& respond) const;
  void count_faults(OrdersBody& body) const;
  bool handle_orders(const HttpRequest& request, HttpRespond& respond);
  bool handle_promos(const HttpRequest& request, HttpRespond& respond);
  bool handle_items(const HttpRequest& request, HttpRespond& respond);
  bool handle_miaosha(const HttpRequest& request, HttpRespond& respond);
  bool handle_sessions(const HttpRequest& request, HttpRespond& respond);
  bool handle_pages(const HttpRequest& request, HttpRespond& respond);
  bool handle_shop(const HttpRequest& request, HttpRespond& respond);
  [[nodiscard]] HttpReply shop_reply() const;
  bool handle_events(const HttpRequest& request, HttpRespond& respond);
  bool handle_health(const HttpRequest& request, HttpRespond& respond);
  void post_order(const HttpRequest& request, HttpRespond& respond);
  void post_orders(const HttpRequest& request, HttpRespond& respond);
  void show_order(std::string_view id, const HttpRequest& request, HttpRespond& respond);
  void handle_order(std::string_view id, const HttpRequest& request, HttpRespond& respond);
  void handle_payments(std::string_view order, const HttpRequest& request, HttpRespond& respond);
  void pay_for_show(std::string_view order, const HttpRequest& request, HttpRespond& respond);
  void pay_order(std::string_view order, const HttpRequest& request, HttpRespond& respond,
                 std::optional<std::string> demo_session = {});
  void cancel_order(std::string_view order, const HttpRequest& request, HttpRespond& respond);
  void ask_ticket(std::string_view promo, const HttpRequest& request, HttpRespond& respond);
  void keep_session(const LoginReply& reply, LoginDone done);
  void on_kept(Pending& slot, const HttpAnswer& answer);
  void end_session(const HttpRequest& request, HttpRespond& respond);
  void list_items(const HttpRequest& request, HttpRespond& respond);
  void show_item(std::string_view item, HttpRespond& respond);
  void miaosha_order(const HttpRequest& request, HttpRespond& respond);
  void miaosha_result(const HttpRequest& request, HttpRespond& respond);
  void page_item(const HttpRequest& request, HttpRespond& respond);
  void page_order(const HttpRequest& request, HttpRespond& respond);
  void page_login(const HttpRequest& request, HttpRespond& respond);
  std::string session_of(const HttpRequest& request, std::string&& in_body,
                         std::optional<HttpReply>& wrong) const;
  std::uint64_t wait_in_slot(Route route, HttpRespond& respond);
  HttpAsk& ask(Route route, HttpRespond& respond);
  [[nodiscard]] static HttpReply reply_for(const Pending& pending, const HttpAnswer& answer);
  bool waits_on(Pending& slot, std::uint32_t index, const HttpAnswer& answer);
  void ask_again(std::int64_t now_us);
  void tell_watches(std::vector<StockWatch> watches);

  GatewaySettings settings_;
  StaticFiles shop_;
  std::optional<HttpAccounts> accounts_;
  EventDesk events_;
  std::uint64_t address_ = 0;     // of the request at hand; 0: not counted
  std::uint64_t connection_ = 0;  // of the request at hand
  caf::actor self_;
  HttpAsksPtr asks_;
  std::vector<Pending> pending_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> patient_;  // slots whose orders are to be asked for again
  std::size_t faults_ = 0;              // of all pending arrays
};

// Options of a server that serves one webapp's routes: `options` wired to a gateway of its own.
HttpServerOptions with_gateway(HttpServerOptions options, GatewaySettings settings);

}  // namespace stampede::actors
