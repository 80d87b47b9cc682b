#include "storage/commands/command.h"

#include <doctest/doctest.h>

#include <limits>
#include <random>

#include "test/storage/commands/command_fixture.h"
#include "test/support/hex_text.h"
#include "test/support/random_run.h"

using namespace stampede::storage;
using namespace stampede::test;

namespace {

constexpr auto kU32 = std::numeric_limits<std::uint32_t>::max();
constexpr auto kU64 = std::numeric_limits<std::uint64_t>::max();
constexpr auto kLow = std::numeric_limits<std::int64_t>::min();
constexpr auto kHigh = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kItemMax = static_cast<std::uint64_t>(kHigh);

std::vector<Command> decode(std::string_view payload) {
  CommandDecoder decoder;
  std::vector<Command> set;
  REQUIRE(decoder.command_set(payload, set));
  return set;
}

bool refused(std::string_view payload) {
  CommandDecoder decoder;
  std::vector<Command> set;
  return !decoder.command_set(payload, set);
}

// One payload of each sort, with values of every width.
std::vector<std::string> samples() {
  std::vector<std::string> out(7);
  const std::string id(64, 'i');
  const std::string name(500, 'n');
  encode_order_set(out[0], {id, kItemMax, "zo\xc3\xab", 1000, 19900, 1'790'000'000'000'000},
                   {kItemMax, 299'999});
  encode_item_set(out[1], {"p-1", 7, {name, kHigh, 300'000, kU32, 1000}, kU64}, {7, 300'000});
  Command named = amount_of(1, 100);
  named.id_text = "abcdef";
  encode_command_set(out[2], {named, order_of(3), put_of(4)});
  encode_rejection(out[3], {{1, 2}, 3, 4, 5, RejectReason::limit_reached, 6});
  encode_outcome(out[4], {2, CommandKind::item_amount_update, 1, {7, 100, 200, 8, 90, 190}});
  encode_epoch(out[5], 7, 1'790'000'000'000'000'000, std::string(16, 'I'));
  encode_outcome(out[6], {2, CommandKind::order_insert, 0, {100, 1406, 200, 1264}, {1, kU64}});
  return out;
}

// Whether any of the decoders takes it, and that none of them minds what it is.
bool anything_takes(std::string_view payload) {
  CommandDecoder decoder;
  std::vector<Command> set;
  Rejection rejection;
  Outcome outcome;
  const bool is_set = decoder.command_set(payload, set);
  const bool is_rejection = decoder.rejection(payload, rejection);
  const bool is_outcome = decoder.outcome(payload, outcome);
  return is_set || is_rejection || is_outcome || decoder.epoch(payload).has_value();
}

}  // namespace

TEST_CASE("command: an order's set keeps extreme values") {
  const std::string id(64, 'r');
  const std::string user(64, '\xff');
  std::string payload;
  encode_order_set(payload, {id, kItemMax, user, kU32, kLow, kHigh}, {0, kLow});
  const auto set = decode(payload);
  REQUIRE(set.size() == 2);
  CHECK(set[0].kind == CommandKind::order_insert);
  CHECK(set[0].order.request_id == id);
  CHECK(set[0].order.item == kItemMax);
  CHECK(set[0].order.user == user);
  CHECK(set[0].order.qty == kU32);
  CHECK(set[0].order.unit_price_cents == kLow);
  CHECK(set[0].order.decided_at_us == kHigh);
  CHECK(set[0].missing == 0);
  CHECK(set[0].id_text.empty());
  CHECK(set[1].kind == CommandKind::item_amount_update);
  CHECK(set[1].amount.amount == kLow);
  CHECK(set[1].item() == 0);
}

TEST_CASE("command: an item's set keeps extreme values and the empty name") {
  std::string payload;
  encode_item_set(payload, {"", kItemMax, {"", kHigh, kLow, kU32, 0}, kU64}, {kItemMax, kHigh});
  const auto set = decode(payload);
  REQUIRE(set.size() == 2);
  const ItemPut& put = set[0].put;
  CHECK(set[0].kind == CommandKind::item_put);
  CHECK(put.request_id.empty());
  CHECK(put.item == kItemMax);
  CHECK(put.terms.name.empty());
  CHECK(put.terms.price_cents == kHigh);
  CHECK(put.terms.total == kLow);
  CHECK(put.terms.limit_per_user == kU32);
  CHECK(put.terms.max_qty == 0);
  CHECK(put.content_hash == kU64);
  CHECK(set[1].amount.amount == kHigh);
}

TEST_CASE("command: the bytes of an item's set") {
  std::string payload;
  encode_item_set(payload, {"put-1", 7, {"Phone 名", 1999, 300'000, 2, 5}, 0xfeedfacecafebeefULL},
                  {7, 299'998});
  CHECK(hex_of(payload) ==
        "92"
        "9b03a57075742d3107a950686f6e6520e5908dcd07cfce000493e00205cffeedfacecafebeefc0c0"
        "940207ce000493dec0");
  Command imported = put_of(7);
  imported.id_text = "own-id";
  imported.missing = (1U << 3) | (1U << 5);  // name, total
  payload.clear();
  encode_command_set(payload, {imported});
  CHECK(hex_of(payload) == "919b03a17007c0cd4dbcc00005cdfeedc0a66f776e2d6964");
}

TEST_CASE("command: any shape of set is encoded as the fixed shapes are") {
  std::string fixed;
  std::string free;
  const Command order = order_of(5, "req", "bob");
  const Command amount = amount_of(5, 41);
  encode_order_set(fixed, order.order, amount.amount);
  encode_command_set(free, {order, amount});
  CHECK(fixed == free);
}

TEST_CASE("command: an imported command keeps its own id and what it lacks") {
  Command order = order_of(9, "req", "bob");
  order.id_text = "xyzabc";
  order.missing = (1U << 3) | (1U << 6);  // user, decided_at_us
  std::string payload;
  encode_command_set(payload, {order});
  const auto set = decode(payload);
  CHECK(set[0].id_text == "xyzabc");
  CHECK(set[0].missing == order.missing);
  CHECK(set[0].order.user.empty());
  CHECK(set[0].order.decided_at_us == 0);
  CHECK(set[0].order.request_id == "req");
  CHECK(set[0].order.qty == 1);
}

TEST_CASE("command: an item command without its business key is refused") {
  for (const auto& [command, argument] : {std::pair{amount_of(1, 2), 1}, {put_of(1), 2}}) {
    Command keyless = command;
    keyless.missing = static_cast<std::uint16_t>(1U << argument);
    std::string payload;
    encode_command_set(payload, {keyless});
    CHECK(refused(payload));
  }
}

TEST_CASE("command: sets that are none are refused") {
  CHECK(refused(""));
  CHECK(refused("\x90"));                                                  // empty set
  CHECK(refused("\x01"));                                                  // no array
  CHECK(refused("\x91\x90"));                                              // empty command
  CHECK(refused(std::string_view("\x91\x93\x00\x01\x01", 5)));             // kind 0
  CHECK(refused("\x91\x93\x08\x01\x01"));                                  // unknown kind
  CHECK(refused("\x91\x92\x02\x01"));                                      // too short
  CHECK(refused("\x91\x95\x02\x01\x01\xa1x\xa1x"));                        // too long
  CHECK(refused("\x91\x94\x02\x01\x01\xa0"));                              // empty id text
  CHECK(refused("\x91\x93\x02\xff\x01"));                                  // negative item
  CHECK(refused("\x91\x93\x02\xa1x\x01"));                                 // text for item
  CHECK(refused("\x91\x93\x02\xcf\x80" + std::string(7, '\0') + "\x01"));  // item of 2^63
  CHECK(refused("\x91\x93\x02\x01\x01\xc0"));                              // trailing byte
}

TEST_CASE("command: a rejection keeps its hashes byte by byte") {
  std::string payload;
  encode_rejection(payload, {{0x0123456789abcdefULL, 0xfedcba9876543210ULL},
                             kU64,
                             kItemMax,
                             kU32,
                             RejectReason::sold_out});
  CHECK(payload.substr(1, 10) == std::string("\xc4\x10\x01\x23\x45\x67\x89\xab\xcd\xef"));
  CommandDecoder decoder;
  Rejection rejection;
  REQUIRE(decoder.rejection(payload, rejection));
  CHECK(rejection.request_hash == RequestHash{0x0123456789abcdefULL, 0xfedcba9876543210ULL});
  CHECK(rejection.content_hash == kU64);
  CHECK(rejection.item == kItemMax);
  CHECK(rejection.qty == kU32);
  CHECK(rejection.reason == RejectReason::sold_out);
}

TEST_CASE("command: an outcome keeps its numbers, none or very many") {
  CommandDecoder decoder;
  Outcome out;
  for (const std::size_t count : {0U, 1U, 15U, 16U, 5000U}) {
    Outcome in{kU32, CommandKind::item_put, kU32, std::vector<std::uint64_t>(count, kU64)};
    std::string payload;
    encode_outcome(payload, in);
    REQUIRE(decoder.outcome(payload, out));
    CHECK(out.lane == in.lane);
    CHECK(out.kind == in.kind);
    CHECK(out.position == in.position);
    CHECK(out.numbers == in.numbers);
  }
}

TEST_CASE("command: an epoch and a seal are what they are") {
  CommandDecoder decoder;
  std::string payload;
  encode_epoch(payload, kEpochMax, kLow);
  CHECK(decoder.epoch(payload) == kEpochMax);
  std::string seal;
  encode_seal(seal);
  CHECK(seal == "\x90");
  CHECK_FALSE(decoder.epoch(seal).has_value());
}

TEST_CASE("command: no truncated payload is taken for a whole one") {
  for (const std::string& payload : samples()) {
    CHECK(anything_takes(payload));
    for (std::size_t length = 0; length < payload.size(); ++length) {
      CHECK_FALSE(anything_takes(std::string_view(payload).substr(0, length)));
    }
  }
}

TEST_CASE("command: mutated payloads are refused or read, never worse") {
  const std::uint64_t seed = seed_of_run();
  INFO("STAMPEDE_TEST_SEED=", seed);
  std::mt19937_64 random(seed);
  const auto originals = samples();
  std::size_t taken = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string payload = originals[random() % originals.size()];
    for (std::uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
      payload[random() % payload.size()] = static_cast<char>(random());
    }
    if (random() % 8 == 0) payload.resize(random() % (payload.size() + 1));
    if (anything_takes(payload)) ++taken;
  }
  CHECK(taken > 0);
}

TEST_CASE("command: names go forth and back") {
  for (const auto kind :
       {CommandKind::order_insert, CommandKind::item_amount_update, CommandKind::item_put}) {
    CHECK(parse_command_kind(to_text(kind)) == kind);
  }
  CHECK_FALSE(parse_command_kind("invalid").has_value());
  CHECK(command_id(make_lsn(1, 187402), 1) == "1.187402.1");
}
