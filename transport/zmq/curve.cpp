#include "transport/zmq/curve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <sstream>
#include <system_error>

namespace stampede::transport {

namespace {

namespace fs = std::filesystem;
using Text = std::variant<std::string, std::error_code>;

std::error_code last_error() {
  return {errno, std::generic_category()};
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

Text read_open(int fd, std::size_t bytes_max) {
  std::string text(bytes_max + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const auto got = ::read(fd, text.data() + size, text.size() - size);
    if (got < 0) return last_error();
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > bytes_max) return std::make_error_code(std::errc::file_too_large);
  text.resize(size);
  return text;
}

// --- the key file ----------------------------------------------------------------------------

std::string key_file_text(const KeyPair& pair) {
  return "#   Stampede key pair. The secret key opens the system: mode 0600, never in a "
         "repository.\n"
         "metadata\ncurve\n    public-key = \"" +
         pair.public_key + "\"\n    secret-key = \"" + pair.secret_key + "\"\n";
}

// The text in quotes after `name =`; empty when there is none.
std::string quoted_value(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto start = line.find_first_not_of(" \t");
    if (start == std::string::npos || line.compare(start, name.size(), name) != 0) continue;
    const auto open = line.find('"', start + name.size());
    const auto close = line.find('"', open == std::string::npos ? open : open + 1);
    if (close != std::string::npos) return line.substr(open + 1, close - open - 1);
  }
  return {};
}

bool belong_together(const KeyPair& pair) {
  char derived[kKeyText + 1];
  return !key_bytes(pair.public_key).empty() && !key_bytes(pair.secret_key).empty() &&
         zmq_curve_public(derived, pair.secret_key.c_str()) == 0 && pair.public_key == derived;
}

// Why this file must not hold a secret; empty when it may.
std::string exposure(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return "cannot be read: " + last_error().message();
  if (!S_ISREG(status.st_mode)) return "is no regular file";
  if ((status.st_mode & 077) != 0) return "may be read or written by others; chmod 600 it";
  if (status.st_uid != ::geteuid() && status.st_uid != 0)
    return "belongs to another user; give it to the one who starts the nodes";
  return {};
}

std::variant<KeyPair, std::string> read_key_file(const fs::path& file) {
  const auto wrong = [&](const std::string& what) {
    return "curve.key_file: " + file.string() + " " + what;
  };
  const Descriptor key(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (key.fd < 0)
    return wrong("cannot be read: " + last_error().message() + "; make one: stampede keys new " +
                 file.string());
  if (const auto problem = exposure(key.fd); !problem.empty()) return wrong(problem);
  auto text = read_open(key.fd, kKeyFileBytesMax);
  if (const auto* error = std::get_if<std::error_code>(&text))
    return wrong("cannot be read: " + error->message());
  const auto& content = std::get<std::string>(text);
  KeyPair pair{quoted_value(content, "public-key"), quoted_value(content, "secret-key")};
  if (!belong_together(pair))
    return wrong(
        "holds no key pair (public-key and secret-key, 40 characters each, that belong "
        "together); make one: stampede keys new FILE");
  return pair;
}

// --- the allow-list ----------------------------------------------------------------------------

struct AllowedKeys {
  std::vector<std::string> all;
  std::vector<std::string> trusted;
};

// One public key a line; a word `trusted` may follow it. What comes then is for people, as is a
// line that starts with #.
std::variant<AllowedKeys, std::string> read_allow_file(const fs::path& file) {
  const auto wrong = [&](const std::string& what) {
    return "curve.allow_file: " + file.string() + what;
  };
  const Descriptor list(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (list.fd < 0) return wrong(" cannot be read: " + last_error().message());
  struct stat status {};
  if (::fstat(list.fd, &status) != 0 || (status.st_mode & 022) != 0)
    return wrong(" may be written by others; chmod 644 it");
  auto text = read_open(list.fd, kAllowFileBytesMax);
  if (const auto* error = std::get_if<std::error_code>(&text))
    return wrong(" cannot be read: " + error->message());
  AllowedKeys keys;
  std::istringstream lines(std::get<std::string>(text));
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::istringstream words(line);
    std::string key, mark;
    // A space comes before the comment's sign, since a key may begin with it.
    if (!(words >> key) || key == "#") continue;
    if (key_bytes(key).empty())
      return wrong(":" + std::to_string(number) +
                   ": no public key (40 characters); a comment starts with # and a space");
    keys.all.push_back(key);
    if (words >> mark && mark == "trusted") keys.trusted.push_back(key);
  }
  std::sort(keys.all.begin(), keys.all.end());
  return keys;
}

}  // namespace

std::string key_bytes(const std::string& text) {
  static const std::string kDigits =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
  if (text.size() != kKeyText || text.find_first_not_of(kDigits) != std::string::npos) return {};
  std::uint8_t bytes[kKeyBytes];
  if (zmq_z85_decode(bytes, text.c_str()) == nullptr) return {};
  return {reinterpret_cast<const char*>(bytes), kKeyBytes};
}

std::variant<CurveOptions, std::string> read_curve(const config::Curve& files) {
  CurveOptions curve;
  if (files.key_file.empty()) return curve;
  if (zmq_has("curve") == 0)
    return std::string("curve.key_file: this libzmq was built without CURVE; install Debian's");
  auto pair = read_key_file(files.key_file);
  if (auto* problem = std::get_if<std::string>(&pair)) return std::move(*problem);
  curve.own = std::get<KeyPair>(std::move(pair));
  curve.server_key = files.server_key.empty() ? curve.own.public_key : files.server_key;
  if (key_bytes(curve.server_key).empty())
    return "curve.server_key: \"" + curve.server_key + "\" is no public key (40 characters)";
  if (files.allow_file.empty()) return curve;
  auto keys = read_allow_file(files.allow_file);
  if (auto* problem = std::get_if<std::string>(&keys)) return std::move(*problem);
  curve.clients = std::move(std::get<AllowedKeys>(keys).all);
  curve.trusted = std::move(std::get<AllowedKeys>(keys).trusted);
  return curve;
}

std::variant<KeyPair, std::string> make_key_file(const fs::path& file) {
  char public_key[kKeyText + 1];
  char secret_key[kKeyText + 1];
  if (zmq_curve_keypair(public_key, secret_key) != 0)
    return std::string("no key pair to be had: ") + zmq_strerror(zmq_errno());
  KeyPair pair{public_key, secret_key};
  ::explicit_bzero(secret_key, sizeof secret_key);
  const Descriptor made(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (made.fd < 0) {
    const bool there = errno == EEXIST;
    return "cannot make " + file.string() + ": " + last_error().message() +
           (there ? "; a key is never overwritten: name another file or move this one away" : "");
  }
  const std::string text = key_file_text(pair);
  if (::write(made.fd, text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::fsync(made.fd) != 0)
    return "cannot write " + file.string() + ": " + last_error().message();
  return pair;
}

}  // namespace stampede::transport
