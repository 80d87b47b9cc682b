#include "test/support/private_mariadb.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

namespace stampede::test {
namespace {

constexpr auto kStartLimit = std::chrono::seconds(60);  // the machine may be busy

using Arguments = std::vector<std::string>;

[[noreturn]] void exec(const Arguments& arguments) {
  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  ::_exit(127);
}

struct Output {
  int status = 0;
  std::string text;  // stdout and stderr
};

Output run_program(const Arguments& arguments) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(pipe[1], STDOUT_FILENO);
    ::dup2(pipe[1], STDERR_FILENO);
    exec(arguments);
  }
  ::close(pipe[1]);
  Output output;
  std::array<char, 4096> buffer;
  for (ssize_t n = 0; (n = ::read(pipe[0], buffer.data(), buffer.size())) > 0;) {
    output.text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  ::close(pipe[0]);
  ::waitpid(pid, &output.status, 0);
  return output;
}

// Run as root the server wants to be told that root is meant.
void add_user(Arguments& arguments) {
  if (::geteuid() == 0) arguments.emplace_back("--user=root");
}

}  // namespace

PrivateMariaDb::PrivateMariaDb() {
  std::string name = "/tmp/stampede-mariadb-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed for " + name);
  dir_ = name;
  Arguments install{"mariadb-install-db", "--no-defaults", "--datadir=" + dir_ + "/data",
                    "--auth-root-authentication-method=normal", "--skip-test-db"};
  add_user(install);
  if (const auto output = run_program(install); output.status != 0) {
    throw std::runtime_error("mariadb-install-db failed: " + output.text);
  }
  start();
  run("CREATE DATABASE stampede DEFAULT CHARACTER SET utf8mb4;"
      "CREATE USER node@localhost;"
      "GRANT SELECT, INSERT, UPDATE ON stampede.* TO node@localhost");
}

PrivateMariaDb::~PrivateMariaDb() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);  // also ends a stopped one; the data is thrown away
    ::waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  std::filesystem::remove_all(dir_, ignored);
}

void PrivateMariaDb::start() {
  launch();
  wait_until_it_answers();
}

void PrivateMariaDb::launch() {
  Arguments server{"mariadbd",
                   "--no-defaults",
                   "--datadir=" + dir_ + "/data",
                   "--socket=" + socket(),
                   "--pid-file=" + dir_ + "/pid",
                   "--log-error=" + dir_ + "/err.log",
                   "--skip-networking",
                   "--skip-name-resolve",
                   "--skip-log-bin",
                   "--performance-schema=OFF",
                   "--character-set-server=utf8mb4",
                   "--innodb-buffer-pool-size=256M",
                   "--innodb-log-file-size=256M",
                   "--innodb-flush-log-at-trx-commit=1"};
  add_user(server);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    // A test that is killed must not leave its server behind.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    exec(server);
  }
}

void PrivateMariaDb::wait_until_it_answers() {
  const auto deadline = std::chrono::steady_clock::now() + kStartLimit;
  for (;;) {
    const auto ping = run_program({"mariadb-admin", "--no-defaults", "-uroot", "-S", socket(),
                                   "--connect-timeout=2", "ping"});
    if (ping.status == 0) return;
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      throw std::runtime_error("mariadbd ended at its start: " + error_log());
    }
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("mariadbd does not answer: " + error_log());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void PrivateMariaDb::signal_and_wait(int signal) {
  if (pid_ <= 0) return;
  ::kill(pid_, signal);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void PrivateMariaDb::kill9() {
  signal_and_wait(SIGKILL);
}
void PrivateMariaDb::stop() {
  signal_and_wait(SIGTERM);
}
void PrivateMariaDb::pause() {
  ::kill(pid_, SIGSTOP);
  int status = 0;
  ::waitpid(pid_, &status, WUNTRACED);  // until each of its threads stands still
}
void PrivateMariaDb::resume() {
  ::kill(pid_, SIGCONT);
}

storage::DbOptions PrivateMariaDb::as(const std::string& user, const std::string& database) const {
  storage::DbOptions options;
  options.url = "mysql://" + user + "@localhost/" + database + "?socket=" + socket();
  return options;
}

storage::DbOptions PrivateMariaDb::admin() const {
  return as("root", "stampede");
}
storage::DbOptions PrivateMariaDb::node() const {
  return as("node", "stampede");
}

std::string PrivateMariaDb::sql(const std::string& text, const std::string& user) const {
  auto output = run_program({"mariadb", "--no-defaults", "-u" + user, "-S", socket(), "-N", "-B",
                             "--raw", "--default-character-set=utf8mb4", "-e", text});
  if (output.status != 0) throw std::runtime_error(text + ": " + output.text);
  if (output.text.ends_with('\n')) output.text.pop_back();
  return output.text;
}

std::string PrivateMariaDb::error_log() const {
  std::ostringstream text;
  text << std::ifstream(dir_ + "/err.log").rdbuf();
  return text.str();
}

}  // namespace stampede::test
