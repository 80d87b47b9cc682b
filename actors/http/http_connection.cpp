// Beast 1.74 asserts n >= 5 in a last chunk, but 4 is right when it is the first one and comes in
// parts: a client could end a build without NDEBUG. Without the assertion Beast waits for more.
#define BOOST_DISABLE_ASSERTS
#include "actors/http/http_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/beast/http/status.hpp>
#include <cerrno>

#include "actors/http/http_access.h"
#include "actors/http/http_date.h"
#include "actors/http/http_fields.h"
#include "actors/http/http_head.h"

namespace stampede::actors {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kLingerTime{1000};
constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kMethods = "GET, HEAD, POST, DELETE, OPTIONS";
constexpr int kEmptyLinesMax = 4;          // before a request (RFC 9112 2.2)
constexpr std::size_t kSmallBody = 2048;   // is copied behind its head: one buffer, one write
constexpr std::size_t kKeptBuffer = 1024;  // what an idle connection may keep
constexpr int kStreamBuffer = 4 * 1024;    // the kernel's, of a stream; it takes twice as much
constexpr std::size_t kStreamHeardMax = 16 * 1024;  // who says so much hears no stream

bool would_block(const error_code& error) {
  return error == asio::error::would_block || error == asio::error::try_again;
}

// Beast takes a bare line feed within the quotes of a chunk's extension, where others may see the
// end of the line (RFC 9112 7.1.1, RFC 9110 5.6.4). Called by all connections; has no state.
struct RefuseControls {
  void operator()(std::uint64_t /*size*/, boost::string_view extensions, error_code& error) const {
    const auto control = [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7F; };
    if (std::any_of(extensions.begin(), extensions.end(), control))
      error = http::error::bad_chunk_extension;
  }
};
RefuseControls refuse_controls;

// Whether the chunk's line that `in` begins with ends within quotes: Beast would read on for their
// end, and take what follows for a part of the line.
bool ends_in_quotes(std::string_view in) {
  if (in.starts_with("\r\n")) in.remove_prefix(2);  // behind the chunk before
  const auto end = in.find("\r\n");
  if (end == std::string_view::npos) return false;
  bool quoted = false;
  for (std::size_t i = 0; i < end; ++i) {
    if (in[i] == '"') quoted = !quoted;
    if (in[i] == '\\' && quoted) ++i;
  }
  return quoted;
}

bool is_known(std::string_view method) {
  static constexpr std::array<std::string_view, 7> kKnown{"GET",   "POST",    "PUT",  "DELETE",
                                                          "PATCH", "OPTIONS", "TRACE"};
  return std::find(kKnown.begin(), kKnown.end(), method) != kKnown.end();
}

bool has_body(int status) {
  return status != 204 && status != 304;
}

// Assigning an empty string would keep its memory.
void give_back(std::string& buffer) {
  std::string().swap(buffer);
}

void trim(std::string& buffer) {
  if (buffer.empty() && buffer.capacity() > kKeptBuffer) give_back(buffer);
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
  if (given_.size() == 1) asio::post(*io_, [self = shared_from_this()]() { self->hand_out(); });
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

HttpConnection::HttpConnection(HttpHost& host, tcp::socket socket, const config::IpAddress& peer,
                               std::uint64_t number)
    : host_(host), socket_(std::move(socket)), peer_(peer), number_(number) {}

void HttpConnection::start() {
  Error ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  wait_for(State::idle, host_.limits().idle_time);
  read();
}

void HttpConnection::wait_for(State state, milliseconds time) {
  state_ = state;
  since_ = Clock::now();
  deadline_ = since_ + time;
}

void HttpConnection::read() {
  if (reading_) return;
  reading_ = true;
  socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](const Error& error) {
    self->reading_ = false;
    self->on_readable(error);
  });
}

void HttpConnection::on_readable(const Error& error) {
  if (state_ == State::closed) return;
  if (error) return close();
  const auto room = host_.scratch();
  Error failed;
  const auto n = socket_.read_some(asio::buffer(room.data(), room.size()), failed);
  if (would_block(failed)) return read();
  if (failed) return close();
  if (state_ == State::lingering) return read();
  if (state_ == State::streaming) return (heard_ += n) > kStreamHeardMax ? close() : read();
  in_.append(room.data(), n);
  proceed();
}

void HttpConnection::proceed() {
  if (proceeding_) return;
  proceeding_ = true;
  had_turn_ = false;
  const auto self = shared_from_this();
  bool more = step();
  while (more && !had_turn_) more = step();
  proceeding_ = false;
  if (more) host_.goes_on(self);
}

