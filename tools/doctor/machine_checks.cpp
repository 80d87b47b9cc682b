// Of the machine and its files: run directory, disk, descriptors, clock; and the nodes.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>

#include "config/process/wall_clock.h"
#include "config/settings/lost_place.h"
#include "config/settings/trusted_place.h"
#include "tools/ask/status.h"
#include "tools/doctor/doctor.h"

namespace stampede::tools {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr rlim_t kDescriptorsWanted = 65'536;
constexpr rlim_t kDescriptorsNeeded = 1'024;
constexpr int kSyncs = 15;
constexpr std::size_t kSyncBytes = 4'096;
constexpr std::size_t kWriteBytes = std::size_t{8} << 20;
constexpr double kSlowSyncMs = 10;
constexpr double kSlowWriteMbS = 50;
constexpr std::uint64_t kSegmentsNeeded = 3;  // the present one, the spare and the next
constexpr std::uint64_t kRoomWanted = std::uint64_t{2} << 30;
constexpr std::int64_t kFutureMs = 10'000;

std::string mega(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, bytes >= 1e9 ? "%.1f GB" : "%.0f MB",
                bytes >= 1e9 ? bytes / 1e9 : bytes / 1e6);
  return text;
}

// The nearest directory that is there: a log's is made at the first start.
fs::path existing(fs::path place) {
  std::error_code error;
  while (!fs::is_directory(place, error) && place.has_relative_path()) place = place.parent_path();
  return place;
}

