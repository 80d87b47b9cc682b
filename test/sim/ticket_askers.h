#pragma once

// Who wants tickets: each buyer in a promo that needs one asks for it under the id of his order,
// until he is answered, of whichever webapp; now and then twice at once, or once more when he has
// it. What he is told must be durable, and his.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "actors/webapp/core/webapp_core.h"
#include "test/sim/event_queue.h"
#include "test/sim/random.h"

namespace stampede::sim {

class World;
struct SeenAnswer;

// Serials of what they ask have this bit.
inline constexpr std::uint64_t kAskerSerial = std::uint64_t{1} << 41;

class TicketAskers {
 public:
  TicketAskers(World& world, std::uint64_t seed);
  void want(std::string_view id, std::string_view user, std::uint64_t promo);
  void on_reply(std::uint64_t serial, std::string_view id, const SeenAnswer& seen);
  // What a webapp would say of the ticket that the order comes with: his, none, a foreign one; or,
  // as if somebody had the key, one that nobody was given.
  [[nodiscard]] std::int64_t worth(std::string_view id);
  [[nodiscard]] bool done() const { return open_ == 0; }

 private:
  struct Wish {
    std::string id;
    std::string user;
    std::uint64_t promo = 0;
    std::uint32_t tries = 0;
    bool final = false;
  };
  void attempt(std::uint32_t number);
  void take_code(Wish& wish, actors::Code code);
  void finish(Wish& wish);

  World& world_;
  Random random_;
  std::vector<Wish> wishes_;
  std::vector<std::uint32_t> sent_;                        // wishes, by serial
  std::map<std::string, std::int64_t, std::less<>> held_;  // expiry, by the ticket's id
  std::uint32_t open_ = 0;
};

}  // namespace stampede::sim