bool HttpConnection::step() {
  switch (state_) {
    case State::idle:
      skip_empty_lines();
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

void HttpConnection::skip_empty_lines() {
  for (; empty_lines_ < kEmptyLinesMax && in_.starts_with("\r\n"); ++empty_lines_) in_.erase(0, 2);
}

// True: the head was taken, or refused. False: more bytes are needed.
bool HttpConnection::take_head() {
  skip_empty_lines();
  if (in_.empty()) {
    state_ = State::idle;  // until the header's time is over
    return false;
  }
  const auto line = in_.find("\r\n");
  const auto found = in_.find(kHeadEnd);
  if (refuse_long_head(line, found)) return true;
  if (found == std::string::npos) return false;
  empty_lines_ = 0;
  if (!parse_head(found + kHeadEnd.size())) return true;
  wait_for(State::body, host_.limits().body_time);
  return start_body();
}

bool HttpConnection::refuse_long_head(std::size_t line, std::size_t found) {
  const auto& limits = host_.limits();
  const auto size = found == std::string::npos ? in_.size() : found + kHeadEnd.size();
  if (std::min(line, in_.size()) > limits.request_line_bytes_max) {
    refuse(414, "too_large", "the request line is longer than 2 KiB");
    return true;
  }
  if (size > limits.request_line_bytes_max + limits.header_bytes_max ||
      (line != std::string::npos && size - std::min(size, line) > limits.header_bytes_max)) {
    refuse(431, "too_large", "the headers are longer than 8 KiB");
    return true;
  }
  return false;
}

// Reads the first `size` bytes. False: they were refused.
bool HttpConnection::parse_head(std::size_t size) {
  const std::string_view head(in_.data(), size);
  const auto line_end = head.find("\r\n");
  const auto fault = check_head(head);
  if (fault == HeadFault::version) {
    refuse(505, "bad_request", "this server speaks HTTP/1.1");
    return false;
  }
  request_.head.assign(head.substr(line_end + 2, size - line_end - 4));
  if (fault != HeadFault::none || !take_line(head.substr(0, line_end))) {
    refuse(400, "bad_request",
           fault == HeadFault::no_host ? "a Host header is needed" : "malformed request");
    return false;
  }
  take_connection_options();
  // A later minor version is read as 1.1 (RFC 9110 2.5), the latest that the parser knows.
  if (in_[line_end - 1] > '1') in_[line_end - 1] = '1';
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(size + 1));
  take_body_limit();
  parser_->body_limit(body_bytes_max_);
  parser_->eager(true);
  parser_->on_chunk_header(refuse_controls);
  Error error;
  const auto consumed = parser_->put(asio::buffer(in_.data(), size), error);
  if (error == http::error::body_limit) {
    refuse_long_body();
    return false;
  }
  if ((error && error != http::error::need_more) || !parser_->is_header_done()) {
    refuse(400, "bad_request", "malformed request");
    return false;
  }
  in_.erase(0, consumed);
  return true;
}

bool HttpConnection::take_line(std::string_view text) {
  const auto line = cut_request_line(text);
  const auto target = line ? cut_target(line->method, line->target) : std::nullopt;
  auto path = target ? normal_path(target->path) : std::nullopt;
  if (!path) return false;
  headers_only_ = line->method == "HEAD";
  old_client_ = line->minor == 0;
  request_.method = headers_only_ ? "GET" : line->method;
  request_.headers_only = headers_only_;
  request_.target = std::move(*path);
  auto query = parse_query(target->query);
  broken_query_ = !query;
  request_.query = std::move(query).value_or(std::vector<QueryPair>{});
  // RFC 9112 3.2.2: the target's authority stands for the header's.
  request_.names_host = !target->authority.empty() || request_.header_count("host") > 0;
  request_.authority = target->authority.empty() ? request_.header("host") : target->authority;
  return true;
}

void HttpConnection::take_connection_options() {
  const auto& head = request_.head;
  keep_alive_ = !list_has(head, "connection", "close") && request_.method != "CONNECT" &&
                (!old_client_ || list_has(head, "connection", "keep-alive"));
  expects_ = expects_more_ = false;
  for (const auto member : list_members(head, "expect"))
    (same_name(member, "100-continue") ? expects_ : expects_more_) = true;
  allowed_origin_ = allowed_origin(host_.site(), request_);
}

// Who waits to hear whether the body may come is told, or gets the refusal in its place.
bool HttpConnection::start_body() {
  if (parser_->is_done() || old_client_ || !(expects_ || expects_more_)) return true;
  if (auto refusal = own_answer()) {
    keep_alive_ = false;
    write(std::move(*refusal));
    return true;
  }
  Error error;
  if (socket_.write_some(asio::buffer(kContinue), error) != kContinue.size()) close();
  return true;
}

bool HttpConnection::take_body() {
  Error error;
  while (!parser_->is_done() && !in_.empty()) {
    const auto consumed = parser_->put(asio::buffer(in_.data(), in_.size()), error);
    in_.erase(0, consumed);
    if (error == http::error::body_limit) {
      refuse_long_body();
      return true;
    }
    const bool malformed = error && error != http::error::need_more;
    if (malformed || (consumed == 0 && ends_in_quotes(in_))) {
      refuse(400, "bad_request", "malformed body");
      return true;
    }
    if (consumed == 0) break;
  }
  if (parser_->is_done()) {
    hand_over();
    return true;
  }
  if (!large_body_place && parser_->get().body().size() > host_.limits().body_bytes_max)
    host_.large_body_waits(*this);
  if (state_ != State::body) return true;
  // Chunk heads and trailers are held back by the parser: they must not grow without end either.
  if (in_.size() <= host_.limits().header_bytes_max) return false;
  refuse(400, "bad_request", "malformed body");
  return true;
}

void HttpConnection::take_body_limit() {
  const auto& limits = host_.limits();
  const bool large = request_.target == limits.large_body_target && request_.method == "POST";
  body_bytes_max_ = large ? limits.large_body_bytes_max : limits.body_bytes_max;
}

void HttpConnection::refuse_long_body() {
  const auto most = std::to_string(body_bytes_max_ / 1024);
  refuse(413, "too_large", "the body is longer than " + most + " KiB");
}

void HttpConnection::refuse_large_body() {
  refuse(503, "overloaded", "too many large bodies are coming at once");
}

void HttpConnection::refuse_guest() {
  refuse(503, "overloaded", "as many connections as may be are being served; try again");
}

bool HttpConnection::hung_up() {
  if (state_ != State::working) return false;
  char byte;
  const auto got = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

void HttpConnection::leave_body() {
  if (large_body_place) host_.large_body_left(*this);
}

// What no handler is asked for.
std::optional<HttpReply> HttpConnection::own_answer() const {
  if (expects_more_)
    return problem(417, "bad_request", "no expectation is met but 100-continue", "Expect");
  if (!is_known(request_.method)) return problem(501, "unknown_op", "this method is not known");
  if (const auto fault = check_access(host_.site(), request_))
    return problem(403, "not_allowed", fault->title, fault->field);
  if (broken_query_)
    return problem(400, "bad_request", "a % without two hexadecimal digits behind it", "query");
  if (request_.method != "OPTIONS") return std::nullopt;
  const bool preflight =
      !allowed_origin_.empty() && request_.header_count("access-control-request-method") > 0;
  return request_.target == "*" || preflight ? std::optional(options_answer()) : std::nullopt;
}

HttpReply HttpConnection::options_answer() const {
  HttpReply reply;
  reply.status = 204;
  reply.headers.emplace_back("Allow", kMethods);
  if (!allowed_origin_.empty()) {
    reply.headers.emplace_back("Access-Control-Allow-Methods", kMethods);
    reply.headers.emplace_back("Access-Control-Allow-Headers",
                               "Authorization, Content-Type, Idempotency-Key, Prefer, "
                               "Stampede-First");
    reply.headers.emplace_back("Access-Control-Max-Age", "600");
  }
  return reply;
}

void HttpConnection::hand_over() {
  leave_body();
  request_.body = std::move(parser_->get().body());
  request_.peer = peer_;
  request_.connection = number_;
  parser_.reset();
  had_turn_ = true;
  if (guest && !host_.urgent(request_.target)) return refuse_guest();
  keep_alive_ = keep_alive_ && !guest;
  if (auto own = own_answer()) return write(std::move(*own));
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
  write(std::move(reply));
  proceed();
}

void HttpConnection::refuse(int status, std::string_view code, std::string_view title) {
  leave_body();
  keep_alive_ = false;
  old_client_ = false;
  if (state_ == State::header) {  // what is known is known of the request before
    headers_only_ = in_.starts_with("HEAD ");
    allowed_origin_.clear();
  }
  auto reply = problem(status, code, title);
  if (status == 503) reply.headers.emplace_back("Retry-After", "1");
  write(std::move(reply));
}

void HttpConnection::append_head(const HttpReply& reply) {
  const auto reason = http::obsolete_reason(static_cast<http::status>(reply.status));
  out_.append("HTTP/1.1 ").append(std::to_string(reply.status)).append(" ");
  out_.append(reason.data(), reason.size()).append("\r\nDate: ").append(http_date_now());
  out_.append("\r\nCache-Control: ").append(reply.cache_control).append("\r\n");
  if (reply.on_stream) {
    out_.append("Content-Type: ").append(reply.content_type).append("\r\n");
  } else if (has_body(reply.status)) {
    const auto size = reply.shared_body ? reply.shared_body->size() : reply.body.size();
    if (!reply.content_type.empty())
      out_.append("Content-Type: ").append(reply.content_type).append("\r\n");
    out_.append("Content-Length: ").append(std::to_string(size)).append("\r\n");
  }
  for (const auto& [name, value] : reply.headers)
    out_.append(name).append(": ").append(value).append("\r\n");
  if (!allowed_origin_.empty()) {
    out_.append("Access-Control-Allow-Origin: ").append(allowed_origin_);
    out_.append("\r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n");
    out_.append("Access-Control-Expose-Headers: Location, Retry-After\r\n");
  }
  if (!keep_alive_)
    out_.append("Connection: close\r\n");
  else if (old_client_)
    out_.append("Connection: keep-alive\r\n");
  out_.append("\r\n");
}

void HttpConnection::write(HttpReply&& reply) {
  out_.clear();
  body_.reset();
  written_ = 0;
  if (reply.on_stream) keep_alive_ = false;  // it ends with the connection
  append_head(reply);
  // A client reads no body after HEAD: what came would be taken for the next answer.
  if (!headers_only_ && reply.on_stream) {
    on_stream_ = std::move(reply.on_stream);
  } else if (!headers_only_ && has_body(reply.status)) {
    if (reply.shared_body)
      body_ = std::move(reply.shared_body);
    else if (reply.body.size() <= kSmallBody)
      out_.append(reply.body);
    else
      body_ = std::make_shared<const std::string>(std::move(reply.body));
  }
  state_ = State::writing;
  send_more();
}

void HttpConnection::send_more() {
  const auto size = out_.size() + (body_ ? body_->size() : 0);
  const auto in_head = std::min(written_, out_.size());
  std::array<asio::const_buffer, 2> parts{asio::buffer(out_) + in_head};
  if (body_) parts[1] = asio::buffer(*body_) + (written_ - in_head);
  Error error;
  written_ += socket_.write_some(parts, error);
  if (error && !would_block(error)) return close();
  if (written_ == size) return after_reply();
  if (!waiting_place) wait_for(State::writing, host_.limits().idle_time);
  const auto self = shared_from_this();
  host_.answer_waits(*this);
  if (state_ == State::closed) return;
  socket_.async_wait(tcp::socket::wait_write,
                     [self](const Error& failed) { self->on_writable(failed); });
}

void HttpConnection::on_writable(const Error& error) {
  if (state_ == State::closed) return;
  if (error) return close();
  send_more();
  proceed();
}

void HttpConnection::after_reply() {
  if (waiting_place) host_.answer_left(*this);
  body_.reset();
  if (on_stream_) return begin_stream();
  if (!keep_alive_) return linger();
  out_.clear();
  trim(out_);
  trim(in_);
  wait_for(State::idle, host_.limits().idle_time);
}

// --- streams --------------------------------------------------------------------------------

void HttpConnection::begin_stream() {
  Error ignored;
  socket_.set_option(asio::socket_base::send_buffer_size(kStreamBuffer), ignored);
  state_ = State::streaming;
  request_ = {};
  give_back(in_);
  give_back(out_);
  written_ = 0;
  host_.streams(*this);
  std::exchange(on_stream_, nullptr)(shared_from_this());
  if (state_ == State::streaming) read();  // hears its end
}

void HttpConnection::write(std::string_view bytes) {
  if (!ready()) return;
  out_.assign(bytes);
  written_ = 0;
  send_stream();
}

void HttpConnection::send_stream() {
  Error error;
  written_ += socket_.write_some(asio::buffer(out_) + written_, error);
  if (error && !would_block(error)) return close();
  if (written_ == out_.size()) {
    written_ = 0;
    return give_back(out_);
  }
  deadline_ = Clock::now() + host_.limits().idle_time;
  socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this()](const Error& failed) {
    if (self->state_ != State::streaming) return;
    if (failed) return self->close();
    self->send_stream();
  });
}

void HttpConnection::check_stream(Clock::time_point now) {
  if (ready() || now < deadline_) return;
  host_.stream_cut();
  close();
}

// Closing with unread bytes would reset the connection and could take the answer with it.
void HttpConnection::linger() {
  Error ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  wait_for(State::lingering, kLingerTime);
  give_back(in_);
  parser_.reset();  // with what there is of a body
  read();
}

void HttpConnection::close() {
  if (state_ == State::closed) return;
  if (waiting_place) host_.answer_left(*this);
  leave_body();
  state_ = State::closed;
  Error ignored;
  socket_.close(ignored);
  host_.closed(*this);
}

void HttpConnection::check_time(Clock::time_point now) {
  if (state_ == State::streaming) return check_stream(now);
  if (state_ == State::working || state_ == State::closed || now < deadline_) return;
  if (state_ == State::header || state_ == State::body) {
    refuse(408, "bad_request", "the request did not arrive in time");
  } else {
    close();
  }
}

}  // namespace stampede::actors
