// What format 2 added: every command and record there and back with values at both ends of their
// bounds, everything beyond them refused, and what format 1 wrote read as before.

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "storage/commands/command_arguments.h"
#include "test/storage/commands/command_fixture.h"
#include "test/support/hex_text.h"

using namespace stampede::storage;
using namespace stampede::test;

namespace {

const std::string kBytes = "0123456789abcdef0123456789ABCDEF";
const std::string_view kUuid = std::string_view(kBytes).substr(0, 16);

Command sale_command(CommandKind kind, const SaleArguments& sale) {
  Command command;
  command.kind = kind;
  command.sale = std::make_shared<SaleArguments>(sale);
  return command;
}

SaleArguments some_sale() {
  SaleArguments sale;
  sale.order = {77, 1'790'000'000'000, 3};
  sale.item = {1'790'000'000'000'000, "long words", "https://x/y.png", 600, 60, 10, 4, 1, 1};
  sale.promo = {"p-1",
                77,
                1,
                "Half price",
                999,
                1'790'000'000'000,
                1'790'000'020'000,
                2,
                1,
                5,
                300,
                30,
                5,
                3,
                0xfeedfacecafebeef,
                1'790'000'000'000'000};
  sale.ticket = {77, 1, 1234, "ann", "t-1", 1'790'000'020'000, 1'790'000'000'000'001};
  sale.update = {make_lsn(1, 9), 1,    static_cast<std::uint32_t>(Fulfilment::paid),
                 "pay-1",        1998, 1'790'000'000'000'002};
  sale.stock = {1, 2, static_cast<std::uint32_t>(StockReason::expired), make_lsn(1, 9),
                1'790'000'000'000'003};
  return sale;
}

std::map<std::string, std::string> samples() {
  std::map<std::string, std::string> out;
  const SaleArguments sale = some_sale();
  encode_order_set(out["order"], {"r-1", 1, "ann", 2, 1999, 1'790'000'000'000'000}, {1, 98});
  encode_item_set(out["item"], {"put-1", 7, {"Phone", 1999, 100, 2, 5}, 77}, {7, 100});
  Command order = order_of(1, "r-1", "ann");
  order.sale = std::make_shared<SaleArguments>(sale);
  Command put = put_of(1);
  put.sale = order.sale;
  Command change = sale_command(CommandKind::stock_change, sale);
  change.id_text = "own";
  encode_command_set(out["order_of_a_promo"], {order, amount_of(1, 98)});
  encode_command_set(out["item_of_a_sale"], {put, amount_of(1, 98), change});
  encode_command_set(out["promo"], {sale_command(CommandKind::promo_put, sale)});
  encode_command_set(out["ticket"], {sale_command(CommandKind::ticket_grant, sale)});
  encode_command_set(out["update"],
                     {sale_command(CommandKind::order_update, sale), amount_of(1, 99), change});
  encode_rejection(out["reject"], {{1, 2}, 3, 4, 5, RejectReason::sold_out, 0xabcdef});
  Rejection of_promo{{1, 2}, 3, 4, 5, RejectReason::limit_reached, 6, 77, 1'790'000'000'000'000};
  encode_rejection(out["reject_of_a_promo"], of_promo);
  encode_outcome(out["exec"], {2, CommandKind::order_insert, 0, {5, 9}});
  encode_outcome(out["fail"], {2, CommandKind::order_insert, 0, {5, 1406, 9, 1264}, {1, 300}});
  encode_outcome(out["optm"], {2, CommandKind::ticket_grant, 1, {77, 5, 9}});
  encode_epoch(out["epoch"], 7, 1'790'000'000'000'000'000);
  encode_epoch(out["epoch_of_an_instance"], 7, 1'790'000'000'000'000'000, kUuid);
  encode_seal(out["seal"]);
  encode_control(out["ha"], HaRecord{3, "shop", 0xfeedfacecafebeef, kUuid, 2, kUuid, 7, {}, 3, 1});
  encode_control(out["hash"], HashRecord{make_lsn(7, 9), 3, 8, kUuid});
  encode_control(out["config"], ConfigRecord{"limits", 4, kBytes, "{\"a\":1}", 1'790'000'000'000});
  encode_control(out["claim"], ClaimRecord{kUuid, 9, 3, 1'790'000'000'000'000});
  encode_control(out["revoke"], RevokeRecord{kUuid, 8, 1'790'000'000'000, 2, 1'790'000'000'000});
  return out;
}

// One argument after the other is set beyond its bounds; `refused` is asked each time.
template <class Some, class Each, class Refused>
void beyond_bounds(const Some& good, Each each, Refused refused) {
  std::size_t count = 0;
  each(good, [&](std::string_view, const auto&) { ++count; });
  for (std::size_t wanted = 0; wanted < count; ++wanted) {
    for (const int end : {0, 1}) {
      Some some = good;
      std::string text;
      std::string name;
      bool set = false;
      std::size_t at = 0;
      each(some, [&](std::string_view called, auto value) {
        if (at++ != wanted) return;
        name = called;
        if constexpr (requires { value.value.size(); }) {
          set = end == 1 || value.min > (value.may_be_nil ? 1 : 0);
          text.assign(end == 1 ? value.max + 1 : value.min - (set ? 1 : 0), 'x');
          value.value = text;
        } else if constexpr (requires { value.min; }) {
          using Number = std::remove_cvref_t<decltype(value.value)>;
          constexpr bool is_signed = std::is_signed_v<Number>;
          set = end == 1 ? value.max < std::numeric_limits<std::int64_t>::max()
                         : value.min > 0 || is_signed;
          value.value = static_cast<Number>(end == 1 ? value.max + (set ? 1 : 0) : value.min - 1);
          if (end == 1 && !set && !is_signed) {  // 2^63
            set = true;
            value.value = static_cast<Number>(std::uint64_t{1} << 63);
          }
        }
      });
      if (!set) continue;
      INFO(name);
      CHECK(refused(some));
    }
  }
}

template <class Record>
void control_beyond_bounds(const Record& good) {
  const auto refused = [](const Record& record) {
    std::string payload;
    encode_control(payload, record);
    Record out;
    return !CommandDecoder().control(payload, out);
  };
  CHECK_FALSE(refused(good));
  const auto each = [](auto& record, auto fn) { each_bounded_argument(record, fn); };
  beyond_bounds(good, each, refused);
}

bool refused_set(CommandKind kind, const SaleArguments& sale) {
  Command command = kind == CommandKind::order_insert ? order_of(1)
                    : kind == CommandKind::item_put   ? put_of(1)
                                                      : sale_command(kind, sale);
  command.sale = std::make_shared<SaleArguments>(sale);
  std::string payload;
  encode_command_set(payload, {command});
  std::vector<Command> set;
  return !CommandDecoder().command_set(payload, set);
}

template <class Part, class Each>
void part_beyond_bounds(CommandKind kind, Part SaleArguments::*place, Each each) {
  CHECK_FALSE(refused_set(kind, some_sale()));
  beyond_bounds(some_sale().*place, each, [&](const Part& part) {
    SaleArguments sale = some_sale();
    sale.*place = part;
    return refused_set(kind, sale);
  });
}

std::map<std::string, std::string> golden() {
  std::ifstream file(std::string(STAMPEDE_TEST_DATA) + "/payloads.txt");
  std::map<std::string, std::string> out;
  for (std::string name, hex; file >> name >> hex;) out[name] = hex;
  return out;
}

}  // namespace

TEST_CASE("format 2: payloads are what they were, byte by byte") {
  if (const char* path = std::getenv("STAMPEDE_WRITE_PAYLOADS")) {
    std::ofstream out(path);
    for (const auto& [name, payload] : samples()) out << name << ' ' << hex_of(payload) << '\n';
  }
  const auto expected = golden();
  for (const auto& [name, payload] : samples()) {
    INFO(name);
    REQUIRE(expected.contains(name));
    CHECK(hex_of(payload) == expected.at(name));
  }
}

TEST_CASE("format 2: sets of the sale come back as they were") {
  CommandDecoder decoder;
  for (const char* name :
       {"order", "item", "order_of_a_promo", "item_of_a_sale", "promo", "ticket", "update"}) {
    INFO(name);
    const std::string payload = samples()[name];
    std::vector<Command> set;
    REQUIRE(decoder.command_set(payload, set));
    std::string again;
    encode_command_set(again, set);
    CHECK(hex_of(again) == hex_of(payload));
    const bool sale = std::string_view(name) != "order" && std::string_view(name) != "item";
    CHECK(level_of(set) == (sale ? FeatureLevel::sale : FeatureLevel::format_2));
  }
}

TEST_CASE("format 2: whom a command is about, and what makes it superfluous") {
  const SaleArguments sale = some_sale();
  for (auto kind = 1U; kind <= static_cast<unsigned>(kCommandKindLast); ++kind) {
    Command command = sale_command(static_cast<CommandKind>(kind), sale);
    command.order.item = command.amount.item = command.put.item = 1;
    CHECK(command.item() == 1);
    CHECK(parse_command_kind(to_text(command.kind)) == command.kind);
  }
  CHECK(sale_command(CommandKind::promo_put, sale).key() == 77);
  CHECK(sale_command(CommandKind::ticket_grant, sale).key() == 77);
  CHECK(sale_command(CommandKind::order_update, sale).key() == make_lsn(1, 9));
  CHECK_FALSE(sale_command(CommandKind::stock_change, sale).key());
  CHECK_FALSE(order_of(1).key());
}

TEST_CASE("format 2: arguments of the sale beyond their bounds are refused") {
  const auto bounded = [](auto& some, auto fn) { each_bounded_argument(some, fn); };
  const auto sale = [](auto& some, auto fn) { each_sale_argument(some, fn); };
  part_beyond_bounds(CommandKind::order_insert, &SaleArguments::order, sale);
  part_beyond_bounds(CommandKind::item_put, &SaleArguments::item, sale);
  part_beyond_bounds(CommandKind::promo_put, &SaleArguments::promo, bounded);
  part_beyond_bounds(CommandKind::ticket_grant, &SaleArguments::ticket, bounded);
  part_beyond_bounds(CommandKind::order_update, &SaleArguments::update, bounded);
  part_beyond_bounds(CommandKind::stock_change, &SaleArguments::stock, bounded);
}

TEST_CASE("format 2: control records beyond their bounds are refused") {
  control_beyond_bounds(HaRecord{3, "shop", 1, kUuid, 2, kUuid, 7, kUuid, 3, 1});
  control_beyond_bounds(HashRecord{make_lsn(7, 9), 3, 8, kUuid});
  control_beyond_bounds(ConfigRecord{"limits", 4, kBytes, "", 1});
  control_beyond_bounds(ClaimRecord{kUuid, 9, 3, 1});
  control_beyond_bounds(RevokeRecord{kUuid, 8, 1, 2, 1});
}

TEST_CASE("format 2: no truncated or prolonged payload is taken") {
  CommandDecoder decoder;
  for (const auto& [name, payload] : samples()) {
    const auto takes = [&](std::string_view bytes) {
      std::vector<Command> set;
      Rejection rejection;
      Outcome outcome;
      HaRecord ha;
      HashRecord hash;
      ConfigRecord config;
      ClaimRecord claim;
      RevokeRecord revoke;
      return decoder.command_set(bytes, set) || decoder.rejection(bytes, rejection) ||
             decoder.outcome(bytes, outcome) || decoder.epoch(bytes) ||
             decoder.control(bytes, ha) || decoder.control(bytes, hash) ||
             decoder.control(bytes, config) || decoder.control(bytes, claim) ||
             decoder.control(bytes, revoke);
    };
    if (name == "seal") continue;
    INFO(name);
    CHECK(takes(payload));
    CHECK_FALSE(takes(payload + '\xc0'));
    for (std::size_t length = 0; length < payload.size(); ++length)
      CHECK_FALSE(takes(std::string_view(payload).substr(0, length)));
  }
}

TEST_CASE("format 2: a FAIL has one number of tries for each pair") {
  CommandDecoder decoder;
  Outcome outcome;
  const auto payload = [](std::string_view tail) {
    return std::string("\x95\x01\x01\x00\x92\x05\x06", 7) + std::string(tail);
  };
  REQUIRE(decoder.outcome(payload("\x91\x03"), outcome));
  CHECK(outcome.tries == std::vector<std::uint64_t>{3});
  CHECK(outcome.level == FeatureLevel::format_2);
  CHECK_FALSE(decoder.outcome(payload("\x92\x03\x04"), outcome));
  CHECK_FALSE(decoder.outcome(payload("\x90"), outcome));
  CHECK_FALSE(decoder.outcome(payload("\xc0"), outcome));
}

TEST_CASE("format 1: its payloads are read as they always were") {
  const auto expected = golden();
  CommandDecoder decoder;
  std::vector<Command> set;
  const auto bytes = [&](const char* name) { return bytes_of(expected.at(name)); };

  const auto order = bytes("v1_order");
  REQUIRE(decoder.command_set(order, set));
  REQUIRE(set.size() == 2);
  CHECK(set[0].order.request_id == "r-1");
  CHECK(set[0].order.user == "ann");
  CHECK(set[0].order.decided_at_us == 1'790'000'000'000'000);
  CHECK(set[0].sale == nullptr);
  CHECK(set[1].amount.amount == 98);
  CHECK(level_of(set) == FeatureLevel::format_1);

  const auto imported = bytes("v1_imported");
  REQUIRE(decoder.command_set(imported, set));
  REQUIRE(set.size() == 2);
  CHECK(set[0].put.terms.name == "Phone");
  CHECK(set[0].id_text == "abcdef");
  CHECK(set[0].missing == 1U << 4);
  CHECK(set[1].id_text == "xyzabc");
  CHECK(level_of(set) == FeatureLevel::format_1);

  const auto reject = bytes("v1_reject");
  Rejection rejection;
  REQUIRE(decoder.rejection(reject, rejection));
  CHECK(rejection.request_hash == RequestHash{1, 2});
  CHECK(rejection.user_hash == 0);
  CHECK(rejection.level == FeatureLevel::format_1);

  const auto fail = bytes("v1_fail");
  Outcome outcome;
  REQUIRE(decoder.outcome(fail, outcome));
  CHECK(outcome.numbers == std::vector<std::uint64_t>{5, 1406});
  CHECK(outcome.tries.empty());
  CHECK(outcome.level == FeatureLevel::format_1);
  CHECK(decoder.epoch(bytes("v1_epoch")) == 7);
}
