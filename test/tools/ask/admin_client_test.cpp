// Whoever asks a supervisor that is not there: told at once, or when it is back.

#include "tools/ask/admin_client.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "config/process/exit_codes.h"
#include "test/support/temp_log_dir.h"

using namespace stampede;
using namespace stampede::tools;
using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// Holds a lock as a node does.
class Held {
 public:
  explicit Held(const std::string& file)
      : fd_(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    REQUIRE(::flock(fd_, LOCK_EX | LOCK_NB) == 0);
  }
  ~Held() { ::close(fd_); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

 private:
  int fd_;
};

// Answers one request that comes within ten seconds.
void serve_once(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{10, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  ::unlink(path.c_str());
  const bool listens =
      ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::listen(fd, 1) == 0;
  const int peer = listens ? ::accept(fd, nullptr, nullptr) : -1;
  char request[256];
  if (::recv(peer, request, sizeof request, 0) > 0) (void)::send(peer, "{\"ok\":true}\n", 12, 0);
  ::close(peer);
  ::close(fd);
}

struct Asked {
  std::variant<json, AdminFailure> answer;
  milliseconds took;
  int exit() const {
    const auto* failure = std::get_if<AdminFailure>(&answer);
    return failure == nullptr ? kExitDone : failure->exit;
  }
};

template <class Ask>
Asked ask(const Ask& how, const std::string& run_dir) {
  config::Config config;
  config.run_dir = run_dir;
  const auto began = steady_clock::now();
  auto answer = how(config, json{{"do", "status"}}, 10'000);
  return {std::move(answer), std::chrono::duration_cast<milliseconds>(steady_clock::now() - began)};
}

constexpr milliseconds kAtOnce{1'000};

}  // namespace

TEST_CASE("where no node runs an operator is told at once") {
  const test::TempDir run;
  const Held script(run.path() + "/scripts.lock");
  { const Held ended(run.path() + "/supervisor-1.lock"); }
  const auto asked = ask(ask_admin_for_operator, run.path());
  CHECK(asked.exit() == kExitNoConnection);
  CHECK(asked.took < kAtOnce);
  CHECK(ask(ask_admin_for_operator, run.path() + "/none").took < kAtOnce);
}

TEST_CASE("while a node runs an operator waits for its supervisor") {
  const test::TempDir run;
  const Held node(run.path() + "/broker-1.lock");
  CHECK(ask(ask_admin_or_fail, run.path()).exit() == kExitNoConnection);
  auto asking =
      std::async(std::launch::async, [&] { return ask(ask_admin_for_operator, run.path()); });
  REQUIRE(asking.wait_for(milliseconds(300)) == std::future_status::timeout);
  serve_once(run.path() + "/admin.sock");
  const auto asked = asking.get();
  REQUIRE(asked.exit() == kExitDone);
  CHECK(std::get<json>(asked.answer) == json{{"ok", true}});
  // What a supervisor that was killed leaves there; and nobody comes.
  const auto waited = ask(ask_admin_for_operator, run.path());
  CHECK(waited.exit() == kExitNoConnection);
  CHECK(waited.took >= milliseconds(4'500));
  CHECK(ask(ask_admin_or_fail, run.path()).took < kAtOnce);
}

TEST_CASE("nobody waits for the supervisor of nodes that end") {
  const test::TempDir run;
  auto node = std::make_unique<Held>(run.path() + "/supervisor-1.lock");
  auto asking =
      std::async(std::launch::async, [&] { return ask(ask_admin_for_operator, run.path()); });
  REQUIRE(asking.wait_for(milliseconds(300)) == std::future_status::timeout);
  node.reset();
  const auto asked = asking.get();
  CHECK(asked.exit() == kExitNoConnection);
  CHECK(asked.took < milliseconds(3'000));
}