// A file without a name, gone with its descriptor.
class Scratch {
 public:
  explicit Scratch(const fs::path& place)
      : fd_(::open(place.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600)) {}
  ~Scratch() {
    if (fd_ >= 0) ::close(fd_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  // Milliseconds until the bytes are on the disk; nothing: it failed, see errno.
  [[nodiscard]] std::optional<double> write(const std::string& bytes) const {
    const auto began = steady_clock::now();
    if (::write(fd_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
      return std::nullopt;
    if (::fdatasync(fd_) != 0) return std::nullopt;
    return std::chrono::duration<double, std::milli>(steady_clock::now() - began).count();
  }

 private:
  int fd_;
};

Finding cannot_write(const fs::path& place) {
  return {"disk speed", errno == EOPNOTSUPP ? Verdict::warn : Verdict::fail,
          "cannot write in " + place.string() + ": " + std::strerror(errno),
          errno == EOPNOTSUPP ? "its file system has no unnamed files, so it was not measured"
                              : "give the directory room and to this user"};
}

Finding disk_speed(const fs::path& place) {
  const Scratch scratch(place);
  if (!scratch.is_open()) return cannot_write(place);
  std::array<double, kSyncs> syncs{};
  for (auto& sync : syncs) {
    const auto took = scratch.write(std::string(kSyncBytes, 'x'));
    if (!took) return cannot_write(place);
    sync = *took;
  }
  const auto large = scratch.write(std::string(kWriteBytes, 'x'));
  if (!large) return cannot_write(place);
  std::sort(syncs.begin(), syncs.end());
  const double middle = syncs[kSyncs / 2];
  const double mb_s = static_cast<double>(kWriteBytes) / 1e3 / std::max(*large, 1e-3);
  char text[160];
  std::snprintf(text, sizeof text, "a sync takes %.2f ms (worst of %d: %.2f ms), writes %.0f MB/s",
                middle, kSyncs, syncs.back(), mb_s);
  const bool slow = middle > kSlowSyncMs || mb_s < kSlowWriteMbS;
  return {"disk speed", slow ? Verdict::warn : Verdict::ok, text,
          slow ? "every answer waits for a sync: put log.dir on a faster disk" : ""};
}

Finding disk_room(const config::Config& config, const fs::path& place) {
  struct statvfs room {};
  if (::statvfs(place.c_str(), &room) != 0)
    return {"disk room", Verdict::fail, place.string() + ": " + std::strerror(errno),
            "name a directory of this machine as log.dir"};
  const auto left = std::uint64_t{room.f_bavail} * room.f_frsize;
  const auto needed = kSegmentsNeeded * config.log.segment_bytes;
  const auto verdict = left < needed        ? Verdict::fail
                       : left < kRoomWanted ? Verdict::warn
                                            : Verdict::ok;
  const char* what = "make room, or lower log.retain_s: when it is full new orders are overloaded";
  return {"disk room", verdict, mega(static_cast<double>(left)) + " left in " + place.string(),
          verdict == Verdict::ok ? "" : what};
}

// When the log was written last; 0: there is none.
std::int64_t last_written_ms(const fs::path& dir) {
  std::int64_t newest = 0;
  std::error_code error;
  for (fs::directory_iterator at(dir, error), end; !error && at != end; at.increment(error)) {
    struct stat file {};
    if (::stat(at->path().c_str(), &file) == 0)
      newest = std::max<std::int64_t>(newest, std::int64_t{file.st_mtim.tv_sec} * 1000);
  }
  return newest;
}

Finding node_finding(const json& node) {
  const auto name = node.value("node", std::string{});
  const auto state = node.value("state", std::string{});
  const auto text_of = [&](const char* member) {
    const auto found = node.find(member);
    return found != node.end() && found->is_string() ? found->get<std::string>() : std::string{};
  };
  if (state == "ready" && text_of("refuses").empty())
    return {"node", Verdict::ok, name + " ready", {}};
  if (state == "ready")
    return {"node", Verdict::warn, name + ": " + text_of("refuses"), "see above"};
  if (state == "stopped")
    return {"node", Verdict::warn, name + " was stopped by an operator", "stampede start " + name};
  if (state == "waiting_operator")
    return {"node", Verdict::fail, name + " waits for you: " + text_of("last_exit"),
            "mend that, then: stampede start " + name};
  if (const auto advice = wait_advice(node); !advice.empty())
    return {"node", Verdict::warn, name + " waits: " + text_of("refuses"), advice};
  return {"node", Verdict::warn, name + " is " + state,
          "wait; stampede status shows how far it is"};
}

}  // namespace

Findings check_run_directory(const config::Config& config) {
  const auto& run = config.run_dir;
  std::error_code error;
  const auto why = config::distrust(config::absolute_or_lost(run), config::PlaceKind::directory);
  if (!why.empty())
    return {{"run dir", Verdict::fail, why, "give it to this user: chown, chmod go-w"}};
  if (!fs::is_directory(run, error))
    return {{"run dir", Verdict::warn, run.string() + " is not there yet",
             "scripts/start_all.sh makes it, or name another --run-dir"}};
  if (::access(run.c_str(), R_OK | W_OK | X_OK) != 0)
    return {{"run dir", Verdict::fail, run.string() + ": " + std::strerror(errno),
             "run this as the user of the system"}};
  return {{"run dir", Verdict::ok, run.string() + " is this user's alone to write", {}}};
}

Findings check_disk(const config::Config& config) {
  const auto place = existing(config.log.dir);
  return {disk_room(config, place), disk_speed(place)};
}

Findings check_descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const auto verdict = limit.rlim_max < kDescriptorsNeeded   ? Verdict::fail
                       : limit.rlim_max < kDescriptorsWanted ? Verdict::warn
                                                             : Verdict::ok;
  return {{"descriptors", verdict, std::to_string(limit.rlim_max) + " a process",
           verdict == Verdict::ok
               ? ""
               : "each client takes one: raise it to 65536 (ulimit -Hn, LimitNOFILE=)"}};
}

Findings check_clock(const config::Config& config) {
  timex clock{};
  const int state = ::adjtimex(&clock);
  const bool synchronized = state != TIME_ERROR && state >= 0 && (clock.status & STA_UNSYNC) == 0;
  const auto ahead_ms = last_written_ms(config.log.dir) - config::wall_ms();
  if (ahead_ms > kFutureMs)
    return {{"clock", Verdict::fail,
             "the log was written " + std::to_string(ahead_ms / 1000) + " s later than now",
             "put the clock right before a start: promos and holds go by it"}};
  if (synchronized) return {{"clock", Verdict::ok, "synchronized", {}}};
  return {{"clock", Verdict::warn, "the kernel says that nobody sets it right",
           "run an NTP client (chrony, systemd-timesyncd): promos begin and end by it"}};
}

Findings check_nodes(const json& status) {
  if (!status.is_object()) return {{"system", Verdict::ok, "none runs here", {}}};
  Findings findings;
  for (const json& node : status.value("nodes", json::array()))
    findings.push_back(node_finding(node));
  for (const json& note : status.value("notes", json::array()))
    findings.push_back(
        {"note", Verdict::warn, note.get<std::string>(), "stampede status says more"});
  return findings;
}

}  // namespace stampede::tools
