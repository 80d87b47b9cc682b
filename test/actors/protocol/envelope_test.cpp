#include "actors/protocol/envelope.h"

#include <doctest/doctest.h>

#include <random>

#include "test/support/random_run.h"

namespace stampede::transport {

namespace {

Envelope example() {
  Envelope envelope;
  envelope.kind = EnvelopeKind::result;
  envelope.code = 0x0102;
  envelope.count = 0x03040506;
  envelope.origin = 0x0708090a;
  envelope.sender = 0x1112131415161718;
  envelope.number = 0x2122232425262728;
  envelope.broker = 0x3132333435363738;
  envelope.epoch = 0x4142434445464748;
  envelope.counter = 0x5152535455565758;
  return envelope;
}

}  // namespace

TEST_CASE("an envelope's bytes are these, on every machine") {
  const std::string expected =
      "STP1\x02\x01\x02\x01\x06\x05\x04\x03\x0a\x09\x08\x07"
      "\x18\x17\x16\x15\x14\x13\x12\x11\x28\x27\x26\x25\x24\x23\x22\x21"
      "\x38\x37\x36\x35\x34\x33\x32\x31\x48\x47\x46\x45\x44\x43\x42\x41"
      "\x58\x57\x56\x55\x54\x53\x52\x51" +
      std::string(8, '\0');
  CHECK(encode(example()) == expected);
  CHECK(encode(example()).size() == kEnvelopeBytes);
}

TEST_CASE("every envelope comes back as it was") {
  const auto start = test::seed_of_run();
  CAPTURE(start);
  std::mt19937_64 random(start);
  for (int i = 0; i < 10'000; ++i) {
    Envelope envelope;
    envelope.kind = static_cast<EnvelopeKind>(1 + random() % 7);
    envelope.code = static_cast<std::uint16_t>(random());
    envelope.count = static_cast<std::uint32_t>(random());
    envelope.origin = static_cast<std::uint32_t>(random());
    envelope.sender = random();
    envelope.number = random();
    envelope.broker = random();
    envelope.epoch = random();
    envelope.counter = random();
    const auto decoded = decode_envelope(encode(envelope));
    REQUIRE(decoded.has_value());
    REQUIRE(*decoded == envelope);
  }
}

TEST_CASE("bytes of any other length are refused") {
  const std::string bytes = encode(example());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_FALSE(decode_envelope(std::string_view(bytes).substr(0, size)).has_value());
  for (std::size_t more = 1; more <= 64; ++more)
    CHECK_FALSE(decode_envelope(bytes + std::string(more, '\0')).has_value());
}

TEST_CASE("a wrong magic, version, kind or reserved byte is refused") {
  const std::string good = encode(example());
  const auto with = [&](std::size_t position, int value) {
    std::string bytes = good;
    bytes[position] = static_cast<char>(value);
    return decode_envelope(bytes).has_value();
  };
  for (std::size_t position = 0; position < 4; ++position)
    for (int value = 0; value < 256; ++value)
      CHECK(with(position, value) == (static_cast<char>(value) == good[position]));
  for (int kind = 0; kind < 256; ++kind) CHECK(with(4, kind) == (kind >= 1 && kind <= 7));
  for (int version = 0; version < 256; ++version) CHECK(with(5, version) == (version == 1));
  for (std::size_t position = 56; position < 64; ++position)
    for (int value = 0; value < 256; ++value) CHECK(with(position, value) == (value == 0));
}

TEST_CASE("garbage is refused") {
  const auto start = test::seed_of_run();
  CAPTURE(start);
  std::mt19937_64 random(start);
  for (int i = 0; i < 10'000; ++i) {
    std::string bytes(i % 2 == 0 ? kEnvelopeBytes : random() % 200, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random());
    REQUIRE_FALSE(decode_envelope(bytes).has_value());
  }
}

}  // namespace stampede::transport
