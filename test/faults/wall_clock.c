// Preloaded: shifts the wall clock of one process; the monotonic clock stays as it is.
//
// WALL_CLOCK_FILE holds one int64 in host order, nanoseconds added to every reading; it may be
// changed while the process runs (a jump). INT64_MIN freezes the clock at the next reading.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t kSecond = 1000000000;
static _Atomic int64_t *offset;
static _Atomic int64_t frozen;
static int (*real_clock)(clockid_t, struct timespec *);

__attribute__((constructor)) static void open_file(void) {
  real_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  const char *path = getenv("WALL_CLOCK_FILE");
  const int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  void *memory = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (memory != MAP_FAILED) offset = memory;
}

static int64_t shifted(int64_t now) {
  const int64_t shift = offset == NULL ? 0 : atomic_load(offset);
  if (shift != INT64_MIN) return now + shift;
  int64_t none = 0;
  atomic_compare_exchange_strong(&frozen, &none, now);
  return atomic_load(&frozen);
}

int clock_gettime(clockid_t clock, struct timespec *out) {
  if (real_clock == NULL) open_file();
  const int result = real_clock(clock, out);
  if (result != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return result;
  const int64_t now = shifted((int64_t)out->tv_sec * kSecond + out->tv_nsec);
  out->tv_sec = now / kSecond;
  out->tv_nsec = now % kSecond;
  return 0;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  out->tv_sec = now.tv_sec;
  out->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != NULL) *out = now.tv_sec;
  return now.tv_sec;
}
