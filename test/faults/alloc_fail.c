// Preloaded: the ALLOC_FAIL_AT-th allocation of the process that comes after the file ALLOC_FAIL_ARMED
// has appeared fails (0 or no variable: none). The file is looked for every 256 allocations.

#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);

static _Atomic long left = -1;  // -1: not armed yet
static _Atomic unsigned long seen;
static const char *armed_file;
static long fail_at;

__attribute__((constructor)) static void read_wishes(void) {
  const char *number = getenv("ALLOC_FAIL_AT");
  armed_file = getenv("ALLOC_FAIL_ARMED");
  fail_at = number == NULL || armed_file == NULL ? 0 : atol(number);
}

static int must_fail(void) {
  if (fail_at == 0) return 0;
  if (atomic_load(&left) < 0) {
    if (atomic_fetch_add(&seen, 1) % 256 != 0 || access(armed_file, F_OK) != 0) return 0;
    long none = -1;
    atomic_compare_exchange_strong(&left, &none, fail_at);
    return 0;
  }
  if (atomic_load(&left) == 0 || atomic_fetch_sub(&left, 1) != 1) return 0;
  errno = ENOMEM;
  return 1;
}

void *malloc(size_t bytes) { return must_fail() ? NULL : __libc_malloc(bytes); }

void *calloc(size_t count, size_t bytes) {
  return must_fail() ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes) { return must_fail() ? NULL : __libc_realloc(old, bytes); }
