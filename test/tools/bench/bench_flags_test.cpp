// Flags of `bench` that make no sense together, the search for the knee, and HTTP answers.

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "tools/bench/bench.h"
#include "tools/bench/bench_ramp.h"
#include "tools/bench/http_answer.h"

using namespace stampede::tools;

namespace {

std::string wrong(const Bench& bench, const std::set<std::string>& given = {}) {
  return check_bench(bench, [&](const char* flag) { return given.contains(flag); });
}

bool names(const std::string& text, const char* one, const char* other) {
  return text.find(one) != std::string::npos && text.find(other) != std::string::npos;
}

// What the search tries when the system keeps up with at most `limit`.
double search(double first, double limit, int* steps = nullptr) {
  RampSearch ramp(first);
  int count = 0;
  while (const auto rate = ramp.next_rate()) {
    ramp.tell(*rate <= limit);
    ++count;
    REQUIRE(count < 100);
  }
  if (steps != nullptr) *steps = count;
  return ramp.knee();
}

}  // namespace

TEST_CASE("senseless combinations are refused with the flags' names") {
  CHECK(wrong(Bench{}).empty());
  Bench bench;
  bench.window = 10;
  CHECK(names(wrong(bench, {"--window"}), "--window", "--closed"));
  bench.closed = true;
  CHECK(wrong(bench, {"--window"}).empty());
  bench.batch = 64;
  CHECK(names(wrong(bench, {"--window"}), "--batch 64", "--window 10"));
  bench.window = 2 * 64 * 8192;  // over two connections
  CHECK(wrong(bench, {"--window"}).empty());
  bench.batch = 63;
  CHECK(names(wrong(bench, {"--window"}), "--window 1048576", "8322 messages"));
  bench = {};
  bench.ramp = bench.closed = true;
  CHECK(names(wrong(bench), "--ramp", "--closed"));
  bench.closed = false;
  CHECK(names(wrong(bench, {"--requests"}), "--ramp", "--requests"));
  bench = {};
  bench.via = BenchVia::http;
  bench.batch = 2;
  CHECK(names(wrong(bench), "--batch", "--via http"));
  bench.batch = 1;
  bench.first = true;
  CHECK(names(wrong(bench), "--first", "--via http"));
  bench.first = false;
  bench.closed = true;
  bench.window = 100;
  bench.connections = 50;
  CHECK(names(wrong(bench, {"--window"}), "--window 100", "--connections"));
  bench.connections = 100;
  CHECK(wrong(bench, {"--window"}).empty());
  bench.via = BenchVia::miaosha;
  CHECK(names(wrong(bench, {"--duplicates"}), "--duplicates", "--via miaosha"));
  bench = {};
  bench.connections = 65;
  CHECK(names(wrong(bench), "--connections", "--via http"));
}

TEST_CASE("promos and tickets are refused where there are none") {
  Bench bench;
  bench.tickets = true;
  CHECK(names(wrong(bench, {"--requests"}), "--tickets", "--promo"));
  bench.promo = 7;
  CHECK(names(wrong(bench), "--tickets", "--requests"));
  bench.requests = 100;
  CHECK(wrong(bench, {"--requests"}).empty());
  CHECK(names(wrong(bench, {"--requests", "--users"}), "--users", "--tickets"));
  bench.batch = 2;
  CHECK(names(wrong(bench, {"--requests"}), "--tickets", "--batch"));
  bench.batch = 1;
  bench.requests = 4'000'001;
  CHECK(names(wrong(bench, {"--requests"}), "--tickets", "4000000"));
  bench.via = BenchVia::http;
  CHECK(names(wrong(bench, {"--requests"}), "--tickets", "--via http"));
  bench.tickets = false;
  CHECK(wrong(bench).empty());
  bench.items = 2;
  CHECK(names(wrong(bench), "--promo", "--items 2"));
  bench.items = 1;
  bench.via = BenchVia::miaosha;
  CHECK(names(wrong(bench), "--promo", "--via miaosha"));
}

