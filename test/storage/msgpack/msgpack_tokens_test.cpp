#include "storage/msgpack/msgpack_tokens.h"

#include <doctest/doctest.h>

#include <msgpack.hpp>
#include <random>
#include <string>

#include "test/storage/commands/command_fixture.h"
#include "test/support/random_run.h"

using namespace stampede::storage;
using Type = Token::Type;

namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) out += static_cast<char>(value);
  return out;
}

ParseOutcome outcome_of(std::string_view text, TokenLimits limits = {}) {
  std::size_t offset = 0;
  TokenReader reader(limits);
  return reader.parse(text, offset);
}

const Token& only(TokenReader& reader, std::string_view text) {
  std::size_t offset = 0;
  REQUIRE(reader.parse(text, offset) == ParseOutcome::ok);
  REQUIRE(offset == text.size());
  REQUIRE(reader.tokens().size() == 1);
  return reader.tokens().front();
}

std::string nested_arrays(std::size_t depth) {
  return std::string(depth - 1, '\x91') + '\x90';
}

}  // namespace

TEST_CASE("tokens: every scalar of the format is read with its exact value") {
  TokenReader reader;
  CHECK(only(reader, bytes({0xc0})).type == Type::nil);
  CHECK(only(reader, bytes({0xc2})).number == 0);
  CHECK(only(reader, bytes({0xc3})).number == 1);
  CHECK(only(reader, bytes({0xc3})).type == Type::boolean);
  CHECK(only(reader, bytes({0x7f})).number == 127);
  CHECK(only(reader, bytes({0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})).number ==
        ~std::uint64_t{0});
  const Token& lowest = only(reader, bytes({0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0}));
  CHECK(lowest.type == Type::negative_int);
  CHECK(static_cast<std::int64_t>(lowest.number) == INT64_MIN);
  CHECK(static_cast<std::int64_t>(only(reader, bytes({0xe0})).number) == -32);
}

TEST_CASE("tokens: a signed encoding of a positive number is a positive number") {
  TokenReader reader;
  const Token& token = only(reader, bytes({0xd0, 0x05}));
  CHECK(token.type == Type::unsigned_int);
  CHECK(token.number == 5);
}

TEST_CASE("tokens: texts and bytes point into the parsed bytes") {
  TokenReader reader;
  const std::string text = bytes({0xa3, 'a', 'b', 'c'});
  const Token& token = only(reader, text);
  CHECK(token.type == Type::str);
  CHECK(token.text == "abc");
  CHECK(token.text.data() == text.data() + 1);
  CHECK(only(reader, bytes({0xc4, 0x01, 0xff})).type == Type::bin);
  CHECK(only(reader, bytes({0xa0})).text.empty());
  CHECK(only(reader, bytes({0xc4, 0x00})).text.empty());
}

TEST_CASE("tokens: containers count their elements and point behind themselves") {
  // {"a": [1, []], "b": 2}
  const std::string text = bytes({0x82, 0xa1, 'a', 0x92, 0x01, 0x90, 0xa1, 'b', 0x02});
  TokenReader reader;
  std::size_t offset = 0;
  REQUIRE(reader.parse(text, offset) == ParseOutcome::ok);
  const auto& tokens = reader.tokens();
  REQUIRE(tokens.size() == 7);
  CHECK(tokens[0].type == Type::map);
  CHECK(tokens[0].size == 2);
  CHECK(tokens[0].end == 7);
  CHECK(tokens[2].type == Type::array);
  CHECK(tokens[2].size == 2);
  CHECK(tokens[2].end == 5);
  CHECK(tokens[4].type == Type::array);
  CHECK(tokens[4].end == 5);
  CHECK(tokens[6].number == 2);
}

TEST_CASE("tokens: values that follow one another are read one at a time") {
  const std::string text = bytes({0x01, 0x92, 0x02, 0x03, 0xc0});
  TokenReader reader;
  std::size_t offset = 0;
  REQUIRE(reader.parse(text, offset) == ParseOutcome::ok);
  CHECK(offset == 1);
  REQUIRE(reader.parse(text, offset) == ParseOutcome::ok);
  CHECK(offset == 4);
  REQUIRE(reader.parse(text, offset) == ParseOutcome::ok);
  CHECK(offset == 5);
  CHECK(reader.parse(text, offset) == ParseOutcome::truncated);
  CHECK(offset == 5);
}

