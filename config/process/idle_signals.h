#pragma once

namespace stampede::config {

// Signals that end a process unless it says otherwise, and that a service is sent without meaning
// its end: SIGHUP (a terminal that is closed, log rotation), SIGUSR1 and SIGUSR2 (log rotation,
// by habit), SIGPIPE (a reader that went away), SIGXFSZ (a limit on files: the write fails, too),
// SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR. From now on nothing happens; what asked for one gets
// its error instead. Call it before threads start; processes that are started anew begin as usual.
void ignore_idle_signals();

}  // namespace stampede::config
