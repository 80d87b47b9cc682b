#pragma once

// The fixed header that leads every message between nodes, as a frame of its own, so that a broker
// can rewrite it and pass the body on untouched. 64 bytes, little-endian:
//
//   magic u32 "STP1" | kind u8 | version u8 | code u16 | count u32 | origin u32 |
//   sender u64 | number u64 | broker u64 | epoch u64 | counter u64 | reserved u64
//
// transport/ gives these fields no meaning beyond moving them; actors/protocol/node_messages.h
// does.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace stampede::transport {

// Explicit numbers, 0 is invalid, retired numbers stay listed.
enum class EnvelopeKind : std::uint8_t {
  invalid = 0,
  work = 1,     // webapp -> broker -> backend: a batch of requests
  result = 2,   // backend -> broker -> webapp: the answers of one batch, by position
  refusal = 3,  // broker or backend -> webapp: the whole batch has `code`; no body
  hello = 4,    // backend -> broker -> webapp: instance, epoch, window
  news = 5,     // backend -> broker -> webapps: changed values
  report = 6,   // node -> supervisor: heartbeat, replies to commands
  wanted = 7,   // supervisor -> node: wanted state and commands
};

inline constexpr std::size_t kEnvelopeBytes = 64;
inline constexpr std::uint8_t kEnvelopeVersion = 1;

struct Envelope {
  EnvelopeKind kind = EnvelopeKind::invalid;
  std::uint16_t code = 0;     // why a batch was refused; a state in a hello
  std::uint32_t count = 0;    // entries in the body
  std::uint32_t origin = 0;   // number k of the node `webapp-k` that asked; which log, in a hello
  std::uint64_t sender = 0;   // instance of the process that made the batch
  std::uint64_t number = 0;   // the batch's number, counted by its sender from 1
  std::uint64_t broker = 0;   // instance of the broker that passed it on
  std::uint64_t epoch = 0;    // epoch of the backend that answered
  std::uint64_t counter = 0;  // entries answered in all for this broker instance; window in a hello

  bool operator==(const Envelope&) const = default;
};

std::string encode(const Envelope& envelope);
void encode_to(const Envelope& envelope, char* bytes);  // kEnvelopeBytes of room; allocates nothing
// Empty when the bytes are no envelope: wrong size, magic, version, an unknown kind, or reserved
// bytes that are not zero.
std::optional<Envelope> decode_envelope(std::string_view bytes);

}  // namespace stampede::transport
