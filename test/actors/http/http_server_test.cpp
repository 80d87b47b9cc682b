// The HTTP server against raw sockets: what it takes, what it refuses, and how it bounds strangers.

#include "actors/http/http_server.h"

#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <new>
#include <thread>

#include "test/actors/http/http_client.h"
#include "test/support/eventually.h"
#include "transport/zmq/sockets.h"

using namespace stampede::actors;
using std::chrono::milliseconds;

namespace {

// Answers "<method> <target>?<query> <body>"; /later is answered from another thread.
class EchoServer {
 public:
  explicit EchoServer(HttpLimits limits = {}) {
    HttpServerOptions options;
    options.limits = limits;
    options.handler = [this](HttpRequest request, HttpRespond respond) {
      ++requests;
      HttpReply reply;
      reply.body = request.method + " " + request.target + "?";
      for (const auto& pair : request.query) reply.body += pair.name + "=" + pair.value;
      reply.body += " " + std::string(request.header("x-test")) + request.body;
      if (request.target == "/never") return keep(std::move(respond));
      if (request.target == "/large") reply.body = *shared_;
      if (request.target == "/shared") reply.shared_body = shared_;
      if (request.target != "/later") return respond(std::move(reply));
      threads_.emplace_back([respond, reply] { respond(reply), respond(reply); });
    };
    options.end_of_round = [this] { ++rounds; };
    options.urgent = [](std::string_view target) { return target == "/urgent"; };
    options.on_listening = [this](int bound) { port = bound; };
    actor_ = system_.spawn<HttpServer, caf::detached>(std::move(options));
  }
  ~EchoServer() {
    for (auto& thread : threads_) thread.join();
    caf::anon_send_exit(actor_, caf::exit_reason::user_shutdown);
    actor_ = nullptr;
    system_.await_all_actors_done();
  }
  HttpRespond kept() {
    const std::lock_guard lock(mutex_);
    return kept_;
  }

  static constexpr std::size_t kLarge = 1 << 20;
  int port = 0;
  std::atomic<int> requests{0};
  std::atomic<int> rounds{0};

 private:
  void keep(HttpRespond respond) {
    const std::lock_guard lock(mutex_);
    kept_ = std::move(respond);
  }
  const std::shared_ptr<const std::string> shared_ =
      std::make_shared<const std::string>(kLarge, 'x');
  std::mutex mutex_;
  HttpRespond kept_;
  std::vector<std::thread> threads_;
  caf::actor_system_config config_;
  caf::actor_system system_{config_};
  caf::actor actor_;
};

std::string get(std::string_view target, std::string_view headers = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers) +
         "\r\n";
}

std::string post(std::string_view body) {
  return "POST /p HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

HttpLimits one_connection() {
  HttpLimits limits;
  limits.connections_max = 1;
  return limits;
}

// Its answer is worked on, until somebody calls server.kept().
void be_served(RawHttp& client, EchoServer& server) {
  client.send(get("/never"));
  while (!server.kept()) std::this_thread::yield();
}

struct Bad {
  const char* what;
  std::string request;
  int status;
};

}  // namespace

TEST_CASE("requests are taken one after the other on one connection") {
  EchoServer server;
  RawHttp client(server.port);
  CHECK(client.ask(get("/a?b=c", "X-Test:  hey \r\n")).body == "GET /a?b=c hey");
  CHECK(client.ask(post("body")).body == "POST /p? body");
  CHECK(client.ask(get("/later")).body == "GET /later? ");
  CHECK(server.rounds >= 1);
}

TEST_CASE("pipelined requests are answered in order") {
  EchoServer server;
  RawHttp client(server.port);
  std::string all;
  for (int i = 0; i < 100; ++i) all += get(i % 3 == 0 ? "/later" : "/" + std::to_string(i));
  client.send(all + post("end"));
  for (int i = 0; i < 100; ++i) {
    const auto seen = client.read();
    REQUIRE(seen.status == 200);
    if (i % 3 != 0) CHECK(seen.body == "GET /" + std::to_string(i) + "? ");
  }
  CHECK(client.read().body == "POST /p? end");
}

