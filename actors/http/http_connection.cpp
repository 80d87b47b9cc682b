// Beast 1.74 asserts n >= 5 in a last chunk, but 4 is right when it is the first one and comes in
// parts: a client could end a build without NDEBUG. Without the assertion Beast waits for more.
#define BOOST_DISABLE_ASSERTS
#include "actors/http/http_connection.h"

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/status.hpp>

#include "actors/http/http_head.h"

namespace stampede::actors {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using std::chrono::milliseconds;

namespace {

constexpr std::size_t kReadBytes = 4096;
constexpr milliseconds kLingerTime{1000};
constexpr std::string_view kHeadEnd = "\r\n\r\n";

void append_head(std::string& out, const HttpReply& reply) {
  const auto status = static_cast<http::status>(reply.status);
  const auto reason = http::obsolete_reason(status);
  out.append("HTTP/1.1 ").append(std::to_string(reply.status)).append(" ");
  out.append(reason.data(), reason.size()).append("\r\n");
  if (!reply.content_type.empty())
    out.append("Content-Type: ").append(reply.content_type).append("\r\n");
  for (const auto& [name, value] : reply.headers)
    out.append(name).append(": ").append(value).append("\r\n");
  out.append("Content-Length: ").append(std::to_string(reply.body.size())).append("\r\n");
}

}  // namespace

// --- answers from other threads -------------------------------------------------------------

void HttpReplyDesk::give(const std::weak_ptr<HttpConnection>& to, std::uint64_t request,
                         HttpReply&& reply) {
  if (std::this_thread::get_id() == home_) {
    if (const auto connection = to.lock()) connection->answer(request, std::move(reply));
    return;
  }
  // The connection is not locked here: its last owner must be the server's thread.
  const std::lock_guard lock(mutex_);
  given_.push_back({to, request, std::move(reply)});
  if (given_.size() == 1) asio::post(*io_, [self = shared_from_this()] { self->hand_out(); });
}

void HttpReplyDesk::hand_out() {
  std::vector<Given> given;
  {
    const std::lock_guard lock(mutex_);
    given.swap(given_);
  }
  for (auto& entry : given)
    if (const auto connection = entry.to.lock())
      connection->answer(entry.request, std::move(entry.reply));
}

// --- reading --------------------------------------------------------------------------------

HttpConnection::HttpConnection(HttpHost& host, asio::ip::tcp::socket socket)
    : host_(host), socket_(std::move(socket)) {}

void HttpConnection::start() {
  error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  wait_for(State::idle, host_.limits().idle_time);
  read();
}

void HttpConnection::wait_for(State state, milliseconds time) {
  state_ = state;
  deadline_ = Clock::now() + time;
}

void HttpConnection::read() {
  if (reading_) return;
  reading_ = true;
  const auto used = in_.size();
  in_.resize(used + kReadBytes);
  socket_.async_read_some(
      asio::buffer(in_.data() + used, kReadBytes),
      [self = shared_from_this(), used](const error_code& error, std::size_t n) {
        self->reading_ = false;
        self->in_.resize(used + (error ? 0 : n));
        self->on_read(error);
      });
}

void HttpConnection::on_read(const error_code& error) {
  if (state_ == State::closed) return;
  if (error) return close();
  if (state_ == State::lingering) return discard();
  proceed();
}

// Does everything that can be done now; step() says whether there is more.
void HttpConnection::proceed() {
  if (proceeding_) return;
  proceeding_ = true;
  const auto self = shared_from_this();
  while (step()) {
  }
  proceeding_ = false;
}

bool HttpConnection::step() {
  switch (state_) {
    case State::idle:
      if (in_.empty()) break;
      wait_for(State::header, host_.limits().header_time);
      return true;
    case State::header:
      if (take_head()) return true;
      break;
    case State::body:
      if (take_body()) return true;
      break;
    default:
      return false;
  }
  if (state_ == State::idle || state_ == State::header || state_ == State::body) read();
  return false;
}

// True: the head was taken, or refused. False: more bytes are needed.
bool HttpConnection::take_head() {
  const auto& limits = host_.limits();
  const auto line = in_.find("\r\n");
  if (std::min(line, in_.size()) > limits.request_line_bytes_max)
    return refuse(414, "too_large", "the request line is longer than 2 KiB"), true;
  const auto found = in_.find(kHeadEnd);
  const auto size = found == std::string::npos ? in_.size() : found + kHeadEnd.size();
  if (size > limits.request_line_bytes_max + limits.header_bytes_max ||
      (line != std::string::npos && size - std::min(size, line) > limits.header_bytes_max))
    return refuse(431, "too_large", "the headers are longer than 8 KiB"), true;
  if (found == std::string::npos) return false;

  const std::string_view head(in_.data(), size);
  if (const auto fault = check_head(head); fault != HeadFault::none)
    return refuse(400, "bad_request",
                  fault == HeadFault::no_host ? "a Host header is needed" : "malformed request"),
           true;
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(size + 1));
  parser_->body_limit(limits.body_bytes_max);
  parser_->eager(true);
  error_code error;
  const auto consumed = parser_->put(asio::buffer(head.data(), head.size()), error);
  if (error == http::error::body_limit)
    return refuse(413, "too_large", "the body is longer than 4 KiB"), true;
  if ((error && error != http::error::need_more) || !parser_->is_header_done())
    return refuse(400, "bad_request", "malformed request"), true;
  request_.head.assign(head.substr(line + 2, size - line - 4));
  in_.erase(0, consumed);
  wait_for(State::body, limits.body_time);
  return true;
}

