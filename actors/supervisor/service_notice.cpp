#include "actors/supervisor/service_notice.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace stampede::actors {
namespace {

using nlohmann::json;

// " 45 %" of a replay that goes on, else nothing.
std::string replay_progress(const json& node) {
  const auto replay = node.find("replay");
  if (node.value("state", std::string()) != "replaying") return {};
  if (replay == node.end() || !replay->is_object()) return {};
  const auto total = replay->value("total_bytes", std::uint64_t{0});
  const auto done = replay->value("done_bytes", std::uint64_t{0});
  if (total == 0 || done > total) return {};
  return " " + std::to_string(100 * done / total) + " %";
}

}  // namespace

ServiceNotice::ServiceNotice(std::string_view socket) {
  if (socket.size() < 2 || socket.size() >= sizeof(sockaddr_un::sun_path)) return;
  if (socket.front() == '/' || socket.front() == '@') socket_ = socket;
}

ServiceNotice ServiceNotice::of_environment() {
  const char* socket = std::getenv("NOTIFY_SOCKET");
  return ServiceNotice(socket != nullptr ? socket : "");
}

void ServiceNotice::tell(const std::string& status) {
  if (!listens() || stopping_ || (ready_ && status == told_)) return;
  if (!send((ready_ ? "" : "READY=1\n") + ("STATUS=" + status))) return;
  ready_ = true;
  told_ = status;
}

void ServiceNotice::tell_stopping() {
  if (!listens() || stopping_) return;
  stopping_ = send("STOPPING=1\nSTATUS=draining, then the nodes end");
}

bool ServiceNotice::send(const std::string& text) const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  const auto sent = ::sendto(fd, text.data(), text.size(), MSG_NOSIGNAL,
                             reinterpret_cast<const sockaddr*>(&address), size);
  ::close(fd);
  return sent == static_cast<ssize_t>(text.size());
}

std::string service_status(const json& nodes) {
  std::string waiting;
  for (const json& node : nodes) {
    const auto state = node.value("state", std::string("unknown"));
    if (state == "ready") continue;
    waiting += (waiting.empty() ? "" : ", ") + node.value("node", std::string("a node")) + " " +
               state + replay_progress(node);
  }
  return waiting.empty() ? "ready" : waiting;
}

}  // namespace stampede::actors
