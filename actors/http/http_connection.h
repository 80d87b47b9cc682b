#pragma once

// One HTTP connection of actors/http/http_server: reads a request, hands it over, writes the
// answer, in that order, one at a time (pipelined requests wait in the buffer). Lives in the
// server's thread. It keeps no buffer while it waits for its client.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>  // before asio: Boost 1.74 forgets it in C++20
#include <vector>

#include "actors/http/http_server.h"

namespace stampede::actors {

class HttpConnection;

// A string for which no memory is taken before its bytes are there, whatever length was declared.
struct HttpGrowingBody : boost::beast::http::string_body {
  class reader : public boost::beast::http::string_body::reader {
   public:
    using boost::beast::http::string_body::reader::reader;
    void init(const boost::optional<std::uint64_t>&, boost::beast::error_code& error) {
      boost::beast::http::string_body::reader::init(boost::none, error);
    }
  };
};

// Brings answers given in other threads home. Thread-safe; outlives server and connections.
class HttpReplyDesk : public std::enable_shared_from_this<HttpReplyDesk> {
 public:
  explicit HttpReplyDesk(std::shared_ptr<boost::asio::io_context> io) : io_(std::move(io)) {}
  void set_home() { home_ = std::this_thread::get_id(); }  // before the first request
  void give(const std::weak_ptr<HttpConnection>& to, std::uint64_t request, HttpReply&& reply);

 private:
  struct Given {
    std::weak_ptr<HttpConnection> to;
    std::uint64_t request;
    HttpReply reply;
  };
  void hand_out();

  std::shared_ptr<boost::asio::io_context> io_;
  std::thread::id home_;
  std::mutex mutex_;
  std::vector<Given> given_;  // guarded by mutex_
};

// What connections need of their server.
class HttpHost {
 public:
  virtual ~HttpHost() = default;
  virtual void serve(HttpRequest&& request, HttpRespond&& respond) = 0;
  virtual void closed(HttpConnection& connection) = 0;  // forgets the connection
  // Its peer has taken a part of the answer and the rest waits; may close any connection.
  virtual void answer_waits(HttpConnection& connection) = 0;
  virtual void answer_left(HttpConnection& connection) = 0;  // it waits no more
  // A part of a large body is there; may refuse the rest of any connection's.
  virtual void large_body_waits(HttpConnection& connection) = 0;
  virtual void large_body_left(HttpConnection& connection) = 0;
  // Its answer is a stream from now on.
  virtual void streams(HttpConnection& connection) = 0;
  virtual void stream_cut() = 0;  // one is closed because its peer does not read
  // Whether a guest's request is answered.
  virtual bool urgent(std::string_view target) const = 0;
  // It has more to do: proceed() is called when the others had their turn.
  virtual void goes_on(std::shared_ptr<HttpConnection> connection) = 0;
  virtual std::span<char> scratch() = 0;  // room for one read
  virtual const HttpLimits& limits() const = 0;
  virtual const HttpSite& site() const = 0;
  virtual const std::shared_ptr<HttpReplyDesk>& desk() const = 0;
};

class HttpConnection final : public HttpStream,
                             public std::enable_shared_from_this<HttpConnection> {
 public:
  using Clock = std::chrono::steady_clock;

  HttpConnection(HttpHost& host, boost::asio::ip::tcp::socket socket, const config::IpAddress& peer,
                 std::uint64_t number);

  void start();
  void proceed();  // does what can be done now, one request at most
  void answer(std::uint64_t request, HttpReply&& reply);  // ignored unless that request waits
  void check_time(Clock::time_point now);                 // called a few times a second
  void refuse_large_body();                               // there are too many
  // Nothing is owed to its client: it may be closed to make room.
  [[nodiscard]] bool waits_for_peer() const {
    return state_ != State::working && state_ != State::closed;
  }
  // Its client waits for an answer no more. One system call.
  [[nodiscard]] bool hung_up();
  // HttpStream
  [[nodiscard]] bool open() const override { return state_ == State::streaming; }
  [[nodiscard]] bool ready() const override { return open() && written_ == out_.size(); }
  void write(std::string_view bytes) override;
  void close() override;                                            // in any state
  [[nodiscard]] Clock::time_point since() const { return since_; }  // of its present state
  [[nodiscard]] const std::shared_ptr<const std::string>& body() const { return body_; }

  // The host's own: where it finds the connection again.
  std::size_t place = 0;
  bool among_streams = false;
  bool guest = false;  // beyond those who may be connected: for one urgent request
  std::optional<std::list<HttpConnection*>::iterator> waiting_place;
  std::optional<std::list<HttpConnection*>::iterator> large_body_place;

 private:
  enum class State { idle, header, body, working, writing, streaming, lingering, closed };
  using Parser = boost::beast::http::request_parser<HttpGrowingBody>;
  using Error = boost::system::error_code;

  void read();
  void on_readable(const Error& error);
  bool step();
  void skip_empty_lines();
  bool take_head();
  bool refuse_long_head(std::size_t line, std::size_t found);
  bool parse_head(std::size_t size);
  bool take_line(std::string_view line);
  void take_connection_options();
  bool start_body();
  bool take_body();
  void take_body_limit();
  void refuse_long_body();
  void refuse_guest();
  void leave_body();
  [[nodiscard]] std::optional<HttpReply> own_answer() const;
  [[nodiscard]] HttpReply options_answer() const;
  void hand_over();
  void refuse(int status, std::string_view code, std::string_view title);
  void write(HttpReply&& reply);
  void append_head(const HttpReply& reply);
  void send_more();
  void on_writable(const Error& error);
  void after_reply();
  void begin_stream();
  void send_stream();
  void check_stream(Clock::time_point now);
  void linger();
  void wait_for(State state, std::chrono::milliseconds time);

  HttpHost& host_;
  boost::asio::ip::tcp::socket socket_;
  config::IpAddress peer_;
  std::uint64_t number_;
  State state_ = State::idle;
  Clock::time_point since_;
  Clock::time_point deadline_;
  std::optional<Parser> parser_;
  HttpRequest request_;
  std::string allowed_origin_;  // of the request at hand, when a browser must hear that it may read
  std::string in_;              // received, not used yet
  std::string out_;             // head, and a small body
  std::shared_ptr<const std::string> body_;       // a large one
  std::size_t written_ = 0;                       // of both together
  std::function<void(HttpStreamPtr)> on_stream_;  // of the answer at hand
  std::size_t heard_ = 0;                         // bytes, while it streams
  std::uint64_t request_number_ = 0;
  std::size_t body_bytes_max_ = 0;  // of the request at hand
  int empty_lines_ = 0;             // before the request at hand
  bool had_turn_ = false;           // a request was handed over
  bool reading_ = false;            // a wait for bytes is under way
  bool proceeding_ = false;
  bool keep_alive_ = true;
  bool broken_query_ = false;  // an encoding in it is none
  bool headers_only_ = false;  // the request was HEAD
  bool old_client_ = false;    // HTTP/1.0: says keep-alive, wants to hear it
  bool expects_ = false;       // Expect: 100-continue
  bool expects_more_ = false;  // … or something else
};

}  // namespace stampede::actors
