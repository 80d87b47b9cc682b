#include "tools/bench/bench_plan.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "actors/protocol/sf1.h"
#include "tools/bench/bench_scan.h"
#include "tools/bench/decimal_digits.h"

using namespace stampede;
using tools::BenchContent;
using tools::BenchPlan;
using tools::scan_answer;
using tools::ScannedAnswer;

namespace {

BenchContent content() {
  return {42, "run-1", 10, 1000, 20};
}

}  // namespace

TEST_CASE("a planned order is a valid SF1 message with its id, item and user") {
  BenchPlan plan(content());
  actors::Sf1Decoder decoder;
  for (const std::uint64_t n : {0ULL, 1ULL, 999ULL, 1'000'000ULL, 3'999'999'999ULL}) {
    REQUIRE(decoder.decode(plan.frame(n)));
    const auto& request = decoder.request();
    CHECK(request.op == actors::ClientOp::order);
    CHECK(request.id == plan.id(n));
    CHECK(actors::valid_request_id(request.id));
    CHECK(request.item == plan.item(n));
    CHECK(request.qty == 1);
    CHECK(plan.index_of(request.id) == n);
  }
}

TEST_CASE("a batch holds the same orders as single frames do") {
  BenchPlan plan(content());
  actors::Sf1Decoder batch, single;
  for (const auto& orders : {std::vector<std::uint32_t>{7}, {0, 1, 2, 99'999'999, 4'000'000'000}}) {
    const std::string frame(plan.frame(orders));
    REQUIRE(batch.open_batch(frame));
    REQUIRE(batch.unread() == orders.size());
    for (const auto order : orders) {
      REQUIRE(batch.next_entry() == actors::Sf1Decoder::Entry::order);
      REQUIRE(single.decode(plan.frame(order)));
      CHECK(batch.request().id == single.request().id);
      CHECK(batch.request().user == single.request().user);
      CHECK(batch.request().item == single.request().item);
    }
  }
  const std::vector<std::uint32_t> many(tools::kBatchMax, 5);
  CHECK(batch.open_batch(plan.frame(many)));
}

TEST_CASE("an order says at its first try, and then no more, that it is one") {
  auto said = content();
  said.first = true;
  BenchPlan plan(said);
  actors::Sf1Decoder decoder;
  const auto first = [&](std::uint64_t n) {
    REQUIRE(decoder.decode(plan.frame(n)));
    return decoder.request().first;
  };
  CHECK(first(0));
  CHECK_FALSE(first(0));
  const std::vector<std::uint32_t> orders{1, 2, 0, 3, 2};
  REQUIRE(decoder.open_batch(plan.frame(orders)));
  std::string firsts;
  while (decoder.unread() > 0) {
    REQUIRE(decoder.next_entry() == actors::Sf1Decoder::Entry::order);
    firsts += decoder.request().first ? '1' : '0';
  }
  CHECK(firsts == "11010");
  CHECK_FALSE(first(3));
  CHECK(first(4));
}

TEST_CASE("tickets are asked for, each for a user of its own, and then ordered with") {
  auto with = content();
  with.items = 1;
  with.promo = (1ULL << 40) + 7;
  with.tickets = true;
  with.token = std::string(300, 's');
  BenchPlan plan(with);
  actors::Sf1Decoder decoder(nullptr, true);
  std::set<std::string> users;
  const auto text_of = [](std::uint64_t n) { return "t1.text-" + std::to_string(1000 + n); };
  for (std::uint64_t n = 0; n < 100; ++n) {
    REQUIRE(decoder.decode(plan.frame(n)));
    CHECK(decoder.request().op == actors::ClientOp::ticket);
    CHECK(decoder.request().id == plan.id(n));
    CHECK(decoder.request().promo == with.promo);
    CHECK(decoder.token() == with.token);
    users.insert(std::string(decoder.request().user));
    CHECK_FALSE(plan.order_with_tickets(n + 1));
    CHECK(plan.keep_ticket(n, text_of(n)));
    CHECK(plan.keep_ticket(n, text_of(n)));
  }
  CHECK(users.size() == 100);
  CHECK_FALSE(plan.keep_ticket(100, "t1.longer-than-the-others"));
  CHECK_FALSE(plan.keep_ticket(100, ""));
  CHECK_FALSE(plan.order_with_tickets(101));
  REQUIRE(plan.order_with_tickets(100));
  for (const std::uint64_t n : {99ULL, 0ULL, 57ULL}) {
    REQUIRE(decoder.decode(plan.frame(n)));
    CHECK(decoder.request().op == actors::ClientOp::order);
    CHECK(decoder.request().id == plan.id(n));
    CHECK(decoder.request().item == 1);
    CHECK(decoder.request().promo == with.promo);
    CHECK(decoder.request().ticket == text_of(n));
    CHECK(decoder.token() == with.token);
    CHECK(users.contains(std::string(decoder.request().user)));
  }
}

TEST_CASE("a ticket that comes for a later order leaves a gap that is seen") {
  tools::TicketTexts texts;
  CHECK_FALSE(texts.has(0));
  CHECK(texts.keep(2, "abc"));
  CHECK_FALSE(texts.has(0));
  CHECK_FALSE(texts.has(3));
  CHECK(texts.of(2) == "abc");
  CHECK(texts.keep(0, "xyz"));
  CHECK((texts.has(0) && !texts.has(1) && texts.has(2)));
}

TEST_CASE("an order may name a promo") {
  auto said = content();
  said.items = 1;
  said.promo = 7;
  BenchPlan plan(said);
  actors::Sf1Decoder decoder;
  REQUIRE(decoder.decode(plan.frame(3)));
  CHECK(decoder.request().promo == 7);
  CHECK(nlohmann::json::parse(plan.json(3)).at("promo") == 7);
}

TEST_CASE("the HTTP body holds the same order") {
  BenchContent many = content();
  many.items = 1'000'000;
  BenchPlan plan(many);
  for (const std::uint64_t n : {0ULL, 1ULL, 12'345ULL, 3'999'999'999ULL}) {
    const auto body = nlohmann::json::parse(plan.json(n));
    CHECK(body.at("id") == plan.id(n));
    CHECK(body.at("item") == plan.item(n));
    const auto digits = std::to_string(plan.user(n));
    CHECK(body.at("user") == "u" + std::string(9 - digits.size(), '0') + digits);
  }
}

TEST_CASE("digits are written and read back, and nothing else is taken for a number") {
  char text[8];
  std::uint32_t value = 0;
  for (const std::uint32_t number : {0U, 1U, 9U, 10U, 12'345'678U, 99'999'999U, 10'000'000U}) {
    tools::write_digit_pairs<4>(text, number);
    REQUIRE(tools::read_8_digits(text, value));
    CHECK(value == number);
  }
  for (int byte = 0; byte < 256; ++byte) {
    if (byte >= '0' && byte <= '9') continue;
    for (int at = 0; at < 8; ++at) {
      std::string bad = "12345678";
      bad[static_cast<std::size_t>(at)] = static_cast<char>(byte);
      CAPTURE(bad);
      CHECK_FALSE(tools::read_8_digits(bad.data(), value));
    }
  }
  std::uint64_t whole = 0;
  CHECK(tools::read_digits("9223372036854775807", 19, whole));
  CHECK(whole == INT64_MAX);
  CHECK_FALSE(tools::read_digits("123x", 4, whole));
  CHECK_FALSE(tools::read_digits("", 0, whole));
}

TEST_CASE("the longest ids are still request ids") {
  BenchContent longest = content();
  longest.seed = ~std::uint64_t{0};
  longest.run = std::string(tools::kRunBytesMax, 'r');
  BenchPlan plan(longest);
  CHECK(actors::valid_request_id(plan.id(3'999'999'999)));
  actors::Sf1Decoder decoder;
  CHECK(decoder.decode(plan.frame(3'999'999'999)));
}

TEST_CASE("the same seed plans the same, another seed something else") {
  BenchPlan one(content());
  BenchPlan two(content());
  BenchContent other = content();
  other.seed = 43;
  BenchPlan three(other);
  int same = 0;
  for (std::uint64_t n = 0; n < 100; ++n) {
    CHECK(std::string(one.frame(n)) == std::string(two.frame(n)));
    CHECK(one.repeat_after(n) == two.repeat_after(n));
    same += one.user(n) == three.user(n) ? 1 : 0;
  }
  CHECK(same < 5);
}

TEST_CASE("items and users stay in range and all items come") {
  BenchPlan plan(content());
  std::set<std::uint32_t> items;
  for (std::uint64_t n = 0; n < 1000; ++n) {
    items.insert(plan.item(n));
    CHECK(plan.user(n) < 1000);
  }
  CHECK(items.size() == 10);
  CHECK(*items.begin() == 1);
  CHECK(*items.rbegin() == 10);
}

TEST_CASE("about the wanted share of orders is followed by an earlier one") {
  BenchPlan plan(content());
  int repeats = 0;
  for (std::uint64_t n = 0; n < 10'000; ++n) {
    const auto earlier = plan.repeat_after(n);
    if (!earlier) continue;
    ++repeats;
    CHECK(*earlier <= n);
  }
  CHECK(repeats > 1800);
  CHECK(repeats < 2200);
  BenchContent never = content();
  never.duplicates = 0;
  CHECK_FALSE(BenchPlan(never).repeat_after(5).has_value());
  BenchContent always = content();
  always.duplicates = 100;
  CHECK(BenchPlan(always).repeat_after(5).has_value());
}

TEST_CASE("ids of other runs lead nowhere") {
  BenchPlan plan(content());
  for (const char* id : {"", "b42-run-1-", "b42-run-2-0000000001", "b42-run-1-00000000x1",
                         "b42-run-1-00000000001", "b42-run-1-000000001"}) {
    CAPTURE(id);
    CHECK_FALSE(plan.index_of(id).has_value());
  }
}

TEST_CASE("the server's answers are read") {
  std::string frame;
  actors::Answer answer;
  answer.state = actors::State::confirmed;
  answer.lsn = storage::make_lsn(3, 77);
  answer.item = 5;
  answer.qty = 2;
  answer.left = 1'000'000;
  answer.replayed = true;
  actors::append_sf1_answer(frame, "abc", answer);
  auto scanned = scan_answer(frame);
  CHECK(scanned.kind == ScannedAnswer::Kind::confirmed);
  CHECK(scanned.id == "abc");
  CHECK(scanned.order_id == storage::make_lsn(3, 77));

  frame.clear();
  answer.state = actors::State::rejected;
  answer.reason = storage::RejectReason::sold_out;
  actors::append_sf1_answer(frame, "abc", answer);
  scanned = scan_answer(frame);
  CHECK(scanned.kind == ScannedAnswer::Kind::rejected);
  CHECK(scanned.reason == "sold_out");

  frame.clear();
  actors::append_sf1_edge(frame, "abc");
  scanned = scan_answer(frame);
  CHECK((scanned.kind == ScannedAnswer::Kind::rejected && scanned.id == "abc"));
  CHECK(scanned.reason == tools::kEdgeReason);

  frame.clear();
  actors::append_sf1_error(frame, "abc", actors::Code::sold_out_for_now, {});
  scanned = scan_answer(frame);
  CHECK((scanned.kind == ScannedAnswer::Kind::rejected && scanned.id == "abc"));
  CHECK(scanned.reason == tools::kForNowReason);

  frame.clear();
  actors::append_sf1_queued(frame, "abc");
  CHECK(scan_answer(frame).kind == ScannedAnswer::Kind::queued);

  frame.clear();
  actors::append_sf1_error(frame, "abc", actors::Code::overloaded, {});
  scanned = scan_answer(frame);
  CHECK(scanned.kind == ScannedAnswer::Kind::error);
  CHECK(scanned.code == "overloaded");
  CHECK(scanned.retry);
  CHECK(scanned.retry_after_ms == actors::info(actors::Code::overloaded).retry_after_ms);
}

TEST_CASE("a ticket is read, and one of another run's order is an error") {
  actors::Granted granted;
  granted.id = "abc";
  std::string frame;
  actors::append_sf1_granted(frame, "abc", granted, "t1.x.y");
  auto scanned = scan_answer(frame);
  CHECK(scanned.kind == ScannedAnswer::Kind::ticket);
  CHECK((scanned.id == "abc" && scanned.ticket == "t1.x.y"));
  granted.id = "older";
  frame.clear();
  actors::append_sf1_granted(frame, "abc", granted, "t1.x.y");
  scanned = scan_answer(frame);
  CHECK(scanned.kind == ScannedAnswer::Kind::error);
  CHECK((scanned.id == "abc" && scanned.code == tools::kOlderTicketCode && !scanned.retry));
}

TEST_CASE("an order that is to be paid is read like any other") {
  actors::Answer answer;
  answer.state = actors::State::confirmed;
  answer.lsn = storage::make_lsn(3, 77);
  answer.item = 5;
  answer.qty = 2;
  std::string frame;
  actors::append_sf1_answer(frame, "abc", answer);
  REQUIRE(frame[0] == static_cast<char>(0x86));
  frame[0] = static_cast<char>(0x8a);
  frame += std::string(
               "\xa5promo\x07\xb0unit_price_cents\x05\xaa"
               "fulfilment\xa6unpaid\xa6pay_by\xcf",
               51) +
           std::string(8, '\1');
  auto scanned = scan_answer(frame);
  CHECK(scanned.kind == ScannedAnswer::Kind::confirmed);
  CHECK(scanned.order_id == storage::make_lsn(3, 77));
  frame.pop_back();
  CHECK(scan_answer(frame).kind == ScannedAnswer::Kind::unreadable);
}

namespace {

class Collected : public tools::AnswerSink {
 public:
  void take(const ScannedAnswer& answer) override { all.push_back(answer); }
  std::vector<ScannedAnswer> all;
};

}  // namespace

TEST_CASE("every answer of an array is read, in any order of keys") {
  std::string frame;
  actors::append_sf1_array(frame, 3);
  actors::Answer answer;
  answer.state = actors::State::rejected;
  answer.reason = storage::RejectReason::limit_reached;
  answer.item = 1ULL << 40;
  answer.qty = 1000;
  actors::append_sf1_answer(frame, "a", answer);
  actors::append_sf1_error(frame, "b", actors::Code::overloaded, {});
  // A confirmed answer as another server might write it.
  frame += std::string(
      "\x84\xa8order_id\xad"
      "1099511627777\xa5state\xa9"
      "confirmed\xa1x\xc0\xa2id\xa1"
      "c",
      48);
  Collected seen;
  CHECK(scan_answers(frame, seen));
  REQUIRE(seen.all.size() == 3);
  CHECK(seen.all[0].kind == ScannedAnswer::Kind::rejected);
  CHECK(seen.all[0].reason == "limit_reached");
  CHECK(seen.all[1].code == "overloaded");
  CHECK(seen.all[2].kind == ScannedAnswer::Kind::confirmed);
  CHECK(seen.all[2].id == "c");
  CHECK(seen.all[2].order_id == 1'099'511'627'777ULL);
  for (std::size_t size = 1; size < frame.size(); ++size) {
    Collected part;
    CHECK_FALSE(scan_answers(std::string_view(frame).substr(0, size), part));
    CHECK(part.all.size() < 3);
  }
}

TEST_CASE("no beginning of an answer is taken for an answer") {
  std::string frame;
  actors::append_sf1_error(frame, "abc", actors::Code::bad_request, "qty");
  for (std::size_t size = 0; size < frame.size(); ++size) {
    CAPTURE(size);
    CHECK(scan_answer(std::string_view(frame).substr(0, size)).kind ==
          ScannedAnswer::Kind::unreadable);
  }
  CHECK(scan_answer(frame).kind == ScannedAnswer::Kind::error);
  CHECK(scan_answer("\x93\x01\x02\x03").kind == ScannedAnswer::Kind::unreadable);
  CHECK(scan_answer("\xdf\xff\xff\xff\xff").kind == ScannedAnswer::Kind::unreadable);
  CHECK(scan_answer(std::string_view("\x81\xa5state\xdd\xff\xff\xff\xff", 12)).kind ==
        ScannedAnswer::Kind::unreadable);
  CHECK(scan_answer(std::string(1000, '\x91')).kind == ScannedAnswer::Kind::unreadable);
}

TEST_CASE("keys that are not known are passed over") {
  const std::string frame(
      "\x84\xa1x\x93\x01\xc0\xa1y\xa1q\xcb\x01\x02\x03\x04\x05\x06\x07\x08\xa5state\xa6queued\xa2id"
      "\xa1z",
      37);
  const auto scanned = scan_answer(frame);
  CHECK(scanned.kind == ScannedAnswer::Kind::queued);
  CHECK(scanned.id == "z");
}
