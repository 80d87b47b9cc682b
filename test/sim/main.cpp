// stampede_sim: runs seeds of the simulation.

#include <malloc.h>

#include <cstdio>

#include "test/sim/runner.h"

int main(int argc, char** argv) {
  // Short lives of many processes in one: keep freed memory instead of giving it back each time.
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  ::mallopt(M_TOP_PAD, 16 << 20);
  return stampede::sim::run_command({argv + 1, argv + argc});
}
