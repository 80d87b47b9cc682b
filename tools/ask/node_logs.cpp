#include "tools/ask/node_logs.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "tools/ask/moment.h"

namespace stampede::tools {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr std::array<std::string_view, 6> kLevels{"trace",   "debug", "info",
                                                  "warning", "error", "critical"};
constexpr int kLookMs = 1'000;  // for a log that was not there

// The next word of a line, which it is cut from; empty where there is none.
std::string_view take_word(std::string_view& line) {
  const auto end = std::min(line.find(' '), line.size());
  const auto word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

bool is_time(std::string_view word) {
  return word.size() >= 20 && word[4] == '-' && word[10] == 'T' && word.ends_with('Z');
}

// What is read of one node's log, further each time.
class Follower {
 public:
  Follower(std::string node, fs::path file) : node_(std::move(node)), file_(std::move(file)) {}

  struct Event {
    std::string time;  // of a line without one that of the line before it
    std::string level;
    std::string line;
    std::string node;
  };

  // All whole lines that came since the last call.
  void read(std::vector<Event>& events) {
    std::ifstream in(file_, std::ios::binary);
    std::error_code error;
    const auto size = fs::file_size(file_, error);
    if (!in || error) return;
    if (size < offset_) offset_ = 0;  // another file
    in.seekg(static_cast<std::streamoff>(offset_));
    for (std::string line; std::getline(in, line) && !in.eof();) {
      offset_ += line.size() + 1;
      add(line, events);
    }
  }

 private:
  void add(const std::string& line, std::vector<Event>& events) {
    const auto read = read_log_line(line);
    if (!read.time.empty()) {
      time_ = read.time;
      level_ = read.level;
    }
    events.push_back({time_, level_, line, node_});
  }

  std::string node_;
  fs::path file_;
  std::uint64_t offset_ = 0;
  std::string time_;
  std::string level_;
};

std::vector<std::string> logs_there(const fs::path& place) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(place, error), end; !error && at != end; at.increment(error))
    if (at->path().extension() == ".log") names.push_back(at->path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

class Printer {
 public:
  Printer(const LogsWish& wish, bool as_json)
      : as_json_(as_json), level_(log_level(wish.level).value_or(0)) {
    if (wish.since_ms) since_ = moment_text(*wish.since_ms);
  }

  // The lines of several nodes, by their times.
  void print(std::vector<Follower::Event>& events) const {
    std::stable_sort(events.begin(), events.end(),
                     [](const auto& a, const auto& b) { return a.time < b.time; });
    for (const auto& event : events)
      if (wanted(event)) print(event);
    std::fflush(stdout);
    events.clear();
  }

 private:
  [[nodiscard]] bool wanted(const Follower::Event& event) const {
    if (log_level(event.level).value_or(level_) < level_) return false;
    // Both begin with as many digits, up to the second; a fraction only makes a time later.
    return since_.empty() || event.time.compare(0, 19, since_, 0, 19) >= 0;
  }

  void print(const Follower::Event& event) const {
    if (!as_json_) {
      std::printf("%s\n", event.line.c_str());
      return;
    }
    const auto read = read_log_line(event.line);
    const bool whole = !read.time.empty();
    const json map = {{"time", event.time.empty() ? json(nullptr) : json(event.time)},
                      {"level", event.level.empty() ? json(nullptr) : json(event.level)},
                      {"node", event.node},
                      {"text", whole ? std::string(read.text) : event.line}};
    std::printf("%s\n", map.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  }

  bool as_json_;
  int level_;
  std::string since_;
};

// Wakes when a log grows or comes, or after a while.
class Waker {
 public:
  explicit Waker(const fs::path& place) : fd_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    if (fd_ >= 0) ::inotify_add_watch(fd_, place.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO);
  }
  ~Waker() {
    if (fd_ >= 0) ::close(fd_);
  }
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  void wait() const {
    std::array<char, 4096> events;
    pollfd poll{fd_, POLLIN, 0};
    ::poll(&poll, fd_ >= 0 ? 1 : 0, kLookMs);
    while (fd_ >= 0 && ::read(fd_, events.data(), events.size()) > 0) {
    }
  }

 private:
  int fd_;
};

int no_such_log(const fs::path& place, const LogsWish& wish,
                const std::vector<std::string>& names) {
  std::string list;
  for (const auto& name : names) list += (list.empty() ? "" : ", ") + name;
  const auto what = wish.node.empty() ? std::string("no log") : "no log of " + wish.node;
  const auto there = list.empty() ? "nothing has run there" : "there are: " + list;
  std::fprintf(stderr, "stampede logs: there is %s in %s; %s\n", what.c_str(), place.c_str(),
               there.c_str());
  return kExitWrongUse;
}

}  // namespace

LogLine read_log_line(std::string_view line) {
  LogLine read;
  auto rest = line;
  const auto time = take_word(rest);
  const auto level = take_word(rest);
  const auto node = take_word(rest);
  if (!is_time(time) || !log_level(level)) return {{}, {}, {}, line};
  return {time, level, node, rest};
}

std::optional<int> log_level(std::string_view word) {
  const auto found = std::find(kLevels.begin(), kLevels.end(), word);
  if (found == kLevels.end()) return std::nullopt;
  return static_cast<int>(found - kLevels.begin());
}

int run_logs(const ToolOptions& options, const LogsWish& wish) {
  const auto place = options.config.run_dir / "log";
  const auto names = logs_there(place);
  std::map<std::string, Follower> followers;
  const auto add = [&](const std::string& name) {
    const bool asked = wish.node.empty() || name == wish.node || name == wish.node + "-1" ||
                       name + "-1" == wish.node;  // the supervisor's is supervisor.log
    if (asked) followers.try_emplace(name, name, place / (name + ".log"));
  };
  for (const auto& name : names) add(name);
  if (followers.empty()) return no_such_log(place, wish, names);
  const Printer printer(wish, options.json);
  const Waker waker(place);
  std::vector<Follower::Event> events;
  for (;;) {
    for (auto& [name, follower] : followers) follower.read(events);
    printer.print(events);
    if (!wish.follow || std::ferror(stdout) != 0) return kExitDone;
    waker.wait();
    for (const auto& name : logs_there(place)) add(name);
  }
}

}  // namespace stampede::tools
