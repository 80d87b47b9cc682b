#include "actors/protocol/envelope.h"

#include <cstring>

namespace stampede::transport {

namespace {

constexpr std::uint32_t kMagic = 0x31505453;  // "STP1" as its bytes stand on the wire

// Byte by byte, so that it means the same on every machine; compilers make one move of it.
template <class T>
void put(char*& to, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    *to++ = static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
}

template <class T>
T take(const char*& from) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    value = static_cast<T>(
        value | static_cast<T>(static_cast<T>(static_cast<unsigned char>(*from++)) << (8 * i)));
  return value;
}

bool known(std::uint8_t kind) {
  return kind >= static_cast<std::uint8_t>(EnvelopeKind::work) &&
         kind <= static_cast<std::uint8_t>(EnvelopeKind::wanted);
}

}  // namespace

std::string encode(const Envelope& envelope) {
  std::string bytes(kEnvelopeBytes, '\0');
  encode_to(envelope, bytes.data());
  return bytes;
}

void encode_to(const Envelope& envelope, char* bytes) {
  char* to = bytes;
  put(to, kMagic);
  put(to, static_cast<std::uint8_t>(envelope.kind));
  put(to, kEnvelopeVersion);
  put(to, envelope.code);
  put(to, envelope.count);
  put(to, envelope.origin);
  put(to, envelope.sender);
  put(to, envelope.number);
  put(to, envelope.broker);
  put(to, envelope.epoch);
  put(to, envelope.counter);
  put(to, std::uint64_t{0});
}

std::optional<Envelope> decode_envelope(std::string_view bytes) {
  if (bytes.size() != kEnvelopeBytes) return std::nullopt;
  const char* from = bytes.data();
  if (take<std::uint32_t>(from) != kMagic) return std::nullopt;
  const auto kind = take<std::uint8_t>(from);
  if (!known(kind) || take<std::uint8_t>(from) != kEnvelopeVersion) return std::nullopt;
  Envelope envelope;
  envelope.kind = static_cast<EnvelopeKind>(kind);
  envelope.code = take<std::uint16_t>(from);
  envelope.count = take<std::uint32_t>(from);
  envelope.origin = take<std::uint32_t>(from);
  envelope.sender = take<std::uint64_t>(from);
  envelope.number = take<std::uint64_t>(from);
  envelope.broker = take<std::uint64_t>(from);
  envelope.epoch = take<std::uint64_t>(from);
  envelope.counter = take<std::uint64_t>(from);
  if (take<std::uint64_t>(from) != 0) return std::nullopt;  // reserved
  return envelope;
}

}  // namespace stampede::transport
