#include "tools/bench_plan.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "actors/sf1.h"
#include "tools/bench_scan.h"

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
