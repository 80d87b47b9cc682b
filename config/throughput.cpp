#include "config/throughput.h"

#include <malloc.h>
#include <sched.h>

namespace stampede::config {

namespace {

constexpr int kMiB = 1 << 20;

}  // namespace

void prefer_throughput() {
  const sched_param normal{};
  static_cast<void>(::sched_setscheduler(0, SCHED_BATCH, &normal));
  ::mallopt(M_MMAP_THRESHOLD, 32 * kMiB);  // the most that glibc takes
  ::mallopt(M_TRIM_THRESHOLD, 256 * kMiB);
  ::mallopt(M_TOP_PAD, kMiB);
}

void run_when_idle() {
  const sched_param none{};
  static_cast<void>(::sched_setscheduler(0, SCHED_IDLE, &none));
}

}  // namespace stampede::config