TEST_CASE("tokens: floats, extensions and the unused byte are refused by name") {
  CHECK(outcome_of(bytes({0xca, 0, 0, 0, 0})) == ParseOutcome::unsupported_type);
  CHECK(outcome_of(bytes({0xcb, 0, 0, 0, 0, 0, 0, 0, 0})) == ParseOutcome::unsupported_type);
  CHECK(outcome_of(bytes({0xd4, 1, 1})) == ParseOutcome::unsupported_type);
  CHECK(outcome_of(bytes({0x91, 0xc7, 1, 1, 1})) == ParseOutcome::unsupported_type);
  CHECK(outcome_of(bytes({0xc1})) == ParseOutcome::malformed);
  CHECK(outcome_of(bytes({0x91, 0xc1})) == ParseOutcome::malformed);
}

TEST_CASE("tokens: declared lengths beyond the bytes or the limits allocate nothing") {
  CHECK(outcome_of("") == ParseOutcome::truncated);
  CHECK(outcome_of(bytes({0xdb, 0xff, 0xff, 0xff, 0xff, 'a'})) == ParseOutcome::truncated);
  CHECK(outcome_of(bytes({0xdd, 0xff, 0xff, 0xff, 0xff})) == ParseOutcome::too_many);
  CHECK(outcome_of(bytes({0xdf, 0xff, 0xff, 0xff, 0xff})) == ParseOutcome::too_many);
  CHECK(outcome_of(bytes({0xdc, 0x10, 0x00})) == ParseOutcome::too_many);
  CHECK(outcome_of(bytes({0xdc, 0x0f, 0xff})) == ParseOutcome::truncated);
}

TEST_CASE("tokens: the limits are exact") {
  CHECK(outcome_of(nested_arrays(4)) == ParseOutcome::ok);
  CHECK(outcome_of(nested_arrays(5)) == ParseOutcome::too_deep);
  CHECK(outcome_of(bytes({0x93, 1, 2, 3}), {4, 4}) == ParseOutcome::ok);
  CHECK(outcome_of(bytes({0x93, 1, 2, 3}), {4, 3}) == ParseOutcome::too_many);
  CHECK(outcome_of(bytes({0x82, 1, 2, 3, 4}), {4, 5}) == ParseOutcome::ok);
  CHECK(outcome_of(bytes({0x82, 1, 2, 3, 4}), {4, 4}) == ParseOutcome::too_many);
  CHECK(outcome_of(bytes({0x92, 0x91, 1, 2}), {4, 4}) == ParseOutcome::ok);
  CHECK(outcome_of(bytes({0x92, 0x91, 1, 2}), {4, 3}) == ParseOutcome::too_many);
  CHECK(outcome_of(bytes({0x01}), {4, 0}) == ParseOutcome::too_many);
}

TEST_CASE("tokens: every truncation of a value is truncated, never accepted") {
  msgpack::sbuffer buffer;
  msgpack::packer<msgpack::sbuffer> packer(buffer);
  packer.pack_map(2);
  packer.pack("key");
  packer.pack_array(3);
  packer.pack(70000);
  packer.pack(std::string(300, 'x'));
  packer.pack(-5);
  packer.pack("other");
  packer.pack_nil();
  const std::string whole(buffer.data(), buffer.size());
  CHECK(outcome_of(whole) == ParseOutcome::ok);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    CHECK(outcome_of(whole.substr(0, length)) == ParseOutcome::truncated);
  }
}

TEST_CASE("tokens: random bytes never crash and never yield tokens outside themselves") {
  const std::uint64_t seed = stampede::test::seed_of_run();
  INFO("STAMPEDE_TEST_SEED=", seed);
  std::mt19937_64 random(seed);
  TokenReader reader({4, 64});
  for (int round = 0; round < 100'000; ++round) {
    std::string text(random() % 40, '\0');
    for (char& c : text) c = static_cast<char>(random());
    std::size_t offset = 0;
    if (reader.parse(text, offset) != ParseOutcome::ok) continue;
    REQUIRE(offset <= text.size());
    REQUIRE(reader.tokens().front().end == reader.tokens().size());
    for (const Token& token : reader.tokens()) {
      REQUIRE(token.end <= reader.tokens().size());
      if (token.text.empty()) continue;
      REQUIRE(token.text.data() >= text.data());
      REQUIRE(token.text.data() + token.text.size() <= text.data() + offset);
    }
  }
}
