#include "actors/supervisor/service_notice.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

using nlohmann::json;
using stampede::actors::service_status;
using stampede::actors::ServiceNotice;

namespace {

// A service manager's socket: an abstract one, so that no file is left.
class Listener {
 public:
  Listener() : name_("@stampede-notify-" + std::to_string(::getpid())) {
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name_.data() + 1, name_.size() - 1);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
  }
  ~Listener() { ::close(fd_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::vector<std::string> heard() const {
    std::vector<std::string> all;
    std::array<char, 512> text{};
    for (ssize_t size = 0; (size = ::recv(fd_, text.data(), text.size(), 0)) > 0;)
      all.emplace_back(text.data(), static_cast<std::size_t>(size));
    return all;
  }

 private:
  std::string name_;
  int fd_ = -1;
};

}  // namespace

TEST_CASE("ready is told once, the status when it changes, the end once") {
  const Listener listener;
  ServiceNotice notice(listener.name());
  REQUIRE(notice.listens());
  notice.tell("backend-1 replaying");
  notice.tell("backend-1 replaying");
  notice.tell("ready");
  notice.tell_stopping();
  notice.tell_stopping();
  notice.tell("late");
  CHECK(listener.heard() ==
        std::vector<std::string>{"READY=1\nSTATUS=backend-1 replaying", "STATUS=ready",
                                 "STOPPING=1\nSTATUS=draining, then the nodes end"});
}

TEST_CASE("what nobody could hear is told again") {
  ServiceNotice notice(Listener().name());
  notice.tell("ready");
  const Listener listener;
  notice.tell("ready");
  CHECK(listener.heard() == std::vector<std::string>{"READY=1\nSTATUS=ready"});
}

TEST_CASE("a name that is no socket's is nobody's") {
  for (const std::string& wrong :
       {std::string(), std::string("@"), std::string("relative"), "/" + std::string(200, 'x')})
    CHECK_FALSE(ServiceNotice(wrong).listens());
}

TEST_CASE("the status line names who is not ready, and how far a replay is") {
  const json ready = {{"node", "webapp-1"}, {"state", "ready"}};
  CHECK(service_status(json::array({ready})) == "ready");
  const json replaying = {{"node", "backend-1"},
                          {"state", "replaying"},
                          {"replay", {{"done_bytes", 45}, {"total_bytes", 100}}}};
  const json started = {{"node", "broker-1"}, {"state", "starting"}, {"replay", nullptr}};
  CHECK(service_status(json::array({ready, replaying, started})) ==
        "backend-1 replaying 45 %, broker-1 starting");
}
