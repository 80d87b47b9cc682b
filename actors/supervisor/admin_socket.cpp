#include "actors/supervisor/admin_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace stampede::actors {

using nlohmann::json;

AdminSocket::AdminSocket(std::filesystem::path file, Handler handler)
    : file_(std::move(file)), handler_(std::move(handler)) {}

AdminSocket::~AdminSocket() {
  for (auto& [id, connection] : connections_) ::close(connection.fd);
  if (listener_ >= 0) ::close(listener_);
}

void AdminSocket::start(transport::PortControl& port) {
  port_ = &port;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = file_.string();
  if (path.size() >= sizeof address.sun_path) {
    throw std::runtime_error(path + " is too long for a unix socket; give a shorter --run-dir");
  }
  path.copy(address.sun_path, path.size());
  ::unlink(path.c_str());
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  // Between bind and listen nobody can connect, so the mode is in force before the first visitor.
  if (listener_ < 0 ||
      ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(listener_, 16) != 0) {
    throw std::runtime_error("cannot listen on " + path + ": " + std::strerror(errno));
  }
  port.watch(listener_, [this] { accept_all(); });
}

void AdminSocket::finish(transport::PortControl& port) {
  flush();
  while (!connections_.empty()) drop(connections_.begin()->first);
  if (listener_ < 0) return;
  port.unwatch(listener_);
  ::close(std::exchange(listener_, -1));
  ::unlink(file_.c_str());
  port_ = nullptr;
}

void AdminSocket::accept_all() {
  for (;;) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (connections_.size() >= kConnectionsMax) {
      ::close(fd);
      continue;
    }
    const std::uint64_t id = ++last_id_;
    connections_[id].fd = fd;
    port_->watch(fd, [this, id] { read(id); });
  }
}

void AdminSocket::read(std::uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  char buffer[16 * 1024];
  const ssize_t got = ::recv(connection.fd, buffer, sizeof buffer, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got < 0) return drop(id);
  if (got == 0) {  // `echo … | nc -U` closes its half before it reads
    port_->unwatch(connection.fd);
    connection.finished = true;
    if (connection.pending == 0 && connection.output.empty()) drop(id);
    return;
  }
  connection.input.append(buffer, static_cast<std::size_t>(got));
  if (!take_lines(id)) drop(id);
}

// False: the peer broke a bound. The connection may be gone afterwards.
bool AdminSocket::take_lines(std::uint64_t id) {
  for (;;) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return true;
    Connection& connection = found->second;
    const auto end = connection.input.find('\n');
    if (end == std::string::npos) return connection.input.size() <= kLineBytesMax;
    if (end > kLineBytesMax || connection.pending >= kPendingMax) return false;
    const json request = json::parse(connection.input.substr(0, end), nullptr, false);
    connection.input.erase(0, end + 1);
    ++connection.pending;
    if (request.is_object()) {
      handler_(request, [this, id](const json& reply) { answer(id, reply); });
    } else {
      answer(id, {{"error", "bad_request"},
                  {"message", "a request is one JSON object on one line"},
                  {"exit", 2}});
    }
  }
}

void AdminSocket::answer(std::uint64_t id, const json& answer) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  --connection.pending;
  connection.output += answer.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  if (!write(connection)) drop(id);
}

bool AdminSocket::write(Connection& connection) {
  while (!connection.output.empty()) {
    const ssize_t sent = ::send(connection.fd, connection.output.data(), connection.output.size(),
                                MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
      return connection.output.size() <= kOutputBytesMax;
    }
    if (sent < 0) return false;
    connection.output.erase(0, static_cast<std::size_t>(sent));
  }
  return !connection.finished || connection.pending > 0;
}

void AdminSocket::flush() {
  std::vector<std::uint64_t> broken;
  for (auto& [id, connection] : connections_) {
    if (!connection.output.empty() && !write(connection)) broken.push_back(id);
  }
  for (const auto id : broken) drop(id);
}

void AdminSocket::drop(std::uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  if (!found->second.finished) port_->unwatch(found->second.fd);
  ::close(found->second.fd);
  connections_.erase(found);
}

}  // namespace stampede::actors
