#include "actors/supervisor/admin_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "actors/node/node_log.h"
#include "actors/supervisor/request_line.h"
#include "config/process/descriptor_shares.h"

namespace stampede::actors {

using nlohmann::json;

constexpr int kBacklog = 1024;  // that connect at once: nobody is refused for the number of others

namespace {

pid_t process_of(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

}  // namespace

AdminSocket::AdminSocket(std::filesystem::path file, Handler handler)
    : file_(std::move(file)), handler_(std::move(handler)) {}

AdminSocket::~AdminSocket() {
  for (auto& [id, connection] : connections_) ::close(connection.fd);
  if (listener_ >= 0) ::close(listener_);
}

void AdminSocket::start(transport::PortControl& port) {
  port_ = &port;
  listen();
}

// Somebody removed or replaced the file. Who is connected stays so.
void AdminSocket::listen_again() {
  struct stat status {};
  const bool there = ::lstat(file_.c_str(), &status) == 0;
  if (port_ == nullptr || (there && status.st_dev == device_ && status.st_ino == inode_)) return;
  if (listener_ >= 0) {
    port_->unwatch(listener_);
    ::close(std::exchange(listener_, -1));
  }
  std::string fault;
  try {
    listen();
  } catch (const std::runtime_error& error) {  // until it can be: tried again at the next timer
    if (listener_ >= 0) ::close(std::exchange(listener_, -1));
    fault = error.what();
  }
  if (fault == fault_) return;
  fault_ = std::move(fault);
  if (fault_.empty())
    log_info(file_.string() + " takes questions again");
  else
    log_warning(fault_);
}

void AdminSocket::listen() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = file_.string();
  if (path.size() >= sizeof address.sun_path) {
    throw std::runtime_error(path + " is too long for a unix socket; give a shorter --run-dir");
  }
  path.copy(address.sun_path, path.size());
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    const int error = errno;
    const bool directory = std::filesystem::is_directory(file_);
    throw std::runtime_error(
        "cannot listen on " + path + ": " +
        (directory ? "a directory lies there; remove it" : std::strerror(error)));
  }
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  // Between bind and listen nobody can connect, so the mode is in force before the first visitor.
  if (listener_ < 0 ||
      ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(listener_, kBacklog) != 0) {
    throw std::runtime_error("cannot listen on " + path + ": " + std::strerror(errno));
  }
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) device_ = status.st_dev, inode_ = status.st_ino;
  port_->watch(listener_, [this] { accept_all(); });
}

void AdminSocket::finish(transport::PortControl& port) {
  for (auto& [id, connection] : connections_) static_cast<void>(write(connection));
  while (!connections_.empty()) drop(connections_.begin()->first);
  if (listener_ < 0) return;
  port.unwatch(listener_);
  ::close(std::exchange(listener_, -1));
  ::unlink(file_.c_str());
  port_ = nullptr;
}

// Who floods it takes no descriptor that the supervisor needs for its nodes.
std::size_t AdminSocket::places() {
  return std::min(kConnectionsMax, config::descriptors_for(config::Door::operators));
}

void AdminSocket::accept_all() {
  for (int taken = 0; taken < kAcceptsPerTurn; ++taken) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      // Without a descriptor whoever waits goes on waiting; to look at once again would be in vain.
      rests_ = errno == EMFILE || errno == ENFILE;
      if (rests_) port_->unwatch(listener_);
      return;
    }
    const pid_t process = process_of(fd);
    if (connections_.size() >= places() && !make_place(process)) {
      ::close(fd);
      continue;
    }
    const auto id = ++last_id_;
    Connection& connection = connections_[id];
    connection.fd = fd;
    connection.process = process;
    connection.since = port_->now();
    port_->watch(fd, [this, id] { read(id); });
    read(id);  // before the next one may take its place
  }
}

AdminSocket::Connections::iterator AdminSocket::longest_idle(
    const std::function<bool(const Connection&)>& waits) {
  auto longest = connections_.end();
  for (auto it = connections_.begin(); it != connections_.end(); ++it) {
    if (!waits(it->second)) continue;
    if (longest == connections_.end() || it->second.since < longest->second.since) longest = it;
  }
  return longest;
}

// Of those that wait for their peer alone, or of those that do not wait for their answers.
bool AdminSocket::make_place(pid_t newcomer) {
  auto oldest = longest_idle([](const Connection& one) {
    return !one.output.empty() || (one.pending == 0 && !has_line(one));
  });
  if (oldest == connections_.end()) oldest = longest_idle(has_more);
  if (oldest == connections_.end()) oldest = of_greediest(newcomer);
  if (oldest == connections_.end()) return false;
  drop(oldest->first);
  return true;
}

// One of another process than the newcomer's.
AdminSocket::Connections::iterator AdminSocket::of_greediest(pid_t newcomer) {
  std::map<pid_t, std::size_t> counts;
  for (const auto& [id, connection] : connections_) ++counts[connection.process];
  const auto most = std::max_element(counts.begin(), counts.end(), [](auto& one, auto& other) {
    return one.second < other.second;
  });
  if (most == counts.end() || most->first == newcomer || most->second < kConnectionsMax / 4)
    return connections_.end();
  return longest_idle([&](const Connection& one) { return one.process == most->first; });
}

