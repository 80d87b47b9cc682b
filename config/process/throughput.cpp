#include "config/process/throughput.h"

#include <malloc.h>
#include <sched.h>

namespace stampede::config {

namespace {

constexpr int kMiB = 1 << 20;

// Of this thread; refused by the kernel, it stays as it is.
void set_policy(int policy) {
  const sched_param none{};
  static_cast<void>(::sched_setscheduler(0, policy, &none));
}

}  // namespace

void prefer_throughput() {
  set_policy(SCHED_BATCH);
  ::mallopt(M_MMAP_THRESHOLD, 32 * kMiB);  // the most that glibc takes
  ::mallopt(M_TRIM_THRESHOLD, 256 * kMiB);
  ::mallopt(M_TOP_PAD, kMiB);
}

void run_when_idle() {
  set_policy(SCHED_IDLE);
}

}  // namespace stampede::config
