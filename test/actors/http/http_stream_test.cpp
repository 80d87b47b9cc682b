// Answers without an end: what their readers get, and what those cost who do not read.

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "actors/http/http_server.h"
#include "test/actors/http/http_client.h"
#include "test/support/eventually.h"

using namespace stampede::actors;
using stampede::test::eventually;

namespace {

// Writes `chunk` to every stream that is ready, each tick.
class StreamServer {
 public:
  explicit StreamServer(HttpLimits limits, std::string chunk = "tick\n")
      : chunk_(std::move(chunk)) {
    HttpServerOptions options;
    options.limits = std::move(limits);
    options.counts = counts;
    options.handler = [this](const HttpRequest& request, const HttpRespond& respond) {
      HttpReply reply;
      reply.body = "plain";
      if (request.target == "/stream") {
        reply.content_type = "text/event-stream";
        reply.on_stream = [this](HttpStreamPtr stream) {
          stream->write("begin\n");
          streams_.push_back(std::move(stream));
        };
      }
      respond(std::move(reply));
    };
    options.end_of_round = [] {};
    options.on_tick = [this] { return tick(); };
    options.on_listening = [this](int bound) { port = bound; };
    actor_ = system_.spawn<HttpServer, caf::detached>(std::move(options));
  }
  ~StreamServer() {
    caf::anon_send_exit(actor_, caf::exit_reason::user_shutdown);
    actor_ = nullptr;
    system_.await_all_actors_done();
  }

  int port = 0;
  std::atomic<int> ticks{0};
  std::shared_ptr<HttpCounts> counts = std::make_shared<HttpCounts>();

 private:
  bool tick() {  // in the server's thread
    ++ticks;
    std::erase_if(streams_, [](const HttpStreamPtr& stream) { return !stream->open(); });
    for (const auto& stream : streams_) stream->write(chunk_);
    return !streams_.empty();
  }
  std::string chunk_;
  std::vector<HttpStreamPtr> streams_;  // the server's thread
  caf::actor_system_config config_;
  caf::actor_system system_{config_};
  caf::actor actor_;
};

std::string request(std::string_view method, std::string_view target) {
  return std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

}  // namespace

TEST_CASE("a stream has a head without a length, then goes on until its client leaves") {
  StreamServer server({});
  {
    RawHttp client(server.port);
    client.send(request("GET", "/stream"));
    const auto seen = client.read();
    CHECK(seen.status == 200);
    CHECK(seen.head.find("Content-Type: text/event-stream\r\n") != std::string::npos);
    CHECK(seen.head.find("Content-Length") == std::string::npos);
    CHECK(seen.head.find("Connection: close") != std::string::npos);
    CHECK(client.await("begin\ntick\ntick\n"));
    CHECK(server.counts->streams == 1);
    CHECK(server.counts->connections == 0);
  }
  CHECK(eventually([&] { return server.counts->streams == 0; }));
  CHECK(server.counts->streams_cut == 0);
  CHECK(eventually([&, before = server.ticks.load()]() mutable {
    return std::exchange(before, server.ticks.load()) == server.ticks.load();
  }));
}

TEST_CASE("HEAD gets the head alone, and no stream begins") {
  StreamServer server({});
  RawHttp client(server.port);
  client.send(request("HEAD", "/stream"));
  CHECK(client.rest().ends_with("\r\n\r\n"));
  CHECK(server.counts->streams == 0);
}

TEST_CASE("streams take no places of other connections") {
  HttpLimits limits;
  limits.connections_max = 2;
  StreamServer server(limits);
  std::vector<std::unique_ptr<RawHttp>> streams;
  for (int i = 0; i < 20; ++i) {
    streams.push_back(std::make_unique<RawHttp>(server.port));
    streams.back()->send(request("GET", "/stream"));
    CHECK(streams.back()->read().status == 200);
  }
  RawHttp one(server.port), two(server.port);
  CHECK(one.ask(request("GET", "/a")).body == "plain");
  CHECK(two.ask(request("GET", "/a")).body == "plain");
  CHECK(server.counts->streams == 20);
  for (const auto& stream : streams) CHECK(stream->await("tick\n"));
}

TEST_CASE("one that does not read is cut, and the others go on") {
  HttpLimits limits;
  limits.idle_time = std::chrono::milliseconds(300);
  StreamServer server(limits, std::string(4'000, 'x') + "\n");
  RawHttp deaf(server.port, 2'048), good(server.port);
  deaf.send(request("GET", "/stream"));
  good.send(request("GET", "/stream"));
  CHECK(eventually([&] { return server.counts->streams == 2; }));
  CHECK(eventually([&] {
    good.await("x\n");
    return server.counts->streams_cut == 1;
  }));
  CHECK(server.counts->streams == 1);
  CHECK(good.await("x\n"));
}

TEST_CASE("one that goes on speaking to a stream is cut") {
  StreamServer server({});
  RawHttp client(server.port);
  client.send(request("GET", "/stream") + std::string(40'000, 'y'));
  CHECK(client.closed());
  CHECK(eventually([&] { return server.counts->streams == 0; }));
}
