#pragma once

// A small HTTP/1.1 server in one detached actor: it takes requests, bounds everything a stranger
// can do, and hands complete requests to a handler. It knows no route and no order.
//
// Threads: the handler, `end_of_round` and `on_mail` run in the server's thread and must not block.
// HttpRespond may be called from any thread, once; later calls do nothing, as does one for a
// connection that is gone. Nothing here is durable.
//
// Answered by the server itself, as problem+json: 400 malformed (also CL with TE, two CL,
// obs-fold), 403 from a foreign page or under a foreign name (http_access.h), 408 header or body
// too slow (5 s), 413 body over 4 KiB (64 KiB of a POST where large bodies are taken), 414 request
// line over 2 KiB, 417 an expectation but 100-continue, 431 headers over 8 KiB, 501 an unknown
// method, 505 another version than HTTP/1; and OPTIONS *. A handler sees a HEAD request as GET;
// what it answers is sent without the body. Every answer has a Date, and Cache-Control: no-store,
// because the next one may be another, unless the handler says otherwise.
//
// Bounds: idle connections close after 10 s. Over 10,000 connections a newcomer takes the place of
// the one that waits longest for its client, of the address with most connections (of 16 taken at
// random), and counts as waiting who has hung up behind its request; only where all are being
// served it gets 503, and an answer all the same if it asks for what is urgent (64 at once). One
// connection has one answer on its way, and one request a turn, then the others come first. Answers
// that peers do not take: 16 MiB in all, then the connection that has taken nothing for longest is
// closed. Bodies over 4 KiB that are not there as a whole: 128, then of the one that began first no
// more is waited for (503).
//
// An answer may be a stream (HttpReply::on_stream): its connection is then counted apart from the
// others, costs no more than 8 KiB of the kernel's memory, and is closed when its peer has taken
// nothing for 10 s though something waits. How many there may be is the handler's to decide.

#include <atomic>
#include <caf/all.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/http/http_fields.h"
#include "config/settings/ip_address.h"

namespace stampede::actors {

struct HttpLimits {
  std::size_t request_line_bytes_max = 2 * 1024;
  std::size_t header_bytes_max = 8 * 1024;
  std::size_t body_bytes_max = 4 * 1024;
  std::string large_body_target;         // the path where a POST may bring more; empty: nowhere
  std::size_t large_body_bytes_max = 0;  // there
  std::size_t large_bodies_max = 128;    // that are still coming, over all connections
  std::chrono::milliseconds header_time{5000};  // from a request's first byte to the header's end
  std::chrono::milliseconds body_time{5000};
  std::chrono::milliseconds idle_time{10000};  // between requests, and for a peer to take an answer
  std::size_t connections_max = 10'000;
  std::size_t waiting_bytes_max = 16 * 1024 * 1024;  // answers not taken yet, over all connections
};

// Under which names the server is known, and which pages of other sites may ask: see http_access.h.
struct HttpSite {
  std::vector<std::string> hosts;    // beside loopback's; any port
  std::vector<std::string> origins;  // "https://shop.example"
};

// Mail to a server: from now on this is its site.
using HttpSitePtr = std::shared_ptr<const HttpSite>;

struct HttpRequest {
  std::string method;  // "GET", for HEAD, too
  std::string target;  // the path; only what must be is still percent-encoded (normal_path)
  std::vector<QueryPair> query;  // what follows '?', cut and decoded
  std::string authority;         // host and port that the client asked for
  config::IpAddress peer;        // who is connected
  std::uint64_t connection = 0;  // which one it came on; unique in the server's life
  bool names_host = false;       // false: HTTP/1.0 without Host
  bool headers_only = false;     // it was HEAD: nothing may change by it
  std::string head;              // the header lines, each ended by CRLF
  std::string body;

  // The value of the first header of that name (any case), without surrounding blanks; empty when
  // there is none. Views into `head`.
  [[nodiscard]] std::string_view header(std::string_view name) const;
  [[nodiscard]] int header_count(std::string_view name) const;
};

// An answer without an end: bytes go on the wire as they are. Used in the server's thread alone.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  [[nodiscard]] virtual bool open() const = 0;  // false: its peer is gone, or was cut; for ever
  // Whether all that was written has left; only then write() takes something.
  [[nodiscard]] virtual bool ready() const = 0;
  virtual void write(std::string_view bytes) = 0;  // not ready(): ignored
  virtual void close() = 0;                        // its descriptor is free behind it
};
using HttpStreamPtr = std::shared_ptr<HttpStream>;

struct HttpReply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::shared_ptr<const std::string> shared_body;  // instead of `body`: of many answers at once
  std::string_view cache_control = "no-store";     // a literal: it outlives the reply
  std::vector<std::pair<std::string, std::string>> headers;
  // Set: behind the headers comes a stream, which is given here once they are on their way, if
  // anybody is still there to hear it (never after HEAD). Any body is left out.
  std::function<void(HttpStreamPtr stream)> on_stream{};
};

// What a server counts. Written by its thread, read by any.
struct HttpCounts {
  std::atomic<std::uint64_t> connections{0};  // open now, but for streams
  std::atomic<std::uint64_t> streams{0};      // open now
  std::atomic<std::uint64_t> streams_cut{0};  // their peers did not read
  std::atomic<std::uint64_t> events{0};       // for whoever writes streams
};

// An RFC 9457 problem. `field`: the header or member at fault; empty: none.
HttpReply problem(int status, std::string_view code, std::string_view title,
                  std::string_view field = {});

using HttpRespond = std::function<void(HttpReply)>;
using HttpHandler = std::function<void(HttpRequest, HttpRespond)>;

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  int port = 0;  // 0: any free port (tests)
  HttpHandler handler;
  std::function<void()> end_of_round;  // after the requests that had arrived together
  caf::message_handler on_mail;        // handlers for mail to the server's actor
  HttpSite site;
  HttpLimits limits;
  std::function<void(int port)> on_listening;  // in the caller's thread, with the bound port
  std::function<void(const caf::actor& self)> on_start;  // in the server's thread, before requests
  // Every kHttpTick for as long as it returns true; looked at anew after each round and each mail.
  std::function<bool()> on_tick{};
  // What is answered, too, while as many as may be connected are being served: health.
  std::function<bool(std::string_view target)> urgent{};
  std::shared_ptr<HttpCounts> counts = std::make_shared<HttpCounts>();
};

inline constexpr std::chrono::milliseconds kHttpTick{10};

// To be spawned detached. The constructor binds the address: a taken port throws
// transport::SocketError (address_taken) in the caller's thread. An exception in the handler ends
// the actor, and with it the process (fail-stop). An exit_msg ends the actor; open connections are
// cut.
class HttpServer : public caf::blocking_actor {
 public:
  HttpServer(caf::actor_config& config, HttpServerOptions options);
  ~HttpServer() override;

  const char* name() const override { return "http"; }
  void enqueue(caf::mailbox_element_ptr mail, caf::execution_unit* unit) override;  // any thread
  void act() override;

 private:
  class Loop;
  void take_mail();

  std::unique_ptr<Loop> loop_;
  caf::message_handler on_mail_;
  std::atomic<bool> armed_{false};
  caf::error exit_reason_;
};

}  // namespace stampede::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stampede::actors::HttpSitePtr)
