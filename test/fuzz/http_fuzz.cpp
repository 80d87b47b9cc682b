// A browser's bytes through a real HttpConnection on a socket pair, then through the readers of
// JSON bodies, forms and queries. First two bytes: where the stream is cut. Checked: how the bytes
// are cut into packets changes neither the requests that were understood nor the answers (request
// smuggling lives from the opposite); a request is served only within its limits; every answer is
// HTTP; a connection ends with its peer; an order body written anew reads the same.

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <vector>

#include "actors/http/http_connection.h"
#include "actors/webapp/http/http_form.h"
#include "actors/webapp/http/http_json.h"
#include "actors/webapp/http/order_body.h"
#include "test/fuzz/fuzz.h"

namespace {

using namespace stampede::actors;
namespace asio = boost::asio;

constexpr std::size_t kBytesMax = 8000;  // below the limits at which buffering would show

void check_array(const HttpRequest& request) {
  OrdersBody body;
  if (const auto fault = parse_orders_body(request.body, body)) {
    FUZZ_CHECK(!fault->text.empty());
    return;
  }
  FUZZ_CHECK(is_array(request.body) && body.orders.size() + body.faults.size() > 0);
  Json again = Json::array();
  for (const auto& order : body.orders) {
    FUZZ_CHECK(valid_user(order.user) && (order.id.empty() || valid_request_id(order.id)));
    again.push_back({{"user", order.user}, {"item", order.item}, {"qty", order.qty}});
    if (!order.id.empty()) again.back()["id"] = order.id;
  }
  const auto places = body.orders.size() + body.faults.size();
  for (const auto& fault : body.faults)
    FUZZ_CHECK(fault.index < places && !fault.text.empty() && fault.field.size() <= 64);
  OrdersBody read;
  if (again.empty()) return;
  FUZZ_CHECK(!parse_orders_body(to_text(again), read) && read.faults.empty());
  FUZZ_CHECK(read.orders.size() == body.orders.size());
}

void check_body(const HttpRequest& request) {
  check_array(request);
  HttpOrder order;
  if (const auto fault = parse_order_body(request.body, order)) {
    FUZZ_CHECK(!fault->text.empty());
  } else {
    Json again = {{"item", order.item}, {"qty", order.qty}, {"user", order.user}};
    if (!order.id.empty()) again["id"] = order.id;
    HttpOrder read;
    FUZZ_CHECK(!parse_order_body(to_text(again), read));
    FUZZ_CHECK(read.id == order.id && read.user == order.user && read.item == order.item);
    FUZZ_CHECK(read.qty == order.qty && valid_user(order.user));
  }
  const auto form = parse_form(request.header("Content-Type"), request.body);
  std::size_t bytes = 0;
  for (const auto& pair : form.pairs) bytes += pair.name.size() + pair.value.size();
  FUZZ_CHECK(bytes <= request.body.size() && (form.fault == FormFault::none || bytes == 0));
  for (const auto& pair : request.query)
    if (const auto number = parse_number(pair.value)) FUZZ_CHECK(*number <= kItemIdMax);
  const auto members = list_members(request.head, "prefer");
  for (const auto member : members)
    if (const auto parsed = parse_parameters(member)) FUZZ_CHECK(!parsed->front().name.empty());
}

// One for all inputs: making one costs more than most inputs.
const std::shared_ptr<asio::io_context>& loop() {
  static const auto io = std::make_shared<asio::io_context>(1);
  return io;
}

class Host final : public HttpHost {
 public:
  void serve(HttpRequest&& request, HttpRespond&& respond) override {
    FUZZ_CHECK(!request.method.empty() && request.method != "HEAD");
    FUZZ_CHECK(request.target.starts_with('/') || request.target == "*");
    FUZZ_CHECK(request.body.size() <= limits_.body_bytes_max);
    check_body(request);
    std::string text = request.method + ' ' + request.target;
    for (const auto& pair : request.query) text += '&' + pair.name + '=' + pair.value;
    seen.push_back(text + '\n' + request.head + '\n' + request.body);
    HttpReply reply;
    reply.body = "{}";
    respond(std::move(reply));
  }
  void closed(HttpConnection&) override { ++ended; }
  void answer_waits(HttpConnection&) override {}
  void answer_left(HttpConnection&) override {}
  void large_body_waits(HttpConnection&) override {}
  void large_body_left(HttpConnection&) override {}
  void streams(HttpConnection&) override {}
  void stream_cut() override {}
  void goes_on(std::shared_ptr<HttpConnection> connection) override {
    asio::post(*loop(), [connection = std::move(connection)] { connection->proceed(); });
  }
  bool urgent(std::string_view) const override { return false; }
  std::span<char> scratch() override { return scratch_; }
  const HttpLimits& limits() const override { return limits_; }
  const HttpSite& site() const override { return site_; }
  const std::shared_ptr<HttpReplyDesk>& desk() const override { return desk_; }

  std::vector<std::string> seen;
  int ended = 0;

 private:
  HttpLimits limits_;
  HttpSite site_{{"x"}, {"http://x"}};
  std::array<char, 4096> scratch_{};
  std::shared_ptr<HttpReplyDesk> desk_ = [] {
    auto desk = std::make_shared<HttpReplyDesk>(loop());
    desk->set_home();
    return desk;
  }();
};

struct Outcome {
  std::vector<std::string> requests;
  std::string answers;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

void run() {
  loop()->restart();
  loop()->poll();
}

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // the connection was ended
    bytes.remove_prefix(static_cast<std::size_t>(sent));
    run();
  }
}

// The next second may come between two runs.
std::string without_dates(std::string answers) {
  static constexpr std::string_view kDate = "\r\nDate: ";
  for (auto at = answers.find(kDate); at != std::string::npos; at = answers.find(kDate, at))
    answers.erase(at, answers.find("\r\n", at + 2) - at);
  return answers;
}

Outcome outcome_of(std::string_view bytes, const std::set<std::size_t>& cuts) {
  Host host;
  int ends[2];
  FUZZ_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  std::make_shared<HttpConnection>(host,
                                   asio::ip::tcp::socket(*loop(), asio::ip::tcp::v4(), ends[0]),
                                   stampede::config::IpAddress{}, 1)
      ->start();
  std::size_t from = 0;
  for (const auto cut : cuts) {
    send_all(ends[1], bytes.substr(from, cut - from));
    from = cut;
  }
  send_all(ends[1], bytes.substr(from));
  ::shutdown(ends[1], SHUT_WR);
  run();
  Outcome outcome;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(ends[1], buffer, sizeof buffer)) > 0;)
    outcome.answers.append(buffer, static_cast<std::size_t>(got));
  ::close(ends[1]);
  run();
  FUZZ_CHECK(host.ended == 1);
  outcome.answers = without_dates(std::move(outcome.answers));
  outcome.requests = std::move(host.seen);
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  stampede::test::Input input(data, size);
  const std::size_t cut = input.word();
  const auto bytes = input.take(kBytesMax);
  const Outcome whole = outcome_of(bytes, {});
  FUZZ_CHECK(whole.answers.empty() || whole.answers.starts_with("HTTP/1.1 "));
  const auto at = bytes.empty() ? 0 : cut % bytes.size();
  FUZZ_CHECK(outcome_of(bytes, {at}) == whole);
  if (bytes.size() <= 100) {
    std::set<std::size_t> every;
    for (std::size_t i = 1; i < bytes.size(); ++i) every.insert(i);
    FUZZ_CHECK(outcome_of(bytes, every) == whole);
  }
  return 0;
}
