#include "actors/auth/key_files.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>

#include "config/process/whole_file.h"

namespace stampede::actors {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFileBytesMax = 1 << 20;
constexpr std::size_t kKidBytes = 9;                                      // random
constexpr std::int64_t kServiceMs = std::int64_t{10} * 365 * 86'400'000;  // longer than a sale

fs::path session_keys_file(const config::Config& config) {
  return config.run_dir / "session.keys";
}

struct Descriptor {
  explicit Descriptor(int number) : fd(number) {}
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int fd;
};

struct FileText {
  std::string text;
  std::string fault;  // why there is none; empty: there is
  bool absent = false;
  unsigned mode = 0;
};

FileText unreadable(const fs::path& file) {
  return {{}, file.string() + " cannot be read: " + std::strerror(errno), errno == ENOENT, 0};
}

FileText read_file(const fs::path& file) {
  const Descriptor in(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (in.fd < 0 || ::fstat(in.fd, &status) != 0) return unreadable(file);
  if (!S_ISREG(status.st_mode)) return {{}, file.string() + " is no regular file", false, 0};
  FileText read{std::string(kFileBytesMax + 1, '\0'), {}, false, status.st_mode & 0777U};
  std::size_t size = 0;
  while (size < read.text.size()) {
    const auto got = ::read(in.fd, read.text.data() + size, read.text.size() - size);
    if (got < 0) return unreadable(file);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > kFileBytesMax) return {{}, file.string() + " is longer than 1 MiB", false, 0};
  read.text.resize(size);
  return read;
}

// For this user alone; durable on return.
std::string write_file(const fs::path& file, const std::string& text) {
  return config::write_whole(file, text, config::Outlives::machine);
}

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  ::randombytes_buf(bytes.data(), bytes.size());
  return bytes;
}

std::string exposed(const fs::path& file) {
  return file.string() + " holds a secret and may be read by others; chmod 600 it";
}

std::variant<TokenMint, std::string> mint_of(const fs::path& file, const FileText& read) {
  if (!read.fault.empty()) return read.fault;
  if ((read.mode & 077U) != 0) return exposed(file);
  if (auto mint = TokenMint::read(read.text)) return std::move(*mint);
  return file.string() +
         " is not what was written there; remove it (the sessions that the system gave end)";
}

// The one that there is, or a new one.
std::variant<TokenMint, std::string> system_mint(const config::Config& config) {
  const auto file = session_keys_file(config);
  const auto read = read_file(file);
  if (!read.absent) return mint_of(file, read);
  TokenMint made("stampede-" + to_base64url(random_bytes(kKidBytes)),
                 random_bytes(TokenMint::kSecretBytes));
  if (auto fault = write_file(file, made.jwk_set()); !fault.empty()) return fault;
  return made;
}

// Empty, or what is wrong with the file.
std::string add_shop_keys(const config::Config& config, TokenKeys& keys) {
  const auto& file = config.auth.keys_file;
  const auto read = read_file(file);
  if (!read.fault.empty()) return "auth.keys_file: " + read.fault;
  if (auto fault = keys.add(read.text, KeyOwner::shop); !fault.empty())
    return "auth.keys_file: " + file.string() + " " + fault;
  return keys.secret() && (read.mode & 077U) != 0 ? "auth.keys_file: " + exposed(file) : "";
}

}  // namespace

std::string prepare_key_files(const config::Config& config, std::int64_t now_ms) {
  const auto token = config::service_token_file(config);
  if (!config.auth.required()) {
    std::error_code ignored;
    fs::remove(token, ignored);
    return {};
  }
  const auto mint = system_mint(config);
  if (const auto* fault = std::get_if<std::string>(&mint)) return *fault;
  Session service;
  service.user = kServiceUser;
  service.service = true;
  service.expires_ms = now_ms + kServiceMs;
  auto fault = write_file(token, std::get<TokenMint>(mint).mint(service, now_ms) + "\n");
  if (!fault.empty()) return fault;
  auto keys = read_token_keys(config);
  return std::holds_alternative<std::string>(keys) ? std::get<std::string>(keys) : std::string();
}

std::string fault_of_key_files(const config::Config& config) {
  if (!config.auth.required()) return {};
  const auto own = session_keys_file(config);
  if (const auto read = read_file(own); !read.absent) {
    const auto mint = mint_of(own, read);
    if (const auto* fault = std::get_if<std::string>(&mint)) return *fault;
  }
  TokenKeys keys;
  return config.auth.keys_file.empty() ? std::string() : add_shop_keys(config, keys);
}

std::variant<TokenKeys, std::string> read_token_keys(const config::Config& config) {
  TokenKeys keys;
  const auto own = session_keys_file(config);
  const auto read = read_file(own);
  if (!read.fault.empty() && !read.absent) return read.fault;
  if (read.fault.empty()) {
    if ((read.mode & 077U) != 0) return exposed(own);
    if (auto fault = keys.add(read.text, KeyOwner::system); !fault.empty())
      return own.string() + " " + fault;
  }
  if (!config.auth.keys_file.empty())
    if (auto fault = add_shop_keys(config, keys); !fault.empty()) return fault;
  if (keys.size() == 0)
    return "auth.mode is \"required\" and there is no key to know a session by: set "
           "auth.keys_file, "
           "or start the supervisor once, which makes " +
           own.string();
  return keys;
}

std::variant<TokenMint, std::string> read_session_mint(const config::Config& config) {
  const auto file = session_keys_file(config);
  return mint_of(file, read_file(file));
}

}  // namespace stampede::actors
