#pragma once

// Retrying buyers and an operator, with everything they were ever told. They know what the contract
// promises and require it of every answer.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actors/webapp/core/webapp_core.h"
#include "test/sim/event_queue.h"
#include "test/sim/log_model.h"
#include "test/sim/random.h"

namespace stampede::sim {

class World;

struct SeenAnswer {  // a Reply that has left its webapp
  actors::ReplyKind kind = actors::ReplyKind::invalid;
  actors::Answer answer;
  actors::Code code = actors::Code::none;
  actors::Fulfilled fulfilled{};  // without its text
  actors::Granted granted{};      // its texts are the next
  std::string granted_id{};
  std::string granted_user{};
};

// The promo of an item that has one.
constexpr std::uint64_t promo_of(std::uint64_t item) {
  return 100 + item;
}
constexpr std::int64_t kPromoPrice = 50;

class Clients {
 public:
  Clients(World& world, std::uint64_t seed);
  void start();
  void on_reply(std::uint64_t serial, std::string_view id, const SeenAnswer& seen);
  // A webapp has just said so by itself.
  void check_edge(std::uint64_t serial) const;

  [[nodiscard]] bool done() const { return open_ == 0; }
  [[nodiscard]] std::uint64_t confirmed() const { return confirmed_; }
  [[nodiscard]] std::uint64_t answered() const { return answered_; }
  // At rest: what was said is what is known.
  void compare(const actors::OrderBook& book) const;

 private:
  struct Content {
    std::uint64_t item = 0;
    std::string user;
    std::uint32_t qty = 1;
    std::uint64_t promo = storage::kNoNumber;
  };
  struct Order {
    std::string id;
    Content content;
    std::optional<Content> other;  // the same id is used for this, too
    bool detached = false;
    bool first = false;  // the client says so at its first try
    bool final = false;
    bool started = false;
    std::uint32_t tries = 0;
    std::int64_t valid_until_ms = 0;
    std::optional<actors::Answer> answer;  // the first final one
  };
  struct Sent {
    std::uint32_t order;
    bool other;
    bool get;
    bool confirmed;  // the client knew that already
    bool first;      // said that nobody has asked before
  };
  Content draw_content();
  void next_order(std::uint32_t client);
  void attempt(std::uint32_t order);
  [[nodiscard]] bool needs_ticket(const Content& content) const;
  [[nodiscard]] bool polls(const Order& order) const;
  [[nodiscard]] Time patience_of(const Order& order) const;
  void send(std::uint32_t order, bool other, bool get, bool first = false);
  void take_answer(std::uint32_t number, const Sent& sent, const actors::Answer& answer);
  void take_code(std::uint32_t number, const Sent& sent, actors::Code code);
  void take_promo_code(std::uint32_t number, actors::Code code);
  void draw_promo(Order& order);
  void finish(std::uint32_t number);

  World& world_;
  Random random_;
  Random promo_random_;  // apart, so that plans without promos stay what they were
  Random first_random_;  // likewise
  std::vector<Order> orders_;
  std::vector<Sent> sent_;
  std::uint32_t next_ = 0;
  std::uint32_t open_ = 0;
  std::uint64_t confirmed_ = 0;
  std::uint64_t answered_ = 0;
};

// Puts the items and changes their stock; puts promos, changes and ends them.
class Operator {
 public:
  Operator(World& world, std::uint64_t seed);
  void start();
  void on_answer(std::uint64_t serial, Lsn lsn, const std::string& body);
  void on_promo_answer(std::uint64_t serial, Lsn lsn, std::uint64_t promo, actors::Code code);
  void on_clock_answer(std::uint64_t serial);
  void accept_clock();  // from now on, until it is answered
  [[nodiscard]] bool done() const { return open_ == 0; }

 private:
  struct Change {
    actors::RequestKind kind = actors::RequestKind::invalid;
    std::string id;
    std::string name;
    std::uint64_t item = 0;
    std::int64_t number = 0;       // stock, or its difference
    actors::PromoRequest promo{};  // its texts are `id` and `name`
    actors::ItemRequest rules{};   // of the item
    bool accepts_clock = false;
    bool final = false;
    Lsn lsn = 0;
  };
  struct Sent {
    std::uint32_t change;
    bool made;  // the operator knew so when it asked
  };
  void plan_promos();
  [[nodiscard]] Change add_promo(std::uint64_t item);
  void plan_rules();
  void plan_clock();
  [[nodiscard]] Change change_promo(std::uint64_t item, std::uint32_t number);
  void send(std::uint32_t number);
  [[nodiscard]] nlohmann::json command_of(const Change& change) const;
  void check_own(const Change& change) const;
  void finish(Change& change);

  World& world_;
  Random random_;
  Random promo_random_;
  Random rule_random_;
  Random ticket_random_;
  Random clock_random_;
  std::set<std::uint64_t> never_put_;  // promos whose putting was refused for good
  std::vector<Change> changes_;
  std::vector<Sent> sent_;
  std::uint32_t open_ = 0;
};

}  // namespace stampede::sim
