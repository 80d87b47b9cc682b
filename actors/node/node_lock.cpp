#include "actors/node/node_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "config/settings/running_nodes.h"

namespace stampede::actors {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::optional<LockHolder> read_holder(const std::filesystem::path& file) {
  std::ifstream in(file);
  const auto holder_json = nlohmann::json::parse(in, nullptr, false);
  if (!holder_json.is_object()) return std::nullopt;
  for (const char* member : {"pid", "start", "instance"}) {
    if (!holder_json.contains(member) || !holder_json.at(member).is_number_unsigned())
      return std::nullopt;
  }
  LockHolder holder;
  holder.process.pid = holder_json.at("pid").get<pid_t>();
  holder.process.start_time = holder_json.at("start").get<std::uint64_t>();
  holder.instance = holder_json.at("instance").get<std::uint64_t>();
  const auto start = start_time_of(holder.process.pid);
  if (!start || *start != holder.process.start_time) return std::nullopt;
  return holder;
}

std::string who_holds(const std::filesystem::path& file) {
  const auto holder = read_holder(file);
  const std::string who =
      holder ? "process " + std::to_string(holder->process.pid) : "another process";
  return file.string() + " is locked by " + who +
         "; this node runs already in this run directory: stop it first, or give --run-dir";
}

}  // namespace

std::istringstream process_stat(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  return std::istringstream(text.substr(text.rfind(')') + 1));  // names may hold blanks, brackets
}

std::optional<std::uint64_t> start_time_of(pid_t pid) {
  if (pid <= 0) return std::nullopt;
  auto fields = process_stat(pid);
  std::string field;
  fields >> field;  // 3: state
  if (field == "Z" || field == "X") return std::nullopt;
  for (int number = 4; number <= 21; ++number) fields >> field;
  std::uint64_t start = 0;
  return fields >> start ? std::optional(start) : std::nullopt;
}

std::variant<NodeLock, std::string> NodeLock::take(const std::filesystem::path& file,
                                                   std::uint64_t instance, int retry_ms) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored))
    std::this_thread::sleep_for(std::min(milliseconds(retry_ms), 2 * kRestoreEvery));
  // O_CLOEXEC: a child must not keep the lock after its parent's end.
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return "cannot open " + file.string() + ": " + std::strerror(errno);
  const auto deadline = steady_clock::now() + milliseconds(retry_ms);
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      ::close(fd);
      return "cannot lock " + file.string() + ": " + std::strerror(errno);
    }
    if (steady_clock::now() >= deadline) {
      ::close(fd);
      return who_holds(file);
    }
    std::this_thread::sleep_for(milliseconds(10));
  }
  const nlohmann::json holder_json = {{"pid", ::getpid()},
                                      {"start", start_time_of(::getpid()).value_or(0)},
                                      {"instance", instance}};
  const std::string text = holder_json.dump() + "\n";
  if (::ftruncate(fd, 0) != 0 ||
      ::pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    ::close(fd);
    return "cannot write " + file.string() + ": " + std::strerror(errno);
  }
  return NodeLock(file, instance, fd);
}

NodeLock::NodeLock(std::filesystem::path file, std::uint64_t instance, int fd)
    : file_(std::move(file)), instance_(instance), fd_(fd) {}

NodeLock::NodeLock(NodeLock&& other) noexcept
    : file_(std::move(other.file_)),
      instance_(other.instance_),
      fd_(std::exchange(other.fd_, -1)),
      watch_(std::exchange(other.watch_, -1)) {}

// An open file tells of its own unlinking by its attributes.
int NodeLock::watch() {
  if (watch_ >= 0) return watch_;
  watch_ = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (watch_ < 0) return -1;
  const auto file = "/proc/self/fd/" + std::to_string(fd_);
  const auto place = file_.parent_path();
  constexpr std::uint32_t kGoes = IN_MOVE_SELF | IN_DELETE_SELF;
  const bool hears = ::inotify_add_watch(watch_, file.c_str(), kGoes | IN_ATTRIB) >= 0 &&
                     ::inotify_add_watch(watch_, place.c_str(), kGoes | IN_ONLYDIR) >= 0;
  if (!hears) unwatch();
  return watch_;
}

void NodeLock::unwatch() {
  if (watch_ >= 0) ::close(std::exchange(watch_, -1));
}

bool NodeLock::restore() {
  struct stat held {};
  struct stat named {};
  if (::fstat(fd_, &held) != 0) return false;
  std::array<char, 1024> heard;
  while (watch_ >= 0 && ::read(watch_, heard.data(), heard.size()) > 0) {
  }
  if (::stat(file_.c_str(), &named) == 0 && named.st_ino == held.st_ino &&
      named.st_dev == held.st_dev)
    return true;
  unwatch();
  auto again = take(file_, instance_, 0);
  if (auto* lock = std::get_if<NodeLock>(&again)) std::swap(fd_, lock->fd_);
  return false;
}

NodeLock::~NodeLock() {
  unwatch();
  if (fd_ >= 0) ::close(fd_);
}

std::filesystem::path lock_file(const std::filesystem::path& run_dir, const std::string& node) {
  return run_dir / (node + ".lock");
}

std::optional<LockHolder> lock_holder(const std::filesystem::path& file) {
  const auto deadline = steady_clock::now() + milliseconds(200);
  while (config::is_locked(file)) {
    if (auto holder = read_holder(file)) return holder;
    if (steady_clock::now() >= deadline) return LockHolder{};
    std::this_thread::sleep_for(milliseconds(5));
  }
  return std::nullopt;
}

}  // namespace stampede::actors
