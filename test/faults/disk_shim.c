// Preloaded: the disk below one directory (DISK_SHIM_DIR) fails, or loses its power.
//
//   DISK_SHIM_CUT_AT=N      before the N-th call that writes, syncs, renames or creates there, the
//                           power goes: of what was not synced a random subset of 512-byte sectors,
//                           renames and creations is taken back, then the process is killed
//   DISK_SHIM_SEED=S        chooses the subset
//   DISK_SHIM_FAIL=CALL@N   the N-th write, fdatasync, fsync, rename or open there fails
//   DISK_SHIM_ERRNO=E       with this errno (default EIO)
//   DISK_SHIM_REPORT=FILE   gets `calls N`, for each failure `failed CALL`, and `again CALL` for any
//                           later sync of a file whose sync failed
//
// What a sync made durable stays; a directory's sync makes its names durable. Calls are serialised by
// one lock, which the cut keeps: nothing is written after it. Removed names are not brought back.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { kSector = 512, kFilesMax = 4096, kNamesMax = 4096, kFdsMax = 4096 };

// One write that was not synced: what was there before, to bring it back.
struct extent {
  struct extent *next;
  off_t offset;
  size_t bytes;
  char *before;  // NULL: nothing was there (beyond the end of the file)
};

struct file {
  ino_t inode;
  struct extent *unsynced;  // newest first
};

// A name that the directory's sync has not made durable yet.
struct name {
  char from[512];  // empty: the file was created under `to`
  char to[512];
};

static struct {
  int (*open)(const char *, int, ...);
  ssize_t (*pwrite)(int, const void *, size_t, off_t);
  int (*fdatasync)(int);
  int (*fsync)(int);
  int (*renameat2)(int, const char *, int, const char *, unsigned);
} real;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char directory[512];
static size_t directory_bytes;
static struct file files[kFilesMax];
static int file_count;
static struct name names[kNamesMax];
static int name_count;
static char watched[kFdsMax];     // 1: a file, 2: the directory
static char sync_failed[kFdsMax];
static uint64_t random_state;
static long calls, cut_at, fail_at, fail_seen;
static char fail_call[16];
static int fail_errno = EIO;

static long number_of(const char *variable) {
  const char *text = getenv(variable);
  return text == NULL ? 0 : atol(text);
}

__attribute__((constructor)) static void read_wishes(void) {
  real.open = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
  real.pwrite = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64");
  real.fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  real.fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  real.renameat2 = (int (*)(int, const char *, int, const char *, unsigned))dlsym(RTLD_NEXT,
                                                                                  "renameat2");
  const char *wanted = getenv("DISK_SHIM_DIR");
  if (wanted != NULL) snprintf(directory, sizeof directory, "%s", wanted);
  directory_bytes = strlen(directory);
  cut_at = number_of("DISK_SHIM_CUT_AT");
  random_state = (uint64_t)number_of("DISK_SHIM_SEED") * 2654435761u + 88172645463325252u;
  const char *fail = getenv("DISK_SHIM_FAIL");
  if (fail != NULL && sscanf(fail, "%15[a-z]@%ld", fail_call, &fail_at) != 2) fail_at = 0;
  if (number_of("DISK_SHIM_ERRNO") != 0) fail_errno = (int)number_of("DISK_SHIM_ERRNO");
}

static void report(const char *format, const char *what, long number) {
  const char *path = getenv("DISK_SHIM_REPORT");
  char line[64];
  const int bytes = snprintf(line, sizeof line, format, what, number);
  const int fd = path == NULL ? -1 : real.open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (fd < 0) return;
  if (write(fd, line, (size_t)bytes) != bytes) abort();
  close(fd);
}

static int coin(void) {  // xorshift64*
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return (int)((random_state * 2685821657736338717u) >> 63);
}

static int is_watched(const char *path) {
  if (directory_bytes == 0 || strncmp(path, directory, directory_bytes) != 0) return 0;
  if (path[directory_bytes] == '\0') return 2;
  return path[directory_bytes] == '/' ? 1 : 0;
}

static struct file *file_of(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) abort();
  for (int i = 0; i < file_count; ++i) {
    if (files[i].inode == status.st_ino) return &files[i];
  }
  if (file_count == kFilesMax) abort();
  files[file_count].inode = status.st_ino;
  files[file_count].unsynced = NULL;
  return &files[file_count++];
}

static void forget_unsynced(struct file *file) {
  while (file->unsynced != NULL) {
    struct extent *next = file->unsynced->next;
    free(file->unsynced->before);
    free(file->unsynced);
    file->unsynced = next;
  }
}

// Reads through an open file of its own: `fd` may be one for direct, aligned reads only.
static void read_before(int fd, struct extent *extent) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  const int own = real.open(path, O_RDONLY | O_CLOEXEC);
  if (own < 0 || pread(own, extent->before, extent->bytes, extent->offset) < 0) abort();
  close(own);
}

// Remembers what the write will overwrite, in whole sectors.
static void remember(int fd, size_t bytes, off_t offset) {
  struct extent *extent = calloc(1, sizeof *extent);
  struct stat status;
  if (extent == NULL || fstat(fd, &status) != 0) abort();
  extent->offset = offset / kSector * kSector;
  extent->bytes = (size_t)(offset - extent->offset) + bytes;
  if (extent->offset < status.st_size) {
    extent->before = calloc(1, extent->bytes);
    if (extent->before == NULL) abort();
    read_before(fd, extent);
  }
  struct file *file = file_of(fd);
  extent->next = file->unsynced;
  file->unsynced = extent;
}

