#include "tools/bench/http_wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <utility>

#include "tools/bench/http_answer.h"

namespace stampede::tools {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kReadBytes = 16 * 1024;
constexpr int kEventsMax = 256;
constexpr auto kConnectAgain = milliseconds(10);

[[noreturn]] void fail(const char* what) {
  throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

sockaddr_in to_address(const std::string& text) {
  const auto colon = text.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  std::uint16_t port = 0;
  std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
  address.sin_port = htons(port);
  if (colon == std::string::npos || port == 0 ||
      ::inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1)
    throw std::runtime_error(text + " is no HOST:PORT with the host in digits");
  return address;
}

}  // namespace

HttpWire::HttpWire(BenchPlan& plan, std::string address, int connections, HttpForm form)
    : plan_(plan),
      address_(std::move(address)),
      form_(form),
      authorization_(plan.token().empty() ? "" : "\r\nAuthorization: Bearer " + plan.token()),
      connections_(static_cast<std::size_t>(connections)),
      buffer_(kReadBytes) {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) fail("epoll_create1");
}

HttpWire::~HttpWire() {
  for (const auto& connection : connections_)
    if (connection.fd >= 0) ::close(connection.fd);
  ::close(epoll_);
}

bool HttpWire::open(std::size_t index) {
  const auto address = to_address(address_);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return false;
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = index;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
  connections_[index] = {fd, kNoOrder, {}};
  free_.push_back(static_cast<std::uint32_t>(index));
  return true;
}

bool HttpWire::connect(milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    while (!open(i)) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(kConnectAgain);
    }
  }
  return true;
}

// Loses the order that was open on it, if any.
void HttpWire::close(std::size_t index, WireEvents& events) {
  auto& connection = connections_[index];
  ::close(connection.fd);
  std::erase(free_, static_cast<std::uint32_t>(index));
  const auto order = connection.order;
  connection = {};
  if (order != kNoOrder) events.lost(order);
}

void HttpWire::write_request(std::uint32_t order) {
  std::string body;
  if (results_) {
    const auto& id = minted_[order];
    request_ = "GET /miaosha/order-result?requestId=";
    request_.append(id.data(), id.size()).append(" HTTP/1.1\r\nHost: ").append(address_);
    request_ += authorization_ + "\r\n\r\n";
    return;
  }
  if (form_ == HttpForm::miaosha) {
    body = "itemId=" + std::to_string(plan_.item(order));
    request_ = "POST /miaosha/order HTTP/1.1\r\nHost: " + address_ +
               "\r\nContent-Type: application/x-www-form-urlencoded";
  } else {
    body = plan_.json(order);
    request_ = "POST /v1/orders HTTP/1.1\r\nHost: " + address_ +
               "\r\nContent-Type: application/json\r\nPrefer: wait=5";
  }
  request_ +=
      authorization_ + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

bool HttpWire::send(std::span<const std::uint32_t> orders) {
  if (free_.empty()) return false;
  const auto index = free_.back();
  auto& connection = connections_[index];
  write_request(orders.front());
  free_.pop_back();
  connection.order = orders.front();
  // A request is far smaller than a socket's buffer; a broken connection shows when it is read.
  const auto sent = ::send(connection.fd, request_.data(), request_.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(request_.size())) ::shutdown(connection.fd, SHUT_RDWR);
  return true;
}

bool HttpWire::receive(WireEvents& events) {
  std::array<epoll_event, kEventsMax> ready;
  const int count = ::epoll_wait(epoll_, ready.data(), kEventsMax, 0);
  for (int i = 0; i < count; ++i) read(ready[static_cast<std::size_t>(i)].data.u64, events);
  return count > 0;
}

void HttpWire::read(std::size_t index, WireEvents& events) {
  auto& connection = connections_[index];
  const auto got = ::recv(connection.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return close(index, events);
  connection.unread.append(buffer_.data(), static_cast<std::size_t>(got));
  take_whole(index, events);
}

void HttpWire::take_whole(std::size_t index, WireEvents& events) {
  auto& connection = connections_[index];
  const auto text = read_http_answer(connection.unread);
  if (text.broken || (text.size > 0 && connection.order == kNoOrder)) {
    events.unreadable();
    return close(index, events);
  }
  if (text.size == 0) return;
  events.message();
  auto answer = scan_http_answer(text);
  const auto order = std::exchange(connection.order, kNoOrder);
  answer.order = order;
  if (answer.kind == ScannedAnswer::Kind::accepted && answer.id.size() == kMintedBytes) {
    if (minted_.size() <= order)
      minted_.resize(std::max<std::size_t>(2 * minted_.size(), order + 1));
    std::copy(answer.id.begin(), answer.id.end(), minted_[order].begin());
  } else if (form_ == HttpForm::orders && !answer.id.empty() &&
             plan_.index_of(answer.id) != order) {
    answer.kind = ScannedAnswer::Kind::unreadable;  // somebody else's answer
  }
  free_.push_back(static_cast<std::uint32_t>(index));
  events.take(answer);
  connection.unread.erase(0, text.size);
  if (!text.keep) close(index, events);
}

void HttpWire::maintain(WireEvents&) {
  for (std::size_t i = 0; i < connections_.size(); ++i)
    if (connections_[i].fd < 0 && !open(i)) return;  // all go to the same server
}

void HttpWire::wait(std::chrono::nanoseconds timeout) {
  pollfd ready{epoll_, POLLIN, 0};
  const timespec time{timeout.count() / 1'000'000'000, timeout.count() % 1'000'000'000};
  static_cast<void>(::ppoll(&ready, 1, &time, nullptr));
}

}  // namespace stampede::tools
