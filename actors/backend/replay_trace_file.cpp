#include "actors/backend/replay_trace_file.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "storage/log/log_segment.h"

namespace stampede::actors {
namespace {

storage::Error failed(const std::string& path) {
  return {storage::Errc::io, "cannot use " + path + ": " + std::generic_category().message(errno) +
                                 "; check the disk and the directory's rights"};
}

// Nothing of it, or all: what is missing is written as zeros, so that no store can find the disk
// full.
bool fill_up(int fd) {
  ReplayTrace trace;
  const auto bytes = ::pread(fd, &trace, sizeof trace, 0);
  if (bytes == sizeof trace) return true;
  trace = {};
  return bytes >= 0 && ::pwrite(fd, &trace, sizeof trace, 0) == sizeof trace;
}

}  // namespace

storage::Result<ReplayTraceFile> ReplayTraceFile::open(const std::string& dir) {
  const std::string path = storage::path_in(dir, "replay.at");
  const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) return failed(path);
  void* map = fill_up(fd)
                  ? ::mmap(nullptr, sizeof(ReplayTrace), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                  : MAP_FAILED;
  const auto error = failed(path);
  ::close(fd);
  if (map == MAP_FAILED) return error;
  return ReplayTraceFile(static_cast<ReplayTrace*>(map));
}

ReplayTraceFile::~ReplayTraceFile() {
  if (trace_ != nullptr) ::munmap(trace_, sizeof *trace_);
}

storage::Result<std::vector<storage::ParkedRecord>> take_parked(storage::Disk& disk,
                                                                const std::string& dir,
                                                                ReplayTrace& trace) {
  auto parked = storage::list_parked(disk, dir);
  if (!parked) return parked;
  const auto verdict = judge_last_replay(trace, *parked);
  const storage::ParkedRecord poison{trace.crashed_at, "replay died at it twice"};
  const auto lsn = storage::to_text(poison.lsn);
  switch (verdict) {
    case ReplayVerdict::go_on:
      break;
    case ReplayVerdict::count:
      spdlog::error("the last replay died at lsn {}; once more, and it will be parked", lsn);
      break;
    case ReplayVerdict::too_many:
      spdlog::error(
          "replay died at lsn {} {} times, but {} records are parked already: the fault "
          "is hardly theirs; the replay is tried again and again",
          lsn, trace.crashes, parked->size());
      break;
    case ReplayVerdict::unreadable:
      return storage::Error{storage::Errc::corrupt,
                            "replay dies of the parked lsn " + lsn +
                                " although it passes over it: not even its item can be told, and "
                                "so nothing can be sold safely; `stampede log dump --from " +
                                lsn + " --to " + lsn + "` shows it"};
    case ReplayVerdict::park:
      if (auto done = storage::park_record(disk, dir, poison); !done) return done.error();
      spdlog::error("replay died at lsn {} twice: it is parked", lsn);
      return storage::list_parked(disk, dir);
  }
  return parked;
}

}  // namespace stampede::actors
