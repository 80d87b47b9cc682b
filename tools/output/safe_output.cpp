#include "tools/output/safe_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ext/stdio_sync_filebuf.h>
#include <iostream>
#include <string>
#include <utility>

#include "config/process/exit_codes.h"

namespace stampede::tools {
namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;
constexpr std::size_t kKeptBytes = 16 * 1024;

// A stream of C and where it ends.
struct Sink {
  int fd;
  ControlEscaper escaper;
  int error = 0;  // the first one
  bool used = false;
  std::string kept{};  // of stderr, what was said first
};

bool write_all(Sink& sink, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::write(sink.fd, bytes.data(), bytes.size());
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) {
      if (sink.error == 0) sink.error = sent < 0 ? errno : EIO;
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

Sink& standard_output() {
  static Sink out{STDOUT_FILENO, ControlEscaper{}};
  return out;
}

Sink& standard_error() {
  static Sink err{STDERR_FILENO, ControlEscaper{}};
  return err;
}

ssize_t write_sink(void* cookie, const char* bytes, std::size_t size) {
  auto& sink = *static_cast<Sink*>(cookie);
  sink.used = sink.used || size > 0;
  if (sink.fd == STDERR_FILENO && sink.kept.size() < kKeptBytes)
    sink.kept.append(bytes, std::min(size, kKeptBytes - sink.kept.size()));
  return write_all(sink, sink.escaper.escape({bytes, size})) ? static_cast<ssize_t>(size) : 0;
}

int close_sink(void* cookie) {
  auto& sink = *static_cast<Sink*>(cookie);
  return write_all(sink, sink.escaper.rest()) ? 0 : EOF;
}

// `sink` lives as long as the process: streams are flushed at its very end.
std::FILE* open_sink(Sink& sink, int mode) {
  cookie_io_functions_t functions{};
  functions.write = write_sink;
  functions.close = close_sink;
  std::FILE* stream = ::fopencookie(&sink, "w", functions);
  if (stream != nullptr) std::setvbuf(stream, nullptr, mode, mode == _IONBF ? 0 : kBufferBytes);
  return stream;
}

void redirect(std::FILE*& standard, std::ostream& stream, Sink& sink, int mode) {
  std::FILE* const made = open_sink(sink, mode);
  if (made == nullptr) return;
  standard = made;
  static_cast<void>(stream.rdbuf(new __gnu_cxx::stdio_sync_filebuf<char>(made)));
}

}  // namespace

void escape_what_is_printed() {
  redirect(stdout, std::cout, standard_output(), ::isatty(STDOUT_FILENO) == 1 ? _IOLBF : _IOFBF);
  redirect(stderr, std::cerr, standard_error(), _IONBF);
}

void hold_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) != -1) continue;
    // The lowest free number is this one; what only reads refuses what is printed.
    if (::open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd) return;
  }
}

bool printed_nothing() {
  std::cout.flush();
  std::fflush(stdout);
  return !standard_output().used;
}

std::string said_on_stderr() {
  return standard_error().kept;
}

int whole_output_or_failure(int code) {
  errno = 0;
  std::cout.flush();
  const bool lost = std::fflush(stdout) != 0 || std::ferror(stdout) != 0 || !std::cout;
  int error = standard_output().error != 0 ? standard_output().error : errno;
  // Some file systems tell at the close that there was no room.
  if (::close(STDOUT_FILENO) == 0 && !lost) return code;
  if (!lost || error == 0) error = errno;
  std::fprintf(stderr, "stampede: the output is not whole: %s\n",
               error != 0 ? std::strerror(error) : "it cannot be written");
  return code == kExitDone ? kExitIo : code;
}

}  // namespace stampede::tools
