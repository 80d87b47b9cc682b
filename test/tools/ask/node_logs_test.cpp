#include "tools/ask/node_logs.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

using namespace stampede::tools;

TEST_CASE("a line of a node's log has a time, a level, a node and a text") {
  const auto line = read_log_line("2026-11-29T12:00:00.123456Z warning webapp-1 what is: so");
  CHECK(line.time == "2026-11-29T12:00:00.123456Z");
  CHECK(line.level == "warning");
  CHECK(line.node == "webapp-1");
  CHECK(line.text == "what is: so");
}

TEST_CASE("what a dying process prints is a text alone") {
  for (const char* text : {"", "terminate called", "*** unhandled exception",
                           "2026-11-29T12:00:00.1Z loud webapp-1 text", "T info webapp-1 x"}) {
    const auto line = read_log_line(text);
    CHECK(line.time.empty());
    CHECK(line.level.empty());
    CHECK(line.text == text);
  }
}

TEST_CASE("levels are ordered") {
  CHECK(log_level("info") < log_level("warning"));
  CHECK(log_level("warning") < log_level("critical"));
  CHECK_FALSE(log_level("loud"));
}

TEST_CASE("a line of a log of JSON is the same line, without its control characters") {
  const auto line = read_log_line(R"({"time":"2026-11-29T12:00:00.123456Z","level":"warning",)"
                                  R"("node":"webapp-1","text":"a\u001bb"})");
  CHECK(line.time == "2026-11-29T12:00:00.123456Z");
  CHECK(line.level == "warning");
  CHECK(line.node == "webapp-1");
  CHECK(line.text == R"(a\u001bb)");
  for (const char* text : {"{", "{}", R"({"time":1,"level":"info","node":"n","text":"t"})",
                           R"({"time":"2026-11-29T12:00:00.1Z","level":"loud"})"})
    CHECK(read_log_line(text).text == text);
}

namespace {

// What run_logs prints of the logs below a directory of its own.
class Logs {
 public:
  Logs() {
    std::string pattern = std::filesystem::temp_directory_path() / "logs-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    options_.config.run_dir = pattern;
    std::filesystem::create_directory(options_.config.run_dir / "log");
  }
  ~Logs() { std::filesystem::remove_all(options_.config.run_dir); }
  Logs(const Logs&) = delete;
  Logs& operator=(const Logs&) = delete;

  // A file whose last line is of that second of the hour.
  void write(const std::string& name, int second, const std::string& text) {
    const auto path = options_.config.run_dir / "log" / name;
    std::ofstream(path, std::ios::app) << text;
    const timespec times[2] = {{kHour + second, 0}, {kHour + second, 0}};
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
  }

  [[nodiscard]] std::string printed(const LogsWish& wish) const {
    const auto out = options_.config.run_dir / "out";
    std::fflush(stdout);
    const int kept = ::dup(STDOUT_FILENO);
    const int fd = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(fd, STDOUT_FILENO);
    CHECK(run_logs(options_, wish) == 0);
    ::dup2(kept, STDOUT_FILENO);
    ::close(kept);
    ::close(fd);
    std::ifstream in(out);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  static constexpr std::int64_t kHour = 1'796'040'000;  // 2026-11-30T12:00:00Z
 private:
  ToolOptions options_{};
};

std::string line(int second, const std::string& node, const std::string& text) {
  return "2026-11-30T12:00:" + std::to_string(second) + ".000000Z info " + node + " " + text + "\n";
}

}  // namespace

TEST_CASE("logs of several nodes and of their rotated files come in the order of their times") {
  Logs logs;
  logs.write("a-1.log.2", 11, line(10, "a-1", "oldest") + "*** it dies\n");
  logs.write("a-1.log.1", 31, line(30, "a-1", "older"));
  logs.write("a-1.log", 50, line(50, "a-1", "new"));
  logs.write("a-1.log.gz", 51, "not read");
  logs.write("a-1.log.1.gz", 51, "nor this");
  logs.write("b-1.log-20261130", 20, line(20, "b-1", "first"));
  logs.write("b-1.log", 40, line(40, "b-1", "second") + "half");
  CHECK(logs.printed({}) == line(10, "a-1", "oldest") + "*** it dies\n" + line(20, "b-1", "first") +
                                line(30, "a-1", "older") + line(40, "b-1", "second") +
                                line(50, "a-1", "new"));
  LogsWish one;
  one.node = "b";
  CHECK(logs.printed(one) == line(20, "b-1", "first") + line(40, "b-1", "second"));
  LogsWish since;
  since.since_ms = (Logs::kHour + 30) * 1'000;
  CHECK(logs.printed(since) ==
        line(30, "a-1", "older") + line(40, "b-1", "second") + line(50, "a-1", "new"));
}
