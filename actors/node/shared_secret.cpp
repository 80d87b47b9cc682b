#include "actors/node/shared_secret.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

namespace stampede::actors {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLine = 2 * sizeof(SharedSecret) + 1;
constexpr std::string_view kDigits = "0123456789abcdef";

std::string failed(const char* what, const fs::path& file) {
  return std::string("cannot ") + what + " " + file.string() + ": " + std::strerror(errno);
}

class OpenFile {
 public:
  OpenFile(const fs::path& file, int flags) : fd_(::open(file.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

std::optional<SharedSecret> parse(std::string_view line) {
  if (line.size() != kLine || line.back() != '\n') return std::nullopt;
  SharedSecret secret;
  for (std::size_t i = 0; i < secret.size(); ++i) {
    const auto high = kDigits.find(line[2 * i]);
    const auto low = kDigits.find(line[2 * i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    secret[i] = static_cast<std::uint8_t>(high << 4U | low);
  }
  return secret;
}

std::variant<SharedSecret, std::string> read_secret(const fs::path& file, int fd) {
  struct stat about {};
  if (::fstat(fd, &about) != 0) return failed("look at", file);
  if ((about.st_mode & 077U) != 0)
    return file.string() + " is open to others: chmod 600 " + file.string();
  std::array<char, kLine + 1> line;
  const auto size = ::read(fd, line.data(), line.size());
  if (size < 0) return failed("read", file);
  if (const auto secret = parse({line.data(), static_cast<std::size_t>(size)})) return *secret;
  return file.string() + " does not hold a secret of 64 hex digits; remove it, and it is made anew";
}

std::string random_line() {
  SharedSecret secret;
  if (::getrandom(secret.data(), secret.size(), 0) != static_cast<ssize_t>(secret.size()))
    return {};
  std::string line;
  for (const auto byte : secret) (line += kDigits[byte >> 4U]) += kDigits[byte & 15U];
  return line + '\n';
}

// Under its own name first, so that nobody finds half of it. Whoever was faster has made it.
std::optional<std::string> make_secret(const fs::path& file) {
  const fs::path draft = file.string() + "." + std::to_string(::getpid()) + ".tmp";
  ::unlink(draft.c_str());
  const OpenFile made(draft, O_WRONLY | O_CREAT | O_EXCL);
  if (made.fd() < 0) return failed("make", draft);
  const auto line = random_line();
  const bool written = line.size() == kLine &&
                       ::write(made.fd(), line.data(), line.size()) == ssize_t{kLine} &&
                       ::fsync(made.fd()) == 0;
  const bool linked = written && (::link(draft.c_str(), file.c_str()) == 0 || errno == EEXIST);
  auto wrong = linked ? std::nullopt : std::optional(failed("make", file));
  ::unlink(draft.c_str());
  const OpenFile dir(file.parent_path(), O_RDONLY | O_DIRECTORY);
  if (!wrong && (dir.fd() < 0 || ::fsync(dir.fd()) != 0)) wrong = failed("make", file);
  return wrong;
}

}  // namespace

std::variant<SharedSecret, std::string> shared_secret(const fs::path& file) {
  {
    const OpenFile there(file, O_RDONLY | O_NONBLOCK);  // it may be a pipe
    if (there.fd() >= 0) return read_secret(file, there.fd());
    if (errno != ENOENT) return failed("read", file);
  }
  if (auto wrong = make_secret(file)) return *wrong;
  const OpenFile made(file, O_RDONLY | O_NONBLOCK);
  if (made.fd() < 0) return failed("read", file);
  return read_secret(file, made.fd());
}

fs::path ticket_key_file(const fs::path& run_dir) {
  return run_dir / "ticket.key";
}

}  // namespace stampede::actors
