#pragma once

// A MariaDB of a test's own: a fresh data directory under /tmp, a unix socket, nothing on the
// network, innodb_flush_log_at_trx_commit = 1. Thread-compatible. The destructor ends the server it
// started and removes the directory. Throws std::runtime_error with the server's error log when
// something fails: a test without its database must fail.

#include <sys/types.h>

#include <string>

#include "storage/mysql/db_options.h"

namespace stampede::test {

class PrivateMariaDb {
 public:
  PrivateMariaDb();  // installs, starts, waits until it answers, makes the nodes' user
  ~PrivateMariaDb();
  PrivateMariaDb(const PrivateMariaDb&) = delete;
  PrivateMariaDb& operator=(const PrivateMariaDb&) = delete;

  void kill9();   // SIGKILL, and waits for the process's end
  void stop();    // clean shutdown, and waits
  void start();   // after kill9 or stop, same data; waits until it answers
  void pause();   // SIGSTOP
  void resume();  // SIGCONT

  [[nodiscard]] storage::DbOptions admin() const;  // root without password: may do everything
  [[nodiscard]] storage::DbOptions node() const;   // SELECT, INSERT, UPDATE on `stampede` only
  [[nodiscard]] storage::DbOptions as(const std::string& user, const std::string& database) const;
  [[nodiscard]] std::string socket() const { return dir_ + "/s.sock"; }

  // Runs SQL through the command line client, an independent witness; returns its output: rows by
  // line, columns by tab, without the last line's end. Throws with the client's words on errors.
  [[nodiscard]] std::string sql(const std::string& text, const std::string& user = "root") const;
  void run(const std::string& text) const { (void)sql(text); }

 private:
  void launch();
  void wait_until_it_answers();
  void signal_and_wait(int signal);
  [[nodiscard]] std::string error_log() const;

  std::string dir_;
  pid_t pid_ = -1;
};

}  // namespace stampede::test
