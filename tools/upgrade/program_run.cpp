#include "tools/upgrade/program_run.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

extern "C" {  // glibc 2.36 forgot it in the header
#include <sys/pidfd.h>
}

namespace stampede::tools {
namespace {

namespace fs = std::filesystem;

std::string entry_of(pid_t pid, const char* name) {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

std::string contents(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Texts that each end with a zero byte.
std::vector<std::string> texts_of(const std::string& bytes) {
  std::vector<std::string> texts;
  for (std::size_t begin = 0; begin < bytes.size();) {
    const auto end = std::min(bytes.find('\0', begin), bytes.size());
    texts.push_back(bytes.substr(begin, end - begin));
    begin = end + 1;
  }
  return texts;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (auto& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// A file without a name, for what a program prints.
class Catch {
 public:
  Catch() : fd_(::memfd_create("output", MFD_CLOEXEC)) {}
  ~Catch() { ::close(fd_); }
  Catch(const Catch&) = delete;
  Catch& operator=(const Catch&) = delete;
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] std::string text() const {
    std::string text;
    std::array<char, 4096> buffer;
    ssize_t got = 0;
    while ((got = ::pread(fd_, buffer.data(), buffer.size(), static_cast<off_t>(text.size()))) > 0)
      text.append(buffer.data(), static_cast<std::size_t>(got));
    return text;
  }

 private:
  int fd_;
};

// posix_spawn in another's place; 0 and the child, or the error.
int spawn(pid_t& child, const std::string& program, ProcessWords as, int out, int err,
          short flags) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawnattr_init(&attributes);
  if (!as.directory.empty()) ::posix_spawn_file_actions_addchdir_np(&files, as.directory.c_str());
  ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, out, 1);
  ::posix_spawn_file_actions_adddup2(&files, err, 2);
  ::posix_spawn_file_actions_addclosefrom_np(&files, 3);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(
      &attributes, static_cast<short>(flags | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
  auto argv = pointers(as.words);
  auto env = pointers(as.environment);
  const int error =
      ::posix_spawn(&child, program.c_str(), &files, &attributes, argv.data(), env.data());
  ::posix_spawn_file_actions_destroy(&files);
  ::posix_spawnattr_destroy(&attributes);
  return error;
}

bool ends_within(pid_t child, std::chrono::milliseconds time) {
  const int fd = ::pidfd_open(child, 0);
  if (fd < 0) return false;
  pollfd end{fd, POLLIN, 0};
  const bool ended = ::poll(&end, 1, static_cast<int>(time.count())) == 1;
  ::close(fd);
  return ended;
}

}  // namespace

ProcessWords words_of_process(pid_t pid) {
  std::error_code error;
  ProcessWords found;
  found.words = texts_of(contents(entry_of(pid, "cmdline")));
  found.environment = texts_of(contents(entry_of(pid, "environ")));
  found.directory = fs::read_symlink(entry_of(pid, "cwd"), error).string();
  return found;
}

pid_t parent_of(pid_t pid) {
  const auto stat = contents(entry_of(pid, "stat"));
  const auto name_end = stat.rfind(')');
  if (name_end == std::string::npos || stat.size() < name_end + 4) return 0;
  return static_cast<pid_t>(std::strtol(stat.c_str() + name_end + 4, nullptr, 10));
}

std::string exe_of(pid_t pid) {
  return entry_of(pid, "exe");
}

std::string program_path(pid_t pid) {
  constexpr std::string_view kDeleted = " (deleted)";
  std::error_code error;
  auto path = fs::read_symlink(exe_of(pid), error).string();
  if (path.ends_with(kDeleted)) path.resize(path.size() - kDeleted.size());
  return path;
}

bool has_word(const ProcessWords& process, const std::string& word) {
  return std::find(process.words.begin(), process.words.end(), word) != process.words.end();
}

std::string variable_of(const ProcessWords& process, const std::string& name) {
  for (const auto& entry : process.environment)
    if (entry.starts_with(name + "=")) return entry.substr(name.size() + 1);
  return {};
}

ProgramEnd run_to_end(const std::string& program, const ProcessWords& as,
                      std::chrono::milliseconds within) {
  const Catch out;
  const Catch err;
  ProgramEnd end;
  pid_t child = 0;
  if (const int error = spawn(child, program, as, out.fd(), err.fd(), 0)) {
    end.fault = program + " cannot be started: " + std::strerror(error);
    return end;
  }
  if (!ends_within(child, within)) {
    ::kill(child, SIGKILL);
    end.fault =
        program + " does not say what it is within " + std::to_string(within.count() / 1000) + " s";
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  end.exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  end.output = out.text();
  end.errors = err.text();
  return end;
}

std::string start_apart(const std::string& program, const ProcessWords& as,
                        const std::string& log) {
  const char* place = log.empty() ? "/dev/null" : log.c_str();
  const int out = ::open(place, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (out < 0) return std::string("cannot open ") + place + ": " + std::strerror(errno);
  pid_t child = 0;
  const int error = spawn(child, program, as, out, out, POSIX_SPAWN_SETSID);
  ::close(out);
  return error == 0 ? std::string{} : program + " cannot be started: " + std::strerror(error);
}

}  // namespace stampede::tools
