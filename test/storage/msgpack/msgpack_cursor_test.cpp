// The cursor must read what the token reader reads, and the writer must write what msgpack-c does.

#include "storage/msgpack/msgpack_cursor.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <msgpack.hpp>
#include <random>
#include <string>

#include "storage/msgpack/msgpack_writer.h"
#include "test/support/random_run.h"

using namespace stampede::storage;

namespace {

std::mt19937_64 seeded(const char* what) {
  const auto seed = stampede::test::seed_of_run();
  std::printf("%s: STAMPEDE_TEST_SEED=%lu\n", what, seed);
  return std::mt19937_64(seed);
}

using Packer = msgpack::packer<msgpack::sbuffer>;

// Any value, also of the kinds that are refused.
void pack_any(Packer& packer, std::mt19937_64& random, unsigned depth) {
  const auto number = random() >> (random() % 64);
  const std::string text(random() % 3 == 0 ? random() % 300 : random() % 5, 't');
  const auto size = static_cast<std::uint32_t>(text.size());
  switch (random() % (depth < 6 ? 12 : 9)) {
    case 0:
      packer.pack_nil();
      return;
    case 1:
      number % 2 == 0 ? packer.pack_true() : packer.pack_false();
      return;
    case 2:
      packer.pack_uint64(number);
      return;
    case 3:
      packer.pack_int64(-static_cast<std::int64_t>(number >> 1));
      return;
    case 4:
      packer.pack_fix_int32(static_cast<std::int32_t>(number));
      return;
    case 5:
    case 6:
      packer.pack_str(size);
      packer.pack_str_body(text.data(), size);
      return;
    case 7:
      packer.pack_bin(size);
      packer.pack_bin_body(text.data(), size);
      return;
    case 8:
      if (random() % 20 == 0)
        packer.pack_double(1.5);
      else
        packer.pack_uint8(7);
      return;
    default:
      break;
  }
  const auto values = static_cast<std::uint32_t>(random() % 4);
  const bool map = random() % 2 == 0;
  map ? packer.pack_map(values) : packer.pack_array(values);
  for (auto left = map ? 2 * values : values; left > 0; --left) pack_any(packer, random, depth + 1);
}

// Reads one value with the cursor and compares it with the tokens, if any.
bool same(MsgpackCursor& cursor, const std::vector<Token>& tokens, std::size_t& at) {
  MsgpackCursor::Value value;
  if (!cursor.next(value)) return false;
  const auto& token = tokens.at(at++);
  if (value.type != token.type || value.number != token.number) return false;
  if (value.is_text() && value.text != token.text) return false;
  if (!value.is_container()) return true;
  if (value.size != token.size) return false;
  for (auto left = value.inside(); left > 0; --left)
    if (!same(cursor, tokens, at)) return false;
  return true;
}

// What is common is read by its own functions, and by them alone: they agree with next().
bool agree(std::string_view bytes) {
  MsgpackCursor general(bytes), texts(bytes), numbers(bytes), keys(bytes);
  MsgpackCursor::Value value;
  std::string_view text;
  std::uint64_t number = 0;
  const bool read = general.next(value);
  const bool is_number = read && value.type == Token::Type::unsigned_int;
  const bool is_short = read && value.type == Token::Type::str &&
                        general.offset() <= value.text.size() + (value.text.size() < 256 ? 2 : 1);
  if (texts.next_short_text(text) != is_short || numbers.next_unsigned(number) != is_number)
    return false;
  if (texts.offset() != (is_short ? general.offset() : 0)) return false;
  if (numbers.offset() != (is_number ? general.offset() : 0)) return false;
  if ((is_short && text != value.text) || (is_number && number != value.number)) return false;
  if (!is_short) return !keys.skip(MsgpackCursor::ShortText("abc"));
  const bool skipped = keys.skip(MsgpackCursor::ShortText(value.text));
  const bool expected =
      bytes.size() >= 8 && value.text.size() < 8 && general.offset() == value.text.size() + 1;
  return skipped == expected && keys.offset() == (skipped ? general.offset() : 0);
}

bool skips(std::string_view bytes, unsigned depth, std::size_t& offset) {
  MsgpackCursor cursor(bytes);
  MsgpackCursor::Value value;
  const bool ok = cursor.next(value) && (!value.is_container() || cursor.skip_inside(value, depth));
  offset = cursor.offset();
  return ok;
}

}  // namespace