TEST_CASE("the knee is found from below, between two rates and never above") {
  int steps = 0;
  CHECK(search(1000, 999) == 0);
  const double knee = search(1000, 50'000, &steps);
  CHECK(knee <= 50'000);
  CHECK(knee >= 47'000);
  CHECK(steps < 20);
  CHECK(search(1'000'000, 1e12) <= 20'000'000);
}

TEST_CASE("a step keeps up when it answers what was planned, soon") {
  LoadResult load;
  load.offered = load.confirmed = 1000;
  load.seconds = 1;
  for (int i = 0; i < 100; ++i) load.latency.record(1'000'000);
  CHECK(step_of(1000, load).kept_up);
  CHECK_FALSE(step_of(1100, load).kept_up);
  auto refused = load;
  refused.codes["overloaded"] = 1;
  CHECK_FALSE(step_of(1000, refused).kept_up);
  for (int i = 0; i < 10; ++i) load.latency.record(900'000'000);
  CHECK_FALSE(step_of(1000, load).kept_up);
}

TEST_CASE("runs of a ramp add up") {
  LoadResult one, two;
  one.start = std::chrono::steady_clock::time_point{};
  two.start = one.start + std::chrono::seconds(10);
  one.confirmed = one.offered = 5, one.seconds = 1, one.first_order_id = 7, one.last_order_id = 9;
  two.confirmed = two.offered = 6, two.seconds = 2, two.first_order_id = 10, two.last_order_id = 20;
  one.add(two);
  CHECK(one.offered == 11);
  CHECK(one.seconds == doctest::Approx(12));
  CHECK((one.first_order_id == 7 && one.last_order_id == 20));
}

TEST_CASE("an HTTP answer is read when it is whole, and not before") {
  const std::string text =
      "HTTP/1.1 201 Created\r\nServer: x\r\ncontent-length: 48\r\n\r\n"
      R"({"id":"a","state":"confirmed","order_id":"1099"})";
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto part = read_http_answer(std::string_view(text).substr(0, size));
    CHECK(part.size == 0);
    CHECK_FALSE(part.broken);
  }
  const std::string bytes = text + "HTTP/1.1 200";  // the answer's body points into it
  const auto answer = read_http_answer(bytes);
  CHECK(answer.size == text.size());
  CHECK(answer.status == 201);
  CHECK(answer.keep);
  const auto scanned = scan_http_answer(answer);
  CHECK(scanned.kind == ScannedAnswer::Kind::confirmed);
  CHECK(scanned.id == "a");
  CHECK(scanned.order_id == 1099);
}

TEST_CASE("what is no HTTP, or has no length, is broken") {
  CHECK(read_http_answer("SSH-2.0-x\r\nContent-Length: 0\r\n\r\n").broken);
  CHECK(read_http_answer("HTTP/1.1 200 OK\r\n\r\n").broken);
  CHECK(read_http_answer("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n").broken);
  CHECK(read_http_answer(std::string(20'000, 'x')).broken);
  CHECK_FALSE(
      read_http_answer("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").keep);
}

TEST_CASE("every body of an answer to an order is understood") {
  using Kind = ScannedAnswer::Kind;
  const auto scan = [](int status, std::string_view body) {
    HttpAnswerText answer;
    answer.status = status;
    answer.body = body;
    return scan_http_answer(answer);
  };
  const auto rejected = scan(409, R"({"title":"sold \"out\"","code":"sold_out","id":"a","state":)"
                                  R"("rejected","reason":"sold_out","item":1})");
  CHECK(rejected.kind == Kind::rejected);
  CHECK(rejected.reason == "sold_out");
  const auto for_now = scan(409, R"({"code":"sold_out","id":"a","retry":true})");
  CHECK((for_now.kind == Kind::rejected && for_now.reason == kForNowReason));
  const auto edge = scan(409, R"({"code":"sold_out","id":"a","edge":true,"retry":true})");
  CHECK((edge.kind == Kind::rejected && edge.reason == kEdgeReason));
  CHECK(scan(409, R"({"code":"ended","id":"a","retry":true})").kind == Kind::error);
  CHECK(scan(202, R"({"id":"a","state":"queued"})").kind == Kind::queued);
  const auto refused = scan(503, R"({"status":503,"code":"overloaded","retry_after_ms":100})");
  CHECK(refused.kind == Kind::error);
  CHECK(refused.code == "overloaded");
  CHECK(refused.retry);
  CHECK(refused.retry_after_ms == 100);
  CHECK_FALSE(scan(404, R"({"code":"unknown_item"})").retry);
  CHECK(scan(200, R"({"id":"x","itemId":1,"userId":"x"})").kind == Kind::accepted);
  CHECK(scan(200, "").kind == Kind::queued);
  CHECK(scan(200, R"({"requestId":"x","success":true,"errorMessage":null})").kind ==
        Kind::confirmed);
  CHECK(scan(200, R"({"requestId":"x","success":false,"errorMessage":"sold_out"})").kind ==
        Kind::rejected);
  CHECK(scan(200, "{}").kind == Kind::unreadable);
  CHECK(scan(200, R"({"id)").kind == Kind::unreadable);
  CHECK(scan(200, R"({"id":"abc\)").kind == Kind::unreadable);
}
