#include "actors/supervisor/program_file.h"

#include <linux/close_range.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string_view>

namespace stampede::actors {
namespace {

constexpr std::string_view kDeleted = " (deleted)";

std::string exe_of(pid_t pid) {
  return "/proc/" + std::to_string(pid) + "/exe";
}

}  // namespace

std::vector<char*> argument_vector(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (auto& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

std::vector<char*> environment_for(bool pass_on, std::string& own) {
  std::vector<char*> kept;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const bool failpoints = std::string_view(*entry).starts_with("STAMPEDE_FAILPOINTS=");
    if (!failpoints || (pass_on && own.empty())) kept.push_back(*entry);
  }
  if (!own.empty()) kept.push_back(own.data());
  kept.push_back(nullptr);
  return kept;
}

std::string to_text(const ProgramFile& file) {
  return std::to_string(file.device) + ":" + std::to_string(file.inode);
}

std::optional<ProgramFile> program_of(pid_t pid) {
  struct stat found {};
  if (::stat(exe_of(pid).c_str(), &found) != 0) return std::nullopt;
  return ProgramFile{found.st_dev, found.st_ino};
}

ProgramFile own_program() {
  static const ProgramFile own = program_of(::getpid()).value_or(ProgramFile{});
  return own;
}

std::string own_program_path() {
  std::array<char, PATH_MAX> path;
  const auto size = ::readlink("/proc/self/exe", path.data(), path.size());
  std::string_view text(path.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  if (text.ends_with(kDeleted)) text.remove_suffix(kDeleted.size());
  return std::string(text);
}

bool runs_another_program(pid_t pid) {
  const auto program = program_of(pid);
  return program && *program != own_program();
}

std::string become_program(const std::string& program, std::vector<std::string> words) {
  auto argv = argument_vector(words);
  std::string no_failpoints;
  auto env = environment_for(false, no_failpoints);
  ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  ::execve(program.c_str(), argv.data(), env.data());
  return program + " cannot be started: " + std::strerror(errno);
}

}  // namespace stampede::actors
