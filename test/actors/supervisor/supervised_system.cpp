#include "test/actors/supervisor/supervised_system.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <stdexcept>

#include "actors/node/node_lock.h"
#include "test/support/eventually.h"
#include "tools/ask/admin_client.h"

namespace stampede::test {
namespace {

using nlohmann::json;

constexpr int kAnswerMs = 20'000;

bool is_free(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const bool free = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return free;
}

constexpr int kHttpOffset = 50;

// A base whose ports nobody listens on now. Below the range from which the kernel takes the ports
// of outgoing connections, and between those that test/system/system.py takes.
int free_port_base() {
  std::random_device random;
  for (int attempt = 0; attempt < 100; ++attempt) {
    const int base = 10'200 + 300 * static_cast<int>(random() % 70);
    bool all = is_free(base + kHttpOffset);
    for (int port = base; port < base + 22; ++port) all = all && is_free(port);
    if (all) return base;
  }
  throw std::runtime_error("no free range of ports");
}

std::string new_directory() {
  std::string path = (std::filesystem::temp_directory_path() / "stampede-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("no temporary directory");
  return path;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> made;
  for (auto& text : texts) made.push_back(text.data());
  made.push_back(nullptr);
  return made;
}

}  // namespace

SupervisedSystem::SupervisedSystem(const std::string& nodes, bool guard,
                                   std::vector<std::string> environment)
    : directory_(new_directory()), environment_(std::move(environment)) {
  config_.run_dir = directory_;
  environment_.push_back("STAMPEDE_RUN_DIR=" + directory_);
  const int base = free_port_base();
  environment_.push_back("STAMPEDE_NET__PORT_BASE=" + std::to_string(base));
  environment_.push_back("STAMPEDE_WEBAPP__HTTP=127.0.0.1:" + std::to_string(base + kHttpOffset));
  environment_.push_back("STAMPEDE_SUPERVISOR__HEARTBEAT_MS=50");
  environment_.push_back("STAMPEDE_SUPERVISOR__MISSED_HEARTBEATS_MAX=20");
  std::vector<std::string> arguments{"supervisor", "--nodes", nodes};
  if (guard) arguments.push_back("--guard");
  pid_ = spawn(arguments);
}

SupervisedSystem::~SupervisedSystem() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  // The supervisor first, or it would start again what is killed after it.
  for (const char* node : {"supervisor-1", "webapp-1", "broker-1", "backend-1"}) {
    const auto holder = actors::lock_holder(actors::lock_file(directory_, node));
    if (holder && holder->process.pid > 0) ::kill(holder->process.pid, SIGKILL);
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

pid_t SupervisedSystem::spawn(const std::vector<std::string>& arguments) const {
  std::vector<std::string> words{STAMPEDE_BINARY};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables = environment_;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string(*entry).starts_with("STAMPEDE_")) variables.emplace_back(*entry);
  }
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  const std::string output = directory_ + "/output.log";
  ::posix_spawn_file_actions_addopen(&files, 1, output.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                     0600);
  ::posix_spawn_file_actions_adddup2(&files, 1, 2);
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, STAMPEDE_BINARY, &files, nullptr, pointers(words).data(),
                                  pointers(variables).data());
  ::posix_spawn_file_actions_destroy(&files);
  if (error != 0) throw std::runtime_error("cannot start " STAMPEDE_BINARY);
  return pid;
}

json SupervisedSystem::ask(const json& request) const {
  const auto answer = tools::ask_admin(config_, request, kAnswerMs);
  if (const auto* map = std::get_if<json>(&answer)) return *map;
  return {{"failed", std::get<tools::AdminFailure>(answer).message}};
}

json SupervisedSystem::node(const std::string& name) const {
  const json status = ask({{"do", "status"}});
  for (const json& entry : status.value("nodes", json::array())) {
    if (entry.value("node", std::string{}) == name) return entry;
  }
  return nullptr;
}

std::string SupervisedSystem::state(const std::string& name) const {
  const json entry = node(name);
  return entry.is_object() ? entry.value("state", std::string{}) : std::string{};
}

pid_t SupervisedSystem::pid(const std::string& name) const {
  const json entry = node(name);
  return entry.is_object() && entry["pid"].is_number() ? entry["pid"].get<pid_t>() : 0;
}

bool SupervisedSystem::ready(const std::string& name, pid_t not_this) const {
  return eventually([&] {
    const json entry = node(name);
    return entry.is_object() && entry["state"] == "ready" && entry["pid"] != not_this;
  });
}

int SupervisedSystem::run(const std::vector<std::string>& arguments) const {
  const pid_t pid = spawn(arguments);
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

int SupervisedSystem::wait_for_end() {
  int status = 0;
  if (!eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; })) return -1;
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::vector<pid_t> SupervisedSystem::alive() const {
  std::vector<pid_t> pids;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    if (entry.path().extension() != ".lock") continue;
    if (const auto holder = actors::lock_holder(entry.path())) pids.push_back(holder->process.pid);
  }
  return pids;
}

}  // namespace stampede::test
