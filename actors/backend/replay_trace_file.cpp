#include "actors/backend/replay_trace_file.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <system_error>

#include "config/process/invariant.h"
#include "storage/log/log_segment.h"

namespace stampede::actors {
namespace {

storage::Error failed(const std::string& path) {
  return {storage::Errc::io, "cannot use " + path + ": " + std::generic_category().message(errno) +
                                 "; check the disk and the directory's rights"};
}

// --- what the record brings about ----------------------------------------------------------------

std::atomic<ReplayTrace*> traced{nullptr};
std::atomic<pid_t> traced_thread{0};
std::mutex traced_mutex;  // around each look of another thread: the file stays open meanwhile

constexpr std::array kFaults{SIGSEGV, SIGABRT, SIGFPE, SIGILL};
std::array<struct sigaction, kFaults.size()> handlers_before;
constexpr std::size_t kFaultStackBytes = 64 * 1024;
std::array<char, kFaultStackBytes> fault_stack;  // a stack that is used up is a fault, too

// Async-signal-safe.
void blame_record() noexcept {
  ReplayTrace* const trace = traced.load();
  if (trace != nullptr && ::gettid() == traced_thread.load()) trace->by_itself = 1;
}

// The default action comes next: what was sent is sent again, a fault happens again.
void on_fault(int signal, siginfo_t* info, void*) {
  const bool sent = info->si_code <= 0;
  if (!sent || info->si_pid == ::getpid()) blame_record();
  if (sent) ::raise(signal);
}

void set_fault_stack(int flags) {
  stack_t stack{};
  stack.ss_sp = fault_stack.data();
  stack.ss_size = fault_stack.size();
  stack.ss_flags = flags;
  ::sigaltstack(&stack, nullptr);
}

void watch_faults(ReplayTrace* trace) {
  traced_thread.store(::gettid());
  traced.store(trace);
  config::set_last_words(blame_record);
  set_fault_stack(0);
  struct sigaction handler {};
  handler.sa_sigaction = on_fault;
  handler.sa_flags = SA_SIGINFO | SA_ONSTACK | static_cast<int>(SA_RESETHAND);
  for (std::size_t i = 0; i < kFaults.size(); ++i)
    ::sigaction(kFaults[i], &handler, &handlers_before[i]);
}

void forget_faults() {
  for (std::size_t i = 0; i < kFaults.size(); ++i)
    ::sigaction(kFaults[i], &handlers_before[i], nullptr);
  set_fault_stack(SS_DISABLE);
  config::set_last_words(nullptr);
  const std::lock_guard lock(traced_mutex);
  traced.store(nullptr);
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

ReplayTraceFile::ReplayTraceFile(ReplayTrace* trace) : trace_(trace) {
  watch_faults(trace);
}

ReplayTraceFile::~ReplayTraceFile() {
  if (trace_ == nullptr) return;
  forget_faults();
  ::munmap(trace_, sizeof *trace_);
}

void StandingReplay::look(Micros now, Micros limit) {
  const std::lock_guard lock(traced_mutex);
  ReplayTrace* const trace = traced.load();
  if (trace == nullptr) return;
  const Lsn at = std::atomic_ref<Lsn>(trace->applying).load(std::memory_order_relaxed);
  const bool ran = now - std::exchange(looked_, now) < limit;
  if (at == 0 || at != std::exchange(at_, at) || !ran) since_ = now;
  if (now - since_ >= limit) std::atomic_ref<Lsn>(trace->stood_at).store(at);
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
    case ReplayVerdict::outside:
      spdlog::warn(
          "the last replay was ended from outside (killed, or out of memory), no record's "
          "fault; it begins anew");
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
