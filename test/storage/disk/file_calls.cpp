#include "test/storage/disk/file_calls.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>

namespace stampede::test {

FileCalls& file_calls() {
  thread_local FileCalls calls;
  return calls;
}

}  // namespace stampede::test

namespace {

using stampede::test::file_calls;

bool is_direct(int fd) {
  return (::fcntl(fd, F_GETFL) & O_DIRECT) != 0;
}

template <class Call>
Call* next_of(const char* name) {
  return reinterpret_cast<Call*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  static auto* const real = next_of<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  auto& calls = file_calls();
  const bool direct = is_direct(fd);
  if (direct && calls.direct_writes >= calls.refuse_writes_after) {
    errno = calls.refused_with;
    return -1;
  }
  ++(direct ? calls.direct_writes : calls.other_writes);
  return real(fd, bytes, count, offset);
}

extern "C" ssize_t pread(int fd, void* bytes, size_t count, off_t offset) {
  static auto* const real = next_of<ssize_t(int, void*, size_t, off_t)>("pread");
  if (is_direct(fd)) ++file_calls().direct_reads;
  return real(fd, bytes, count, offset);
}

extern "C" int fcntl(int fd, int command, ...) {
  static auto* const real = next_of<int(int, int, ...)>("fcntl");
  va_list rest;
  va_start(rest, command);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  const bool wants_direct =
      command == F_SETFL && (reinterpret_cast<std::uintptr_t>(argument) & O_DIRECT) != 0;
  if (wants_direct && file_calls().refuse_direct) {
    errno = EINVAL;
    return -1;
  }
  return real(fd, command, argument);
}