bool HttpConnection::take_body() {
  error_code error;
  while (!parser_->is_done() && !in_.empty()) {
    const auto consumed = parser_->put(asio::buffer(in_.data(), in_.size()), error);
    in_.erase(0, consumed);
    if (error == http::error::body_limit)
      return refuse(413, "too_large", "the body is longer than 4 KiB"), true;
    if (error && error != http::error::need_more)
      return refuse(400, "bad_request", "malformed body"), true;
    if (consumed == 0) break;
  }
  if (!parser_->is_done()) {
    // Chunk heads and trailers are held back by the parser: they must not grow without end either.
    if (in_.size() > host_.limits().header_bytes_max)
      return refuse(400, "bad_request", "malformed body"), true;
    return false;
  }
  hand_over();
  return true;
}

void HttpConnection::hand_over() {
  auto& message = parser_->get();
  const auto method = message.method_string();
  const auto target = message.target();
  const auto mark = target.find('?');
  request_.method.assign(method.data(), method.size());
  request_.target.assign(target.data(), std::min(mark, target.size()));
  request_.query.clear();
  if (mark != boost::beast::string_view::npos)
    request_.query.assign(target.data() + mark + 1, target.size() - mark - 1);
  request_.body = std::move(message.body());
  headers_only_ = request_.method == "HEAD";
  keep_alive_ = message.keep_alive();
  old_client_ = message.version() < 11;
  state_ = State::working;
  const auto number = ++request_number_;
  host_.serve(std::move(request_),
              [desk = host_.desk(), to = weak_from_this(), number](HttpReply reply) {
                desk->give(to, number, std::move(reply));
              });
}

// --- writing --------------------------------------------------------------------------------

void HttpConnection::answer(std::uint64_t request, HttpReply&& reply) {
  if (state_ != State::working || request != request_number_) return;
  write(reply);
  proceed();
}

void HttpConnection::refuse(int status, std::string_view code, std::string_view title) {
  keep_alive_ = false;
  old_client_ = false;
  headers_only_ = false;
  write(problem(status, code, title));
}

void HttpConnection::write(const HttpReply& reply) {
  out_.clear();
  append_head(out_, reply);
  if (!keep_alive_)
    out_.append("Connection: close\r\n");
  else if (old_client_)
    out_.append("Connection: keep-alive\r\n");
  out_.append("\r\n");
  // A client reads no body after HEAD: what came would be taken for the next answer.
  if (!headers_only_) out_.append(reply.body);
  error_code error;
  written_ = socket_.write_some(asio::buffer(out_), error);
  if (error && error != asio::error::would_block && error != asio::error::try_again) return close();
  if (written_ == out_.size()) return after_reply();
  wait_for(State::writing, host_.limits().idle_time);
  asio::async_write(socket_, asio::buffer(out_.data() + written_, out_.size() - written_),
                    [self = shared_from_this()](const error_code& failed, std::size_t) {
                      self->on_written(failed);
                    });
}

void HttpConnection::on_written(const error_code& error) {
  if (state_ == State::closed) return;
  if (error) return close();
  after_reply();
  proceed();
}

void HttpConnection::after_reply() {
  if (!keep_alive_) return linger();
  wait_for(State::idle, host_.limits().idle_time);
}

// Closing with unread bytes would reset the connection and could take the answer with it.
void HttpConnection::linger() {
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  wait_for(State::lingering, kLingerTime);
  discard();
}

void HttpConnection::discard() {
  if (reading_) return;  // that read still writes into in_
  in_.clear();
  read();
}

void HttpConnection::close() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  error_code ignored;
  socket_.close(ignored);
  host_.closed(*this);
}

void HttpConnection::check_time(Clock::time_point now) {
  if (state_ == State::working || state_ == State::closed || now < deadline_) return;
  if (state_ == State::header || state_ == State::body) {
    refuse(408, "bad_request", "the request did not arrive in time");
  } else {
    close();
  }
}

}  // namespace stampede::actors