TEST_CASE("cursor: reads and skips what the token reader accepts, whole or damaged") {
  auto random = seeded("msgpack cursor");
  TokenReader reader(TokenLimits{4, 1 << 20});
  std::size_t accepted = 0, refused = 0;
  for (int round = 0; round < 100'000; ++round) {
    msgpack::sbuffer buffer;
    Packer packer(buffer);
    pack_any(packer, random, 0);
    std::string bytes(buffer.data(), buffer.size());
    for (auto damage = random() % 3; damage > 0; --damage)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    std::size_t end = 0, skipped = 0;
    const auto outcome = reader.parse(bytes, end);
    const bool ok = outcome == ParseOutcome::ok;
    INFO("round ", round);
    REQUIRE(agree(bytes));
    const bool passed_over = skips(bytes, 3, skipped);
    if (outcome != ParseOutcome::unsupported_type) REQUIRE(passed_over == ok);
    ++(ok ? accepted : refused);
    if (!ok) continue;
    REQUIRE(skipped == end);
    MsgpackCursor cursor(bytes);
    std::size_t at = 0;
    REQUIRE(same(cursor, reader.tokens(), at));
    REQUIRE(cursor.offset() == end);
  }
  CHECK(accepted > 10'000);
  CHECK(refused > 10'000);
}

TEST_CASE("cursor: float and ext are passed over whole, and cut ones are not there") {
  const auto of = [](std::size_t size, std::initializer_list<int> head) {
    std::string bytes;
    for (const int byte : head) bytes.push_back(static_cast<char>(byte));
    return bytes.append(size, 'x');
  };
  for (const auto& bytes : {of(4, {0xCA}), of(2, {0xD4}), of(3, {0xD5}), of(5, {0xD6}),
                            of(9, {0xD7}), of(17, {0xD8}), of(1, {0xC7, 0}), of(256, {0xC7, 255}),
                            of(257, {0xC8, 1, 0}), of(65'537, {0xC9, 0, 1, 0, 0})}) {
    MsgpackCursor cursor(bytes);
    MsgpackCursor::Value value;
    REQUIRE(cursor.next(value));
    CHECK(value.type == Token::Type::foreign);
    CHECK(cursor.left() == 0);
    std::size_t offset = 0;
    CHECK(skips("\x92\x01" + bytes, 1, offset));
    CHECK(offset == bytes.size() + 2);
    for (const auto kept : {std::size_t{1}, bytes.size() / 2, bytes.size() - 1})
      CHECK_FALSE(skips(std::string_view(bytes).substr(0, kept), 1, offset));
  }
  std::size_t offset = 0;
  CHECK_FALSE(skips("\xc1", 1, offset));
}

TEST_CASE("cursor: a container may be nested as deep as is said, and not deeper") {
  std::size_t offset = 0;
  CHECK(skips("\x90", 0, offset));
  CHECK_FALSE(skips("\x91\x90", 0, offset));
  CHECK(skips("\x91\x91\x90", 2, offset));
  CHECK_FALSE(skips("\x91\x91\x90", 1, offset));
  CHECK_FALSE(skips(std::string(20, '\x91') + "\x90", 100, offset));
}

TEST_CASE("writer: every value in the same bytes as msgpack-c") {
  auto random = seeded("msgpack writer");
  ByteBuffer kept;
  for (int round = 0; round < 100'000; ++round) {
    const auto number = random() >> (random() % 64);
    const auto small = static_cast<std::uint32_t>(number);
    const auto negative = static_cast<std::int64_t>(random()) >> (random() % 64);
    const std::string text(random() % 50 == 0 ? 65'530 + random() % 10 : random() % 300, 'x');
    msgpack::sbuffer buffer;
    Packer packer(buffer);
    packer.pack_uint64(number), packer.pack_int64(negative);
    packer.pack_str(static_cast<std::uint32_t>(text.size()));
    packer.pack_str_body(text.data(), static_cast<std::uint32_t>(text.size()));
    packer.pack_map(small), packer.pack_array(small);
    packer.pack_nil(), packer.pack_true(), packer.pack_false();
    packer.pack("literal");
    const auto bin = text.substr(0, 16);
    packer.pack_bin(static_cast<std::uint32_t>(bin.size()));
    packer.pack_bin_body(bin.data(), static_cast<std::uint32_t>(bin.size()));
    const auto write = [&](auto& out) {
      MsgpackWriter writer(out, 100 + text.size());
      writer.number(number), writer.signed_number(negative), writer.text(text);
      writer.map(small), writer.array(small);
      writer.nil(), writer.boolean(true), writer.boolean(false);
      writer.literal("literal");
      writer.bytes(bin);
    };
    std::string out = "before";
    write(out);
    kept.cut_back(kept.size() / 2);
    const std::string begin(kept.view());
    write(kept);
    REQUIRE(kept.view() == begin + out.substr(6));
    REQUIRE(out == "before" + std::string(buffer.data(), buffer.size()));
  }
}
