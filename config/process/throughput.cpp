#include "config/process/throughput.h"

#include <malloc.h>
#include <sched.h>

#include <future>
#include <system_error>
#include <thread>
#include <utility>

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

bool do_when_idle(const std::function<void()>& work) {
  std::packaged_task<void()> task([&] {
    set_policy(SCHED_IDLE);
    work();
  });
  auto done = task.get_future();
  std::thread thread;
  try {
    thread = std::thread(std::move(task));
  } catch (const std::system_error&) {
    return false;
  }
  thread.join();
  done.get();
  return true;
}

}  // namespace stampede::config
