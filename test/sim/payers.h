#pragma once

// Who pays for what was confirmed, or gives it back: in time, late, twice, both at once, with a
// wrong amount or in another's name; and asks until he is answered. What is once paid, refunded or
// cancelled must stay so.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "actors/sale/order_book.h"
#include "actors/webapp/core/webapp_core.h"
#include "test/sim/event_queue.h"
#include "test/sim/random.h"

namespace stampede::sim {

class World;
struct SeenAnswer;

// Serials of what payers ask have this bit.
inline constexpr std::uint64_t kPayerSerial = std::uint64_t{1} << 40;

class Payers {
 public:
  Payers(World& world, std::uint64_t seed);
  // An order was told to be unpaid, for the first time.
  void on_unpaid(std::string_view order, const actors::Answer& answer, std::string_view user);
  void on_reply(std::uint64_t serial, std::string_view id, const SeenAnswer& seen);
  [[nodiscard]] bool done() const { return open_ == 0; }
  // At rest: what was said is what is known.
  void compare(const actors::OrderBook& book) const;

 private:
  struct Act {
    actors::ClientOp op = actors::ClientOp::pay;
    std::string id;
    std::string order;
    std::string user;  // cancel
    std::int64_t amount_cents = 0;
    bool wrong = false;  // the amount, or the user, is not the order's
    bool final = false;
    storage::Fulfilment told = storage::Fulfilment::none;
  };
  void plan(Act act, Time after);
  void attempt(std::uint32_t number);
  void take(Act& act, const actors::Fulfilled& fulfilled) const;
  void take_code(const Act& act, actors::Code code) const;
  void finish(Act& act);

  World& world_;
  Random random_;
  std::vector<Act> acts_;
  std::vector<std::uint32_t> sent_;  // acts, by serial
  std::uint32_t open_ = 0;
};

}  // namespace stampede::sim