TEST_CASE("HEAD is answered without the body, which would be taken for the next answer") {
  EchoServer server;
  RawHttp client(server.port);
  client.send("HEAD /a HTTP/1.1\r\nHost: localhost\r\n\r\n" + get("/b", "Connection: close\r\n"));
  const std::string all = client.rest();
  CHECK(all.find("Content-Length: 8\r\n\r\nHTTP/1.1 200 OK\r\n") != std::string::npos);
  CHECK(all.ends_with("\r\n\r\nGET /b? "));
}

TEST_CASE("a request may arrive byte by byte and in chunks") {
  EchoServer server;
  RawHttp client(server.port);
  for (const char c : post("drip")) client.send(std::string_view(&c, 1));
  CHECK(client.read().body == "POST /p? drip");
  client.send(
      "POST /c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  client.send("2\r\nde\r\n0\r\n\r\n");
  CHECK(client.read().body == "POST /c? abcde");
}

TEST_CASE("Connection: close and HTTP/1.0 end the connection after the answer") {
  EchoServer server;
  RawHttp polite(server.port);
  const auto seen = polite.ask(get("/a", "Connection: close\r\n"));
  CHECK(seen.status == 200);
  CHECK(seen.head.find("Connection: close\r\n") != std::string::npos);
  CHECK(polite.closed());
  RawHttp old(server.port);
  CHECK(old.ask("GET /old HTTP/1.0\r\n\r\n").body == "GET /old? ");
  CHECK(old.closed());
  RawHttp kept(server.port);
  const auto first = kept.ask("GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  CHECK(first.head.find("Connection: keep-alive\r\n") != std::string::npos);
  CHECK(kept.ask(get("/again")).status == 200);
}

TEST_CASE("malformed requests are refused with a problem and the connection ends") {
  const std::string host = "Host: localhost\r\n";
  const std::string line = "POST /p HTTP/1.1\r\n" + host;
  const std::string length = "Content-Length: 1\r\n";
  const std::vector<Bad> all{
      {"garbage", "\x16\x03\x01\x02\r\n\r\n", 400},
      {"no version", "GET /\r\n" + host + "\r\n", 400},
      {"wrong version", "GET / HTTP/7.1\r\n" + host + "\r\n", 505},
      {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two hosts", "GET / HTTP/1.1\r\n" + host + host + "\r\n", 400},
      {"target no path", "GET x HTTP/1.1\r\n" + host + "\r\n", 400},
      {"CL with TE", line + length + "Transfer-Encoding: chunked\r\n\r\n1", 400},
      {"two CL", line + length + length + "\r\n1", 400},
      {"two CL that differ", line + length + "Content-Length: 2\r\n\r\n12", 400},
      {"CL list", line + "Content-Length: 1, 1\r\n\r\n1", 400},
      {"CL no number", line + "Content-Length: one\r\n\r\n1", 400},
      {"CL negative", line + "Content-Length: -1\r\n\r\n1", 400},
      {"CL with plus", line + "Content-Length: +1\r\n\r\n1", 400},
      {"CL overflows", line + "Content-Length: 99999999999999999999999\r\n\r\n1", 400},
      {"two TE", line + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"TE gzip", line + "Transfer-Encoding: gzip\r\n\r\n", 400},
      {"TE identity", line + "Transfer-Encoding: identity\r\n\r\n", 400},
      {"TE that ends in chunked", line + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
      {"TE gzip, chunked", line + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
      {"TE chunked twice", line + "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},
      {"TE chunked with a parameter", line + "Transfer-Encoding: chunked;a=b\r\n\r\n", 400},
      {"TE in quotes", line + "Transfer-Encoding: \"chunked\"\r\n\r\n", 400},
      {"TE empty", line + "Transfer-Encoding:\r\n\r\n", 400},
      {"TE with a control character",
       line + "Transfer-Encoding: \x0b"
              "chunked\r\n\r\n",
       400},
      {"TE of HTTP/1.0", "POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"TE of GET", "GET /p HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n", 400},
      {"CL empty", line + "Content-Length:\r\n\r\n", 400},
      {"folded header", line + "X-A: b\r\n c\r\n" + length + "\r\n1", 400},
      {"first line folded", "GET / HTTP/1.1\r\n Host: localhost\r\n\r\n", 400},
      {"bare LF", "GET / HTTP/1.1\nHost: localhost\r\n\r\n", 400},
      {"bare CR", "GET / HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n", 400},
      {"NUL", line + std::string("X-A: b\0c\r\n\r\n", 12), 400},
      {"blank before colon", line + "X-A : b\r\n\r\n", 400},
      {"no colon", line + "XA\r\n\r\n", 400},
      {"empty name", line + ": b\r\n\r\n", 400},
      {"chunk size no number", line + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"body too large", line + "Content-Length: 4097\r\n\r\n", 413},
      {"chunks too large",
       line + "Transfer-Encoding: chunked\r\n\r\n1001\r\n" + std::string(4097, 'x') + "\r\n", 413},
      {"request line too long", "GET /" + std::string(2100, 'a') + " HTTP/1.1\r\n", 414},
      {"request line without end", "GET /" + std::string(3000, 'a'), 414},
      {"headers too long",
       "GET / HTTP/1.1\r\n" + host + "X: " + std::string(8300, 'a') + "\r\n\r\n", 431},
      {"headers without end", "GET / HTTP/1.1\r\n" + host + "X: " + std::string(12000, 'a'), 431},
  };
  EchoServer server;
  for (const auto& bad : all) {
    INFO(std::string(bad.what));
    RawHttp client(server.port);
    const auto seen = client.ask(bad.request);
    CHECK(seen.status == bad.status);
    CHECK(seen.head.find("application/problem+json") != std::string::npos);
    CHECK(client.closed());
  }
  CHECK(server.requests == 0);
}

TEST_CASE("what follows a head that is refused is never taken for a request") {
  EchoServer server;
  for (const char* coding : {"gzip", "identity", "xchunked", "chunked, gzip", "deflate"}) {
    INFO(std::string(coding));
    RawHttp client(server.port);
    const auto seen = client.ask("POST /p HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: " +
                                 std::string(coding) + "\r\n\r\n" + post("hidden"));
    CHECK(seen.status == 400);
    CHECK(client.closed());
  }
  CHECK(server.requests == 0);
  RawHttp client(server.port);
  client.send("POST /c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding:\t CHUNKED \r\n\r\n");
  client.send("1\r\na\r\n0\r\n\r\n");
  CHECK(client.read().body == "POST /c? a");
}

TEST_CASE("a request at the limits is taken") {
  EchoServer server;
  RawHttp client(server.port);
  CHECK(client.ask(post(std::string(4096, 'x'))).status == 200);
  const std::string target = "/" + std::string(2048 - 14, 'a');  // GET, blank, HTTP/1.1 beside it
  CHECK(client.ask(get(target)).status == 200);
  CHECK(client.ask(get("/", "X: " + std::string(8000, 'a') + "\r\n")).status == 200);
}

TEST_CASE("where large bodies are taken a POST may bring one, and nothing else may") {
  HttpLimits limits;
  limits.large_body_target = "/many";
  limits.large_body_bytes_max = 64 * 1024;
  EchoServer server(limits);
  const auto large = [](const std::string& line, std::size_t size) {
    return line + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(size) +
           "\r\n\r\n" + std::string(size, 'x');
  };
  for (const std::size_t size : {4097U, 65536U}) {
    RawHttp client(server.port);
    CHECK(client.ask(large("POST /many", size)).body == "POST /many? " + std::string(size, 'x'));
    CHECK(client.ask(get("/")).status == 200);
  }
  for (const auto& [line, size] : std::vector<std::pair<std::string, std::size_t>>{
           {"POST /many", 65537}, {"POST /other", 4097}, {"GET /many", 4097}}) {
    INFO(line);
    RawHttp client(server.port);
    const auto seen = client.ask(large(line, size));
    CHECK(seen.status == 413);
    CHECK(seen.body.find(size > 60000 ? "64 KiB" : "4 KiB") != std::string::npos);
    CHECK(client.closed());
  }
}

TEST_CASE("too many large bodies that do not end are not waited for, the oldest first") {
  HttpLimits limits;
  limits.large_body_target = "/many";
  limits.large_body_bytes_max = 64 * 1024;
  limits.large_bodies_max = 2;
  EchoServer server(limits);
  const std::string head = "POST /many HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n";
  RawHttp small(server.port);
  small.send(head + std::string(100, 'x'));
  std::vector<std::unique_ptr<RawHttp>> slow;
  for (int i = 0; i < 3; ++i) {
    slow.push_back(std::make_unique<RawHttp>(server.port));
    slow.back()->send(head + std::string(8000, 'x'));
    RawHttp other(server.port);  // its answer comes behind the bytes before
    CHECK(other.ask(get("/")).status == 200);
  }
  const auto seen = slow[0]->read();
  CHECK(seen.status == 503);
  CHECK(seen.head.find("Retry-After: 1") != std::string::npos);
  CHECK(slow[0]->closed());
  for (int i = 1; i < 3; ++i) {
    slow[i]->send(std::string(1000, 'x'));
    CHECK(slow[i]->read().status == 200);
  }
  small.send(std::string(8900, 'x'));
  CHECK(small.read().status == 200);
}

TEST_CASE("a slow header or body gets 408, an idle connection is closed") {
  HttpLimits limits;
  limits.header_time = limits.body_time = milliseconds(300);
  limits.idle_time = milliseconds(300);
  EchoServer server(limits);
  RawHttp header(server.port), body(server.port), idle(server.port), kept(server.port);
  header.send("GET / HTTP/1.1\r\nX: ");
  body.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab");
  CHECK(kept.ask(get("/")).status == 200);
  CHECK(header.read().status == 408);
  CHECK(header.closed());
  CHECK(body.read().status == 408);
  CHECK(idle.closed());
  CHECK(kept.closed());
}

TEST_CASE("a request that is being answered has no time limit") {
  HttpLimits limits;
  limits.header_time = limits.body_time = limits.idle_time = milliseconds(100);
  EchoServer server(limits);
  RawHttp slow(server.port), other(server.port);
  be_served(slow, server);
  CHECK(other.closed());  // time has passed for those who were idle
  RawHttp late(server.port);
  CHECK(late.closed());
  server.kept()(HttpReply{});
  CHECK(slow.read().status == 200);
}

TEST_CASE("an answer for a connection that is gone is dropped") {
  EchoServer server;
  {
    RawHttp client(server.port);
    be_served(client, server);
  }
  server.kept()(HttpReply{});
  RawHttp client(server.port);
  CHECK(client.ask(get("/")).status == 200);
}

TEST_CASE("a newcomer takes the place of the connection that waits longest for its client") {
  HttpLimits limits;
  limits.connections_max = 2;
  EchoServer server(limits);
  RawHttp idle(server.port);
  CHECK(idle.ask(get("/")).status == 200);
  RawHttp slow(server.port);
  slow.send("GET / HTT");
  RawHttp third(server.port);
  CHECK(third.ask(get("/")).status == 200);
  CHECK(idle.closed());
  slow.send("P/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(slow.read().status == 200);
}

TEST_CASE("where all connections are being served a newcomer is turned away") {
  EchoServer server(one_connection());
  RawHttp served(server.port);
  be_served(served, server);
  RawHttp second(server.port);
  CHECK(second.ask(get("/")).status == 503);
  CHECK(second.closed());
  server.kept()(HttpReply{});
  CHECK(served.read().status == 200);
  CHECK(RawHttp(server.port).ask(get("/")).status == 200);
}

TEST_CASE("what is urgent is answered where all connections are being served, each time anew") {
  EchoServer server(one_connection());
  RawHttp served(server.port);
  be_served(served, server);
  RawHttp idle(server.port);  // holds the only place of a guest, until somebody else comes
  for (int i = 0; i < 3; ++i) {
    RawHttp guest(server.port);
    CHECK(guest.ask(get("/urgent")).status == 200);
    CHECK(guest.closed());
  }
  CHECK(idle.closed());
}

TEST_CASE("who hung up while its answer was worked on makes room") {
  EchoServer server(one_connection());
  {
    RawHttp gone(server.port);
    be_served(gone, server);
  }
  CHECK(
      stampede::test::eventually([&] { return RawHttp(server.port).ask(get("/")).status == 200; }));
}

TEST_CASE("answers that nobody reads are bounded over all connections, and others go on") {
  HttpLimits limits;
  limits.waiting_bytes_max = 3 << 20;
  EchoServer server(limits);
  std::vector<std::unique_ptr<RawHttp>> deaf;
  for (int i = 0; i < 12; ++i) {
    deaf.push_back(std::make_unique<RawHttp>(server.port, 4096));
    deaf.back()->send(get(i % 2 == 0 ? "/large" : "/shared"));
    CHECK(RawHttp(server.port).ask(get("/")).status == 200);
  }
  int whole = 0;
  for (auto& client : deaf) whole += client->read().body.size() == EchoServer::kLarge ? 1 : 0;
  CHECK(whole >= 3);
  CHECK(whole < 12);
}

TEST_CASE("who asks without end on one connection does not keep others waiting") {
  EchoServer server;
  RawHttp greedy(server.port);
  std::string all;
  for (int i = 0; i < 200; ++i) all += get("/" + std::to_string(i));
  greedy.send(all);
  CHECK(RawHttp(server.port).ask(get("/")).status == 200);
  for (int i = 0; i < 200; ++i) REQUIRE(greedy.read().body == "GET /" + std::to_string(i) + "? ");
}

TEST_CASE("a client that expects 100-continue hears it, or the refusal, before it sends a body") {
  EchoServer server;
  const std::string head = "POST /p HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n";
  RawHttp polite(server.port);
  const auto first = polite.ask(head + "Expect: 100-Continue\r\n\r\n");
  CHECK(first.status == 100);
  CHECK(first.head == "HTTP/1.1 100 Continue\r\n");
  CHECK(polite.ask("body").body == "POST /p? body");
  RawHttp foreign(server.port);
  CHECK(foreign.ask(head + "Expect: 100-continue\r\nOrigin: null\r\n\r\n").status == 403);
  CHECK(foreign.closed());
  RawHttp demanding(server.port);
  CHECK(demanding.ask(head + "Expect: 100-continue, more\r\n\r\n").status == 417);
  RawHttp large(server.port);
  CHECK(large
            .ask("POST /p HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n"
                 "Expect: 100-continue\r\n\r\n")
            .status == 413);
  RawHttp old(server.port);
  old.send("POST /p HTTP/1.0\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody");
  CHECK(old.read().body == "POST /p? body");
  CHECK(server.requests == 2);
}

TEST_CASE("a server without memory says so as it ends") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  HttpServerOptions options;
  options.on_start = [](const caf::actor&) { throw std::bad_alloc(); };
  const auto server = system.spawn<HttpServer, caf::detached>(std::move(options));
  caf::scoped_actor self(system);
  self->monitor(server);
  std::string reason;
  self->receive([&](const caf::down_msg& down) { reason = system.render(down.reason); },
                caf::after(std::chrono::seconds(20)) >> [] {});
  CAPTURE(reason);
  CHECK(reason.find("memory ran out") != std::string::npos);
}

TEST_CASE("a taken port is the caller's exception") {
  EchoServer server;
  caf::actor_system_config config;
  caf::actor_system system{config};
  try {
    HttpServerOptions options;
    options.port = server.port;
    system.spawn<HttpServer, caf::detached>(std::move(options));
    FAIL("no exception");
  } catch (const stampede::transport::SocketError& error) {
    CHECK(error.address_taken);
  }
}
