#pragma once

// A ticket as its user carries it: "t1.<payload>.<mac>", both base64url without padding. The
// payload says what was granted, the MAC (keyed BLAKE2b, 16 bytes, over all before it) that a
// webapp of this system says so; whoever holds the key file can make tickets, though the backend
// knows which it gave. Layout, little-endian: promo 8, item 8, expires_at_ms 8, bytes of the user
// 1, user, id.
// Pure; as thread-safe as the tickets that it knows.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "actors/protocol/known_tickets.h"
#include "actors/sale/request.h"

namespace stampede::actors {

inline constexpr std::size_t kTicketKeyBytes = 32;
inline constexpr std::size_t kTicketMacBytes = 16;
inline constexpr std::size_t kTicketPayloadMax = 25 + kUserBytesMax + kRequestIdBytesMax;
inline constexpr std::size_t kTicketTextMax = 256;  // no ticket is longer

using TicketKey = std::array<std::uint8_t, kTicketKeyBytes>;
// What a ticket says, its MAC and then its payload; views of it point in here. Bytes are written by
// fours, three of which count.
using TicketBytes = std::array<char, kTicketMacBytes + kTicketPayloadMax + 1>;

class TicketSigner {
 public:
  // `known`: those that need no MAC anew; outlives this. Null: none.
  explicit TicketSigner(const TicketKey& key, KnownTickets* known = nullptr)
      : key_(key), known_(known) {}

  [[nodiscard]] std::string text(const Granted& ticket) const;
  // Nothing: it is no ticket, or was not signed with this key.
  [[nodiscard]] std::optional<Granted> read(std::string_view text, TicketBytes& bytes) const;
  // What the ticket of an order is worth to it, as Request::ticket_ms. An order without an id gets
  // the ticket's.
  [[nodiscard]] std::int64_t judge(std::string_view text, std::uint64_t promo, std::uint64_t item,
                                   std::string_view user, std::string_view& id,
                                   TicketBytes& bytes) const;

  // Asks for the memory in which the ticket that this text ends with will be looked up soon.
  void prefetch(std::string_view text) const;

 private:
  [[nodiscard]] std::optional<Granted> read_signed(std::string_view text, TicketBytes& bytes) const;
  [[nodiscard]] bool is_signed(std::string_view text, std::string_view bytes) const;

  TicketKey key_;
  KnownTickets* known_;
};

}  // namespace stampede::actors
