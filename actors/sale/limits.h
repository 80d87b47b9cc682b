#pragma once

// Which limit an `overloaded` means. Between the nodes its name stands where other refusals have
// their field; a client reads the sentence about it. Pure; thread-safe.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace stampede::actors {

namespace limit {
inline constexpr std::string_view kWaiting = "webapp.waiting_max";
inline constexpr std::string_view kPages = "pages";
inline constexpr std::string_view kInFlight = "broker.inflight_max";
inline constexpr std::string_view kBacklog = "log.backlog_commands_max";
inline constexpr std::string_view kOrders = "backend.orders_max";
inline constexpr std::string_view kItems = "items";
inline constexpr std::string_view kPromos = "promos";
inline constexpr std::string_view kTickets = "tickets";
inline constexpr std::string_view kLogRoom = "log.dir";
inline constexpr std::string_view kTokens = "tokens";  // new ones that wait to be looked at
inline constexpr std::string_view kRevoked = "auth.revoked_max";
inline constexpr std::string_view kSessionEnds = "session_ends";  // not fetched yet
inline constexpr std::string_view kShare = "share";  // of one client, in webapp.waiting_max
}  // namespace limit

// In the place of a `draining`'s field: the operator has orders refused, the system goes on.
inline constexpr std::string_view kOrdersRefused = "orders refused";

struct LimitValues {  // as configured
  std::uint64_t waiting_max = 65536;
  std::uint64_t inflight_max = 65536;
  std::uint64_t backlog_commands_max = 4'000'000;
  std::uint64_t orders_max = 20'000'000;
  std::uint64_t revoked_max = 100'000;
};

// The sentences: the limit's name and value, and what helps. Made once.
class LimitTexts {
 public:
  explicit LimitTexts(const LimitValues& values);
  // Empty for another name.
  [[nodiscard]] std::string_view text(std::string_view limit) const;

 private:
  struct Entry {
    std::string_view limit;
    std::string text;
  };
  std::array<Entry, 13> entries_;
};

// Why a backend that runs well decides nothing new, for a reason that only people can end; travels
// as `count` of a hello.
enum class Standstill : std::uint32_t { none = 0, log_room = 1, backlog = 2 };
std::string_view limit_of(Standstill standstill);  // empty for none and unknown ones

}  // namespace stampede::actors
