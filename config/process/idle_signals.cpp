#include "config/process/idle_signals.h"

#include <csignal>
#include <initializer_list>

namespace stampede::config {

void ignore_idle_signals() {
  for (const int number :
       {SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR}) {
    ::signal(number, SIG_IGN);
  }
}

}  // namespace stampede::config
