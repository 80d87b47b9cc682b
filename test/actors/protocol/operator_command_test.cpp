#include "actors/protocol/operator_command.h"

#include <doctest/doctest.h>

#include <string>

#include "actors/protocol/control_message.h"

using namespace stampede::actors;
using nlohmann::json;

namespace {

const json kPut{
    {"do", "item_put"}, {"request_id", "p"}, {"item", 7}, {"name", "Phone"}, {"total", 100}};
const json kStock{{"do", "stock_change"}, {"request_id", "s"}, {"item", 7}, {"delta", -5}};

const json kPromo{{"do", "promo_add"},
                  {"request_id", "p"},
                  {"promo", 7},
                  {"item", 1},
                  {"name", "Half"},
                  {"price_cents", 500},
                  {"starts_at_ms", 1000},
                  {"ends_at_ms", 2000},
                  {"limit_per_user", 2},
                  {"hold_s", 60},
                  {"hold_low_s", 20},
                  {"low_stock_percent", 30},
                  {"unpaid_per_user_max", 3},
                  {"ticket", 1},
                  {"gate_factor", 4}};

std::string error_with(json command, const char* member, json value) {
  command[member] = std::move(value);
  return read_operator_command(command).error;
}

}  // namespace

TEST_CASE("a change of an item is read, with what it leaves out") {
  auto command = kPut;
  const auto least = read_operator_command(command);
  CHECK(least.error.empty());
  CHECK(least.item.action == ItemAction::add);
  CHECK(least.item.put.request_id == "p");
  CHECK(least.item.put.item == 7);
  CHECK(least.item.put.terms.name == "Phone");
  CHECK(least.item.put.terms.price_cents == 0);
  CHECK(least.item.put.terms.total == 100);
  CHECK(least.item.put.terms.limit_per_user == 0);
  CHECK(least.item.put.terms.max_qty == 5);
  command["name"] = "手机 😀";
  command["limit_per_user"] = 1'000'000'000;
  command["max_qty"] = nullptr;
  const auto more = read_operator_command(command);
  CHECK(more.error.empty());
  CHECK(more.item.put.terms.name == "手机 😀");
  CHECK(more.item.put.terms.limit_per_user == 1'000'000'000);
  CHECK(more.item.put.terms.max_qty == 5);
  CHECK(read_operator_command(kStock).request.delta == -5);
}

TEST_CASE("an item is set term by term, opened and closed") {
  const json set{{"do", "item_set"}, {"request_id", "s"}, {"item", 7},
                 {"hold_s", 60},     {"description", ""}, {"promo_only", 1}};
  const auto read = read_operator_command(set);
  REQUIRE(read.error.empty());
  CHECK(read.item.action == ItemAction::set);
  CHECK(read.item.sale.hold_s == 60);
  CHECK(operator_command_map("item_set", read) == set);
  CHECK(error_with(set, "total", 5) == "total is no member of this request");  // not its to change
  CHECK(error_with(set, "closed", 1) == "closed is no member of this request");
  CHECK(error_with(set, "a\nb", 1) == "\"a\\nb\" is no member of this request");
  CHECK(error_with(set, "\x8Cts", 1) == "\"\\ufffdts\" is no member of this request");
  CHECK(error_with(set, "hold_s", 86'401) == "hold_s must be a whole number from 0 to 86400");
  CHECK(error_with(set, "hold_low_s", -1).starts_with("hold_low_s must be"));
  CHECK(error_with(set, "low_stock_percent", 101).starts_with("low_stock_percent must be"));
  CHECK(error_with(set, "unpaid_per_user_max", 1e19).starts_with("unpaid_per_user_max must be"));
  CHECK(error_with(set, "promo_only", 2).starts_with("promo_only must be"));
  CHECK(error_with(set, "description", std::string(4001, 'x')).starts_with("description must be"));
  CHECK(error_with(set, "image_url", "a\nb").starts_with("image_url must be"));
  CHECK(error_with(set, "name", "").starts_with("name must be"));
  for (const auto* what : {"item_open", "item_close"}) {
    const json change{{"do", what}, {"request_id", "o"}, {"item", 7}};
    CHECK(is_operator_command(what));
    CHECK(operator_command_map(what, read_operator_command(change)) == change);
  }
  auto added = kPut;
  added["hold_s"] = 9;
  CHECK(read_operator_command(added).item.sale.hold_s == 9);
  CHECK(operator_command_map("item_put", read_operator_command(added)).at("hold_s") == 9);
}

TEST_CASE("a page of items has bounds, and a beginning when none is named") {
  const json all{{"do", "items"}};
  CHECK(read_operator_command(all).request.item == 0);
  CHECK(read_operator_command(all).request.qty == kItemsPageMax);
  CHECK(error_with(all, "from", "x") == "from must be a whole number from 0 on");
  CHECK(error_with(all, "from", -1).starts_with("from must be"));
  CHECK(error_with(all, "limit", 0) == "limit must be a whole number from 1 to 500");
  CHECK(error_with(all, "limit", 501).starts_with("limit must be"));
  CHECK(error_with(all, "limit", 1e300).starts_with("limit must be"));
}

TEST_CASE("a command that cannot be read names the first member at fault") {
  CHECK(error_with(kPut, "name", nullptr) == "name must be a text");
  CHECK(error_with(kPut, "name", 1) == "name must be a text");
  CHECK(error_with(kPut, "price_cents", "1") ==
        "price_cents must be a whole number from 0 to 1000000000000");
  CHECK(error_with(kPut, "total", nullptr) ==
        "total must be a whole number from 0 to 1000000000000");
  CHECK(error_with(kPut, "total", 1.5).starts_with("total must be"));
  CHECK(error_with(kPut, "total", json::array()).starts_with("total must be"));
  CHECK(error_with(kPut, "max_qty", 0) == "max_qty must be a whole number from 1 to 1000");
  CHECK(error_with(kPut, "item", -1).starts_with("item must be"));
  CHECK(error_with(kPut, "request_id", "").starts_with("request_id must be"));
  CHECK(error_with(kPut, "request_id", "a b") ==
        "request_id must be 1 to 64 letters, digits, - or _");
  CHECK(read_operator_command({{"do", 5}}).field == "do");
  CHECK(error_with(kPut, "item", nullptr).starts_with("item must be"));
}

TEST_CASE("no number comes in as another one") {
  for (const char* member : {"item", "total", "price_cents", "limit_per_user", "max_qty"}) {
    for (const json& value :
         {json(UINT64_MAX), json(UINT64_MAX - 4), json(INT64_MIN), json(-1), json(1e19)}) {
      INFO(member << " = " << value.dump());
      CHECK(error_with(kPut, member, value).starts_with(member));
    }
  }
  CHECK(error_with(kPut, "limit_per_user", (std::int64_t{1} << 32) + 1).starts_with("limit_per"));
  CHECK(error_with(kPut, "max_qty", (std::int64_t{1} << 32) + 1).starts_with("max_qty"));
  for (const json& value : {json(UINT64_MAX - 4), json(INT64_MIN), json(1'000'000'000'001)}) {
    CHECK(error_with(kStock, "delta", value).starts_with("delta must be"));
  }
}

TEST_CASE("no text comes in with a control character, broken or too long") {
  const std::string rule = "name must be 1 to 500 bytes of UTF-8 without control characters";
  for (const char* name : {"", "a\nb", "a\x1b[2J", "a\tb", "\x7f",
                           "a\xc2\x9b"
                           "31m",
                           "a\r"}) {
    CHECK(error_with(kPut, "name", name) == rule);
  }
  CHECK(error_with(kPut, "name", std::string("a\0b", 3)) == rule);
  CHECK(error_with(kPut, "name", std::string(501, 'x')) == rule);
  CHECK(error_with(kPut, "name", std::string(500, 'x')).empty());
}

TEST_CASE("no price comes in of which an order would have no total") {
  CHECK(error_with(kPut, "price_cents", 1'000'000'000'000).empty());
  for (const char* what : {"item_put", "item_set", "promo_add", "promo_set"}) {
    for (const auto price : {std::int64_t{1'000'000'000'001}, INT64_MAX}) {
      auto odd = std::string_view(what).starts_with("item") ? kPut : kPromo;
      odd["do"] = what;
      if (odd["do"] == "item_set") odd.erase("total");
      CHECK(read_operator_command(odd).error.empty());
      CHECK(error_with(odd, "price_cents", price) ==
            "price_cents must be a whole number from 0 to 1000000000000");
    }
  }
}

TEST_CASE("a member that a command does not have is named, whatever it holds") {
  for (const auto& command :
       {kPut, kStock, kPromo, json{{"do", "items"}}, json{{"do", "promos"}}, json{{"do", "books"}},
        json{{"do", "item_open"}, {"request_id", "o"}, {"item", 7}},
        json{{"do", "promo_end"}, {"request_id", "p"}, {"promo", 7}},
        json{{"do", "clock_accept"}, {"request_id", "c"}},
        json{{"do", "sessions_end"}, {"user", "ann"}, {"at_ms", 1}}}) {
    CAPTURE(command.dump());
    CHECK(read_operator_command(command).error.empty());
    for (const auto& value : {json("never"), json(nullptr),
                              json::parse(std::string(100, '[') + std::string(100, ']'))}) {
      CHECK(error_with(command, "sale", value) == "sale is no member of this request");
      CHECK(error_with(command, "bogus", value) == "bogus is no member of this request");
    }
  }
  auto odd = kPut;
  odd[std::string(5000, 'x')] = 1;
  CHECK(read_operator_command(odd).field == std::string(64, 'x'));
  odd["total"] = -1;  // what is wrong of its own comes first
  CHECK(read_operator_command(odd).field == "total");
}

TEST_CASE("what goes on to the backend is what was read, and nothing else") {
  const auto read = read_operator_command(kPut);
  REQUIRE(read.error.empty());
  const json map = operator_command_map("item_put", read);
  CHECK(unpack_control(pack_control(map)) == map);
  CHECK(read_operator_command(map).item.put.terms == read.item.put.terms);
  CHECK(operator_command_map("stock_change", read_operator_command(kStock)) == kStock);
  CHECK(operator_command_map("books", {}) == json{{"do", "books"}});
  CHECK(operator_command_map("items", read_operator_command({{"do", "items"}})) ==
        json{{"do", "items"}, {"from", 0}, {"limit", 500}});
}

TEST_CASE("a promo is read whole, and each member that does not fit is named") {
  const auto read = read_operator_command(kPromo);
  REQUIRE(read.error.empty());
  CHECK(read.promo.action == PromoAction::add);
  CHECK(read.promo.put.promo == 7);
  CHECK(read.promo.put.name == "Half");
  CHECK(read.promo.put.ends_at_ms == 2000);
  CHECK(read.promo.put.limit_per_user == 2);
  CHECK((read.promo.put.ticket == 1 && read.promo.put.gate_factor == 4));
  CHECK(operator_command_map("promo_add", read) == kPromo);
  for (const auto* member :
       {"promo", "item", "price_cents", "starts_at_ms", "ends_at_ms", "name", "request_id"}) {
    auto without = kPromo;
    without.erase(member);
    CHECK(read_operator_command(without).field == member);
    for (const auto& wrong : {json(-1), json(1.5), json("é\n"), json(true), json::array()}) {
      auto odd = kPromo;
      odd[member] = wrong;
      CHECK_MESSAGE(read_operator_command(odd).field == member, wrong.dump());
    }
  }
  auto late = kPromo;
  late["ends_at_ms"] = kTimeMsMax + 1;
  CHECK(read_operator_command(late).field == "ends_at_ms");
  for (const auto* member : {"ticket", "gate_factor"}) {
    for (const auto& wrong : {json(-1), json(1'000'001), json("1"), json(true)}) {
      auto odd = kPromo;
      odd[member] = wrong;
      CHECK_MESSAGE(read_operator_command(odd).field == member, wrong.dump());
    }
  }
  // A promo without one has a gate all the same, so that 0 cannot be said.
  auto gate = kPromo;
  gate["gate_factor"] = 0;
  CHECK(read_operator_command(gate).field == "gate_factor");
  gate.erase("gate_factor");
  const auto usual = read_operator_command(gate);
  CHECK((usual.error.empty() && usual.promo.put.gate_factor == 0));
  CHECK(operator_command_map("promo_add", usual) == gate);
  auto unlimited = kPromo;
  unlimited.erase("limit_per_user");
  CHECK(read_operator_command(unlimited).promo.put.limit_per_user == 0);
}

TEST_CASE("a change of a promo says what it changes, and nothing else goes on") {
  const json set{{"do", "promo_set"}, {"request_id", "p"}, {"promo", 7}, {"ends_at_ms", 3000}};
  const auto read = read_operator_command(set);
  REQUIRE(read.error.empty());
  CHECK(read.promo.action == PromoAction::set);
  CHECK(read.promo.given == 16);
  CHECK(operator_command_map("promo_set", read) == set);
  auto null = set;
  null["name"] = nullptr;
  CHECK(read_operator_command(null).promo.given == 16);
  const json end{{"do", "promo_end"}, {"request_id", "p"}, {"promo", 7}};
  const auto ends = read_operator_command(end);
  CHECK(ends.promo.action == PromoAction::end);
  CHECK(operator_command_map("promo_end", ends) == end);
  CHECK(operator_command_map("promos", read_operator_command({{"do", "promos"}})) ==
        json{{"do", "promos"}, {"from", 0}, {"limit", 500}});
}

TEST_CASE("a time of a promo may be said as one from now on, and stays so") {
  auto add = kPromo;
  add.erase("starts_at_ms");
  add.erase("ends_at_ms");
  add["starts_in_ms"] = -1000;
  add["ends_in_ms"] = kTimeMsMax;
  const auto read = read_operator_command(add);
  REQUIRE(read.error.empty());
  CHECK(read.promo.from_now == (PromoRequest::kStartsFromNow | PromoRequest::kEndsFromNow));
  CHECK(read.promo.put.starts_at_ms == -1000);
  CHECK(operator_command_map("promo_add", read) == add);
  const json set{{"do", "promo_set"}, {"request_id", "p"}, {"promo", 7}, {"ends_in_ms", 300'000}};
  const auto later = read_operator_command(set);
  REQUIRE(later.error.empty());
  CHECK(later.promo.given == 16);
  CHECK(later.promo.from_now == PromoRequest::kEndsFromNow);
  CHECK(operator_command_map("promo_set", later) == set);
  for (const auto& wrong : {json(1.5), json("5m"), json(true), json::array(), json(kTimeMsMax + 1),
                            json(-kTimeMsMax - 1), json(UINT64_MAX)}) {
    auto odd = add;
    odd["starts_in_ms"] = wrong;
    CHECK_MESSAGE(read_operator_command(odd).field == "starts_in_ms", wrong.dump());
  }
  auto twice = add;
  twice["ends_at_ms"] = 5;
  CHECK(read_operator_command(twice).error == "ends_in_ms must be left out beside ends_at_ms");
}

TEST_CASE("the sessions of a user end up to a moment") {
  const json end{{"do", "sessions_end"}, {"user", "ann"}, {"at_ms", 1'700'000'000'000}};
  const auto read = read_operator_command(end);
  REQUIRE(read.error.empty());
  CHECK(is_operator_command("sessions_end"));
  CHECK((read.request.kind == RequestKind::session && read.request.user == "ann" &&
         read.request.valid_until_ms == 1'700'000'000'000 + kBarKnownMs));
  CHECK(operator_command_map("sessions_end", read) == end);
  CHECK_FALSE(error_with(end, "user", "").empty());
  CHECK_FALSE(error_with(end, "user", "a\nb").empty());
  CHECK_FALSE(error_with(end, "at_ms", -1).empty());
  CHECK_FALSE(error_with(end, "at_ms", kTimeMsMax).empty());
  CHECK_FALSE(error_with(end, "at_ms", nullptr).empty());
}

TEST_CASE("the word that the clock is right has an id") {
  const json accept{{"do", "clock_accept"}, {"request_id", "c"}};
  CHECK(is_operator_command("clock_accept"));
  const auto read = read_operator_command(accept);
  CHECK(read.error.empty());
  CHECK(read.accepts_clock);
  CHECK(operator_command_map("clock_accept", read) == accept);
  CHECK(error_with(accept, "request_id", nullptr) == "request_id must be a text");
  CHECK(error_with(accept, "request_id", "a b").starts_with("request_id must be"));
  CHECK_FALSE(read_operator_command({{"do", "books"}}).accepts_clock);
}