void AdminSocket::read(std::uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  char buffer[16 * 1024];
  const ssize_t got = ::recv(connection.fd, buffer, sizeof buffer, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got < 0) return drop(id);
  connection.since = port_->now();
  connection.ended = got == 0;  // `echo … | nc -U` closes its half before it reads
  connection.input.append(buffer, static_cast<std::size_t>(got));
  turn(id);
}

bool AdminSocket::must_wait(const Connection& connection) const {
  if (connection.pending >= kPendingMax || !connection.output.empty()) return true;
  const auto of_process = worked_->find(connection.process);
  return of_process != worked_->end() && of_process->second >= kPendingOfProcessMax;
}

std::shared_ptr<void> AdminSocket::one_more_of(pid_t process) {
  ++(*worked_)[process];
  return {nullptr, [worked = worked_, process](void*) {
            const auto of_process = worked->find(process);
            if (--of_process->second == 0) worked->erase(of_process);
          }};
}

bool AdminSocket::has_line(const Connection& connection) {
  return connection.input.find('\n') != std::string::npos;
}

// A line, and something behind it or a request before it.
bool AdminSocket::has_more(const Connection& connection) {
  const auto end = connection.input.find('\n');
  if (end == std::string::npos) return false;
  return connection.pending > 0 || end + 1 < connection.input.size();
}

// Takes what may be taken now, and listens to the peer only when nothing of it waits here.
void AdminSocket::turn(std::uint64_t id) {
  for (int lines = 0; lines < kLinesPerTurn; ++lines) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    Connection& connection = found->second;
    if (must_wait(connection) || !has_line(connection)) break;
    take_line(id, connection);
  }
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  const bool line_waits = has_line(connection);
  if (!line_waits && connection.input.size() > kLineBytesMax) return refuse_long(id, connection);
  const bool owes = line_waits || connection.pending > 0 || !connection.output.empty();
  if (connection.ended && !owes) return drop(id);
  const bool listen = !connection.ended && !line_waits && connection.output.empty();
  if (listen == connection.watched) return;
  connection.watched = listen;
  if (!listen) return port_->unwatch(connection.fd);
  port_->watch(connection.fd, [this, id] { read(id); });
}

void AdminSocket::take_line(std::uint64_t id, Connection& connection) {
  const auto end = connection.input.find('\n');
  if (end > kLineBytesMax) return refuse_long(id, connection);
  const auto request = read_request_line(std::string_view(connection.input).substr(0, end));
  connection.input.erase(0, end + 1);
  ++connection.pending;
  const Respond respond([this, id, counted = one_more_of(connection.process)](SharedText text) {
    answer(id, std::move(text));
  });
  if (request) return handler_(*request, respond);
  respond({{"error", "bad_request"},
           {"message", "a request is one JSON object on one line, no member twice"},
           {"exit", 2}});
}

// Who still reads hears why; nobody is waited for.
void AdminSocket::refuse_long(std::uint64_t id, const Connection& connection) {
  static const std::string kWhy =
      json{{"error", "too_large"}, {"message", "a request is at most 64 KiB"}, {"exit", 2}}.dump() +
      "\n";
  if (connection.output.empty())
    (void)::send(connection.fd, kWhy.data(), kWhy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  drop(id);
}

void AdminSocket::Respond::operator()(const json& answer) const {
  line(std::make_shared<const std::string>(
      answer.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"));
}

void AdminSocket::Respond::line(SharedText text) const {
  give_(std::move(text));
}

void AdminSocket::answer(std::uint64_t id, SharedText text) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  --connection.pending;
  output_bytes_ += text->size();
  connection.output.push_back(std::move(text));
  if (!write(connection)) return drop(id);
  bound_output();
}

bool AdminSocket::write(Connection& connection) {
  while (!connection.output.empty()) {
    const std::string& text = *connection.output.front();
    const ssize_t sent = ::send(connection.fd, text.data() + connection.written,
                                text.size() - connection.written, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    connection.since = port_->now();
    connection.written += static_cast<std::size_t>(sent);
    output_bytes_ -= static_cast<std::size_t>(sent);
    if (connection.written < text.size()) continue;
    connection.output.pop_front();
    connection.written = 0;
  }
  return true;
}

void AdminSocket::bound_output() {
  while (output_bytes_ > kOutputBytesMax) {
    drop(longest_idle([](const Connection& one) { return !one.output.empty(); })->first);
  }
}

void AdminSocket::go_on() {
  listen_again();
  if (listener_ >= 0 && std::exchange(rests_, false))
    port_->watch(listener_, [this] { accept_all(); });
  std::vector<std::uint64_t> ids;  // a turn may close any connection
  for (const auto& [id, connection] : connections_) ids.push_back(id);
  for (const auto id : ids) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) continue;
    if (write(found->second)) {
      turn(id);
    } else {
      drop(id);
    }
  }
}

void AdminSocket::drop(std::uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  if (connection.watched) port_->unwatch(connection.fd);
  ::close(connection.fd);
  for (const auto& text : connection.output) output_bytes_ -= text->size();
  output_bytes_ += connection.written;
  connections_.erase(found);
}

}  // namespace stampede::actors
