#include "tools/ask/admin_client.h"

#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "config/settings/running_nodes.h"
#include "tools/ask/tool_options.h"

namespace stampede::tools {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using Answer = std::variant<json, AdminFailure>;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

constexpr milliseconds kComesBack{5'000};  // a supervisor that was killed, with a guard
constexpr milliseconds kLookAgain{50};
constexpr int kStatusMs = 2'000;

// 0, or why not.
int connect_within(milliseconds patience, int fd, const sockaddr_un& address,
                   const std::filesystem::path& run_dir) {
  const auto deadline = steady_clock::now() + patience;
  for (;;) {
    const auto* target = reinterpret_cast<const sockaddr*>(&address);
    if (::connect(fd, target, sizeof address) == 0) return 0;
    const int error = errno;
    const bool nobody = error == ENOENT || error == ECONNREFUSED;
    if (!nobody || steady_clock::now() >= deadline || !config::a_node_runs(run_dir)) return error;
    std::this_thread::sleep_for(kLookAgain);
  }
}

AdminFailure not_running(const std::string& path, int error) {
  return {"the supervisor does not answer on " + path + " (" + std::strerror(error) +
              "): start the system with scripts/start_all.sh, or name its --run-dir",
          kExitNoConnection};
}

bool send_all(int fd, const std::string& text) {
  std::size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t done = ::send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return false;
    sent += static_cast<std::size_t>(done);
  }
  return true;
}

Answer read_answer(int fd, int timeout_ms) {
  const auto deadline = steady_clock::now() + milliseconds(timeout_ms);
  std::string line;
  char buffer[64 * 1024];
  while (line.empty() || line.back() != '\n') {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0) {
      return AdminFailure{
          "the supervisor takes questions but gave no answer in time: it stands "
          "still or waits for a node; its log and the nodes' lie in log/ of the "
          "run directory",
          kExitTimedOut};
    }
    pollfd waiting{fd, POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(left.count())) <= 0) continue;
    const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      return AdminFailure{"the supervisor closed the connection before it answered; ask again",
                          kExitFailure};
    }
    line.append(buffer, static_cast<std::size_t>(got));
  }
  json answer = json::parse(line, nullptr, false);
  if (!answer.is_object()) return AdminFailure{"the answer is no JSON object", kExitFailure};
  return answer;
}

Answer ask_within(milliseconds patience, const config::Config& config, const json& request,
                  int timeout_ms) {
  const std::string path = (config.run_dir / "admin.sock").string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return not_running(path, ENAMETOOLONG);
  path.copy(address.sun_path, path.size());
  const Descriptor connection(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connection.get() < 0) return not_running(path, errno);
  // Which a supervisor that runs cannot remove, as it does with files.
  if (std::error_code ignored; std::filesystem::is_directory(path, ignored)) {
    return AdminFailure{"a directory lies at " + path +
                            ", where the supervisor takes questions, so nobody can tell whether it "
                            "runs: remove the directory; one that runs answers a moment later",
                        kExitNoConnection};
  }
  if (const int error = connect_within(patience, connection.get(), address, config.run_dir))
    return not_running(path, error);
  const std::string line = request.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  if (!send_all(connection.get(), line)) return not_running(path, errno);
  return read_answer(connection.get(), timeout_ms);
}

// An answer that holds "error" is a failure.
Answer judged(Answer answer) {
  const json* map = std::get_if<json>(&answer);
  if (map == nullptr || !map->contains("error")) return answer;
  const json& error = map->at("error");
  const std::string code = error.is_string() ? error.get<std::string>() : error.dump();
  std::string text = code;
  if (map->contains("message")) text += ": " + map->value("message", std::string{});
  for (const char* list : {"actors", "nodes"}) {
    if (map->contains(list)) text += std::string("; ") + list + ": " + map->at(list).dump();
  }
  return AdminFailure{text, map->value("exit", kExitFailure), code};
}

}  // namespace

Answer ask_admin(const config::Config& config, const json& request, int timeout_ms) {
  return ask_within(milliseconds(0), config, request, timeout_ms);
}

Answer ask_admin_or_fail(const config::Config& config, const json& request, int timeout_ms) {
  return judged(ask_admin(config, request, timeout_ms));
}

json status_or_null(const config::Config& config) {
  const auto answer = ask_admin_or_fail(config, {{"do", "status"}}, kStatusMs);
  const auto* status = std::get_if<json>(&answer);
  return status == nullptr ? json(nullptr) : *status;
}

Answer ask_admin_for_operator(const config::Config& config, const json& request, int timeout_ms) {
  return judged(ask_within(kComesBack, config, request, timeout_ms));
}

std::string mint_request_id() {
  unsigned char random[16];
  std::size_t have = 0;
  while (have < sizeof random) {
    const ssize_t got = ::getrandom(random + have, sizeof random - have, 0);
    if (got > 0) have += static_cast<std::size_t>(got);
  }
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string id;
  for (const unsigned char byte : random) {
    id += kDigits[byte >> 4];
    id += kDigits[byte & 15];
  }
  return id;
}

}  // namespace stampede::tools
