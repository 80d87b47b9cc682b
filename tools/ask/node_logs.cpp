#include "tools/ask/node_logs.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "config/process/control_escaper.h"
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

struct LogEvent {
  std::string time;  // of a line without one that of the line before it
  std::string level;
  std::string line;  // as text, whatever the node's log.format
  std::string node;
};

std::string text_line(const LogLine& read) {
  return read.time + ' ' + read.level + ' ' + read.node + ' ' + read.text;
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// A file of a log, open. It is known by its inode, whatever rotation calls it meanwhile.
struct OpenLog {
  explicit OpenLog(const fs::path& path) : file(std::fopen(path.c_str(), "rbe")) {
    if (file && (::fstat(::fileno(file.get()), &status) != 0 || !S_ISREG(status.st_mode)))
      file.reset();
  }
  [[nodiscard]] std::uint64_t size() const { return static_cast<std::uint64_t>(status.st_size); }

  std::unique_ptr<std::FILE, CloseFile> file;
  struct stat status {};
};

// Whether `name` is what rotation makes of `log`: webapp-1.log.1, webapp-1.log-20261130.
bool is_rotated(const std::string& name, const std::string& log) {
  if (name.size() < log.size() + 2 || !name.starts_with(log)) return false;
  const auto behind = name.substr(log.size());
  return (behind[0] == '.' || behind[0] == '-') &&
         behind.find_first_not_of("0123456789", 1) == std::string::npos;
}

// A node's log with what was rotated of it, the newest first: so opened, a file that is renamed
// meanwhile is met twice, and never missed.
std::vector<OpenLog> open_logs(const fs::path& log) {
  std::vector<fs::path> rotated;
  std::error_code error;
  for (fs::directory_iterator at(log.parent_path(), error), end; !error && at != end;
       at.increment(error))
    if (is_rotated(at->path().filename(), log.filename())) rotated.push_back(at->path());
  std::vector<OpenLog> open;
  const auto add = [&](const fs::path& path) {
    OpenLog one(path);
    const auto same = [&](const OpenLog& other) {
      return other.status.st_ino == one.status.st_ino;
    };
    if (one.file && std::none_of(open.begin(), open.end(), same)) open.push_back(std::move(one));
  };
  add(log);
  for (const auto& path : rotated) add(path);
  const auto later = [](const OpenLog& one, const OpenLog& other) {
    const auto& [a, b] = std::pair(one.status.st_mtim, other.status.st_mtim);
    return std::pair(a.tv_sec, a.tv_nsec) > std::pair(b.tv_sec, b.tv_nsec);
  };
  if (!open.empty()) std::sort(open.begin() + 1, open.end(), later);
  return open;
}

// What is read of one node's log, further each time.
class Follower {
 public:
  Follower(std::string node, fs::path file) : node_(std::move(node)), file_(std::move(file)) {}

  // Begins to read what came since the last time. Files that ended before `since_s` (since 1970)
  // are passed over.
  void begin(std::int64_t since_s) {
    open_ = open_logs(file_);
    for (std::size_t at = open_.size(); at-- > 0;) {
      const auto& log = open_[at];
      auto& read = read_[log.status.st_ino];
      if (log.size() < read) read = 0;  // another file, or one that was emptied
      if (at > 0 && log.status.st_mtim.tv_sec < since_s) read = log.size();
      std::fseek(log.file.get(), static_cast<long>(read), SEEK_SET);
    }
    std::erase_if(read_, [&](const auto& entry) {
      return std::none_of(open_.begin(), open_.end(),
                          [&](const OpenLog& log) { return log.status.st_ino == entry.first; });
    });
    pop();
  }

  [[nodiscard]] const LogEvent* front() const { return front_ ? &*front_ : nullptr; }

  // On to the next whole line, in the oldest file that has one.
  void pop() {
    front_.reset();
    while (!open_.empty() && !front_) {
      if (const auto line = next_line(open_.back())) {
        set_front(*line);
      } else {
        open_.pop_back();
      }
    }
  }

 private:
  std::optional<std::string> next_line(const OpenLog& log) {
    const auto length = ::getline(&buffer_.text, &buffer_.size, log.file.get());
    if (length <= 0 || buffer_.text[length - 1] != '\n') return std::nullopt;
    read_[log.status.st_ino] += static_cast<std::uint64_t>(length);
    return std::string(buffer_.text, static_cast<std::size_t>(length) - 1);
  }

  void set_front(const std::string& line) {
    const auto read = read_log_line(line);
    if (!read.time.empty()) {
      time_ = read.time;
      level_ = read.level;
    }
    front_ = LogEvent{time_, level_, read.time.empty() ? line : text_line(read), node_};
  }

  struct Buffer {  // getline's
    Buffer() = default;
    Buffer(Buffer&& other) noexcept
        : text(std::exchange(other.text, nullptr)), size(std::exchange(other.size, 0)) {}
    Buffer& operator=(Buffer&&) = delete;
    ~Buffer() { std::free(text); }
    char* text = nullptr;
    std::size_t size = 0;
  };

  std::string node_;
  fs::path file_;
  std::vector<OpenLog> open_;            // the newest first; those that are read to their end go
  std::map<ino_t, std::uint64_t> read_;  // bytes of each file
  std::optional<LogEvent> front_;
  Buffer buffer_;
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
    if (!wish.since_ms) return;
    since_ = moment_text(*wish.since_ms);
    since_s_ = *wish.since_ms / 1'000;
  }

  // What came since the last time: the lines of several nodes, by their times.
  void print(std::map<std::string, Follower>& followers) const {
    for (auto& [name, follower] : followers) follower.begin(since_s_);
    while (auto* first = earliest(followers)) {
      if (wanted(*first->front())) print(*first->front());
      first->pop();
    }
    std::fflush(stdout);
  }

 private:
  static Follower* earliest(std::map<std::string, Follower>& followers) {
    Follower* first = nullptr;
    for (auto& [name, follower] : followers) {
      if (follower.front() == nullptr) continue;
      if (first == nullptr || follower.front()->time < first->front()->time) first = &follower;
    }
    return first;
  }

  [[nodiscard]] bool wanted(const LogEvent& event) const {
    if (log_level(event.level).value_or(level_) < level_) return false;
    // Both begin with as many digits, up to the second; a fraction only makes a time later.
    return since_.empty() || event.time.compare(0, 19, since_, 0, 19) >= 0;
  }

  void print(const LogEvent& event) const {
    if (!as_json_) {
      std::printf("%s\n", event.line.c_str());
      return;
    }
    const auto read = read_log_line(event.line);
    const bool whole = !read.time.empty();
    const json map = {{"time", event.time.empty() ? json(nullptr) : json(event.time)},
                      {"level", event.level.empty() ? json(nullptr) : json(event.level)},
                      {"node", event.node},
                      {"text", whole ? read.text : event.line}};
    std::printf("%s\n", map.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  }

  bool as_json_;
  int level_;
  std::string since_;
  std::int64_t since_s_ = 0;
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
  const bool of_supervisor = wish.node == "supervisor" || wish.node == "supervisor-1";
  std::fprintf(stderr, "stampede logs: there is %s in %s; %s%s\n", what.c_str(), place.c_str(),
               there.c_str(),
               of_supervisor ? "; a service's is in the journal: journalctl -u stampede" : "");
  return kExitWrongUse;
}

// A member of a line of JSON; empty: it is no text.
std::string text_member(const json& map, const char* name) {
  const auto found = map.find(name);
  return found != map.end() && found->is_string() ? found->get<std::string>() : std::string();
}

LogLine read_json_line(std::string_view line) {
  const auto map = json::parse(line, nullptr, false);
  if (!map.is_object()) return {{}, {}, {}, std::string(line)};
  LogLine read{text_member(map, "time"), text_member(map, "level"), text_member(map, "node"), {}};
  if (!is_time(read.time) || !log_level(read.level)) return {{}, {}, {}, std::string(line)};
  config::ControlEscaper escaper(config::ControlEscaper::Layout::escaped);
  read.text = escaper.escape(text_member(map, "text")) + escaper.rest();
  return read;
}

}  // namespace

LogLine read_log_line(std::string_view line) {
  if (line.starts_with('{')) return read_json_line(line);
  auto rest = line;
  const auto time = take_word(rest);
  const auto level = take_word(rest);
  const auto node = take_word(rest);
  if (!is_time(time) || !log_level(level)) return {{}, {}, {}, std::string(line)};
  return {std::string(time), std::string(level), std::string(node), std::string(rest)};
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
  for (;;) {
    printer.print(followers);
    if (!wish.follow || std::ferror(stdout) != 0) return kExitDone;
    waker.wait();
    for (const auto& name : logs_there(place)) add(name);
  }
}

}  // namespace stampede::tools
