#include "config/process/throughput.h"

#include <doctest/doctest.h>
#include <sched.h>

#include <thread>

using stampede::config::prefer_throughput;
using stampede::config::run_when_idle;

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

TEST_CASE("a thread whose work can wait runs when nothing else does, and others as before") {
  int own = -1;
  std::thread([&] {
    run_when_idle();
    own = ::sched_getscheduler(0);
  }).join();
  CHECK(own == SCHED_IDLE);
  CHECK(::sched_getscheduler(0) == SCHED_OTHER);
}
