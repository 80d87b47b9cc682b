#pragma once

// A client and what it asks of a webapp. Values: whoever holds one owns it, any thread; the texts
// of a request are views into what was received.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "actors/protocol/sf1.h"

namespace stampede::actors {

// Who asked: a ROUTER identity, or a number the shell understands. Small, so that waiting costs no
// allocation: clients set no fixed identity, and ZeroMQ's own have 5 bytes.
struct ClientToken {
  // correlated: a REQ that numbers its requests (ZMQ_REQ_CORRELATE); its number is at the end of
  // the identity.
  enum class Kind : std::uint8_t {
    none = 0,
    dealer = 1,
    req = 2,
    http = 3,
    internal = 4,
    correlated = 5
  };
  static constexpr std::size_t kIdentityBytesMax = 22;

  Kind kind = Kind::none;
  std::uint8_t size = 0;
  std::array<char, kIdentityBytesMax> bytes{};

  static ClientToken router(Kind kind, std::string_view identity);  // ≤ kIdentityBytesMax bytes
  // `connection`: whose requests these are, where a connection has several.
  static ClientToken numbered(Kind kind, std::uint64_t number, std::uint64_t connection = 0);
  [[nodiscard]] std::string_view identity() const { return {bytes.data(), size}; }
  [[nodiscard]] std::uint64_t number() const;
  [[nodiscard]] std::uint64_t connection() const;
  bool operator==(const ClientToken&) const = default;
};

// Where a client's share of a table is counted: a few bits of a hash of its identity, or of its
// HTTP connection. One in kClientSlots shares another one's.
inline constexpr std::size_t kClientSlots = 4096;

inline std::uint16_t client_slot(const ClientToken& client) {
  std::uint64_t start = 0;
  std::memcpy(&start, client.bytes.data(), sizeof start);  // behind `size` all bytes are 0
  if (client.kind == ClientToken::Kind::http) start = client.connection();
  // Identities have 5 bytes; behind one of these stands the number of the request.
  if (client.kind == ClientToken::Kind::correlated) start &= 0xff'ffff'ffffU;
  return static_cast<std::uint16_t>((start * 0x9e3779b97f4a7c15U) >> 52U);
}

// How an order's client waits.
enum class WaitMode : std::uint8_t {
  deadline = 0,            // until the answer or its deadline
  detach_now = 1,          // told `queued` at once; asks again later
  detach_at_deadline = 2,  // told `queued` when the wait ran out
};

struct ClientAsk {
  ClientToken client;
  ClientRequest request;
  WaitMode mode = WaitMode::deadline;
  bool user_is_id = false;  // order: the user is called like the request
  bool cached = false;      // get: what the webapp remembers is good enough
  bool by_user = false;     // get: only if the order is request.user's
};

}  // namespace stampede::actors