// A sector that never reached the disk holds what was there before it was written.
static void drop_sectors(int fd, const struct extent *extent) {
  static const char zeros[kSector];
  for (size_t at = 0; at < extent->bytes; at += kSector) {
    const size_t left = extent->bytes - at;
    if (coin()) continue;
    const char *before = extent->before == NULL ? zeros : extent->before + at;
    real.pwrite(fd, before, left < kSector ? left : kSector, extent->offset + (off_t)at);
  }
}

static const char *path_of(ino_t inode, char *path, size_t bytes) {
  for (int fd = 3; fd < kFdsMax; ++fd) {
    struct stat status;
    if (watched[fd] != 1 || fstat(fd, &status) != 0 || status.st_ino != inode) continue;
    snprintf(path, bytes, "/proc/self/fd/%d", fd);
    return path;
  }
  return NULL;  // closed before it was synced: nothing is known about it any more
}

static void cut_power(void) {
  char path[64];
  report("%scut %ld\n", "", calls);
  for (int i = 0; i < file_count; ++i) {
    const int fd = path_of(files[i].inode, path, sizeof path) ? real.open(path, O_RDWR) : -1;
    for (struct extent *one = files[i].unsynced; fd >= 0 && one != NULL; one = one->next)
      drop_sectors(fd, one);
    if (fd >= 0) close(fd);
  }
  while (name_count > 0) {  // newest first
    const struct name *one = &names[--name_count];
    if (coin()) continue;
    if (one->from[0] == '\0') {
      unlink(one->to);
    } else {
      real.renameat2(AT_FDCWD, one->to, AT_FDCWD, one->from, 0);
    }
  }
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

static void add_name(const char *from, const char *to) {
  if (name_count == kNamesMax) abort();
  snprintf(names[name_count].from, sizeof names[0].from, "%s", from);
  snprintf(names[name_count].to, sizeof names[0].to, "%s", to);
  ++name_count;
}

// Counts the call; 1 when it has to fail. The lock is held.
static int before(const char *call) {
  ++calls;
  if (cut_at != 0 && calls == cut_at) cut_power();
  if (fail_at == 0 || strcmp(call, fail_call) != 0 || ++fail_seen != fail_at) return 0;
  report("failed %s %ld\n", call, calls);
  errno = fail_errno;
  return 1;
}

static int open_watched(const char *path, int flags, mode_t mode) {
  const int kind = real.open == NULL ? 0 : is_watched(path);
  if (kind == 0) return real.open(path, flags, mode);
  pthread_mutex_lock(&lock);
  const int fails = before("open");
  const int is_new = (flags & O_CREAT) != 0 && access(path, F_OK) != 0;
  const int fd = fails ? -1 : real.open(path, flags, mode);
  if (fd >= kFdsMax) abort();
  if (fd >= 0) {
    watched[fd] = (char)kind;
    sync_failed[fd] = 0;
    if (is_new) add_name("", path);
  }
  pthread_mutex_unlock(&lock);
  return fd;
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_watched(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_watched(path, flags, mode);
}

int close(int fd) {
  static int (*real_close)(int);
  if (real_close == NULL) real_close = (int (*)(int))dlsym(RTLD_NEXT, "close");
  if (fd >= 0 && fd < kFdsMax) watched[fd] = 0;
  return real_close(fd);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset) {
  if (fd < 0 || fd >= kFdsMax || watched[fd] == 0) return real.pwrite(fd, bytes, count, offset);
  pthread_mutex_lock(&lock);
  ssize_t written = -1;
  if (!before("write")) {
    if (cut_at != 0) remember(fd, count, offset);
    written = real.pwrite(fd, bytes, count, offset);
  }
  pthread_mutex_unlock(&lock);
  return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
  return pwrite64(fd, bytes, count, offset);
}

static int sync_watched(int fd, const char *call, int (*sync)(int)) {
  if (fd < 0 || fd >= kFdsMax || watched[fd] == 0) return sync(fd);
  pthread_mutex_lock(&lock);
  if (sync_failed[fd]) report("again %s %ld\n", call, calls);
  int result = -1;
  if (before(call)) {
    sync_failed[fd] = 1;
  } else {
    result = cut_at != 0 ? 0 : sync(fd);  // the model decides what is durable, not the disk
    if (watched[fd] == 2) name_count = 0;
    if (watched[fd] == 1) forget_unsynced(file_of(fd));
  }
  const int error = errno;
  pthread_mutex_unlock(&lock);
  errno = error;
  return result;
}

int fdatasync(int fd) { return sync_watched(fd, "fdatasync", real.fdatasync); }
int fsync(int fd) { return sync_watched(fd, "fsync", real.fsync); }

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
  if (!is_watched(from)) return real.renameat2(from_dir, from, to_dir, to, flags);
  pthread_mutex_lock(&lock);
  const int result = before("rename") ? -1 : real.renameat2(from_dir, from, to_dir, to, flags);
  if (result == 0) add_name(from, to);
  const int error = errno;
  pthread_mutex_unlock(&lock);
  errno = error;
  return result;
}

__attribute__((destructor)) static void tell_calls(void) { report("%scalls %ld\n", "", calls); }
