#include "config/process/throughput.h"

#include <doctest/doctest.h>
#include <sched.h>

#include <stdexcept>
#include <thread>

using stampede::config::do_when_idle;
using stampede::config::prefer_throughput;

TEST_CASE("threads that are started later wait for their turn, others are left as they are") {
  int own = -1;
  int later = -1;
  std::thread([&] {
    prefer_throughput();
    own = ::sched_getscheduler(0);
    std::thread([&] { later = ::sched_getscheduler(0); }).join();
  }).join();
  CHECK(own == SCHED_BATCH);
  CHECK(later == SCHED_BATCH);
  CHECK(::sched_getscheduler(0) == SCHED_OTHER);
}

TEST_CASE("work that can wait runs when nothing else does, and nobody else so") {
  int policy = -1;
  CHECK(do_when_idle([&] { policy = ::sched_getscheduler(0); }));
  CHECK(policy == SCHED_IDLE);
  CHECK(::sched_getscheduler(0) == SCHED_OTHER);
  CHECK_THROWS_WITH(do_when_idle([] { throw std::runtime_error("no"); }), "no");
}
