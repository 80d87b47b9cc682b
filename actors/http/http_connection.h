#pragma once

// One HTTP connection of actors/http/http_server: reads a request, hands it over, writes the
// answer, in that order, one at a time (pipelined requests wait in the buffer). Lives in the
// server's thread.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>  // before asio: Boost 1.74 forgets it in C++20
#include <vector>

#include "actors/http/http_server.h"

namespace stampede::actors {

class HttpConnection;

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
  virtual const HttpLimits& limits() const = 0;
  virtual const std::shared_ptr<HttpReplyDesk>& desk() const = 0;
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  using Clock = std::chrono::steady_clock;

  HttpConnection(HttpHost& host, boost::asio::ip::tcp::socket socket);

  void start();
  void answer(std::uint64_t request, HttpReply&& reply);  // ignored unless that request waits
  void check_time(Clock::time_point now);                 // called a few times a second
  void close();
  std::size_t place = 0;  // the host's index of this connection

 private:
  enum class State { idle, header, body, working, writing, lingering, closed };
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  void read();
  void on_read(const boost::system::error_code& error);
  void proceed();
  bool step();
  bool take_head();
  bool take_body();
  void hand_over();
  void refuse(int status, std::string_view code, std::string_view title);
  void write(const HttpReply& reply);
  void on_written(const boost::system::error_code& error);
  void after_reply();
  void linger();
  void discard();
  void wait_for(State state, std::chrono::milliseconds time);

  HttpHost& host_;
  boost::asio::ip::tcp::socket socket_;
  State state_ = State::idle;
  Clock::time_point deadline_;
  std::optional<Parser> parser_;
  HttpRequest request_;
  std::string in_;  // received, not used yet
  std::string out_;
  std::size_t written_ = 0;
  std::uint64_t request_number_ = 0;
  bool reading_ = false;  // a read is under way: in_ must not be touched
  bool proceeding_ = false;
  bool keep_alive_ = true;
  bool headers_only_ = false;  // the request was HEAD
  bool old_client_ = false;    // HTTP/1.0: says keep-alive, wants to hear it
};

}  // namespace stampede::actors
