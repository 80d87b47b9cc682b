#include "transport/zmq/epoll_guard.h"

#include <dlfcn.h>
#include <sys/epoll.h>

#include <chrono>
#include <cstdint>
#include <thread>

namespace {

using EpollWait = int (*)(int, epoll_event*, int, int);

// A hang-up stays, and epoll would return at once again and again.
constexpr std::chrono::milliseconds kAllHiddenPause{1};

constexpr std::chrono::microseconds kUnreadPause{200};
constexpr std::chrono::microseconds kBetweenPauses{1000};  // others are served
thread_local bool pause_wanted = false;
thread_local std::chrono::steady_clock::time_point next_pause;

void pause_if_due() {
  pause_wanted = false;
  if (std::chrono::steady_clock::now() < next_pause) return;
  std::this_thread::sleep_for(kUnreadPause);
  next_pause = std::chrono::steady_clock::now() + kBetweenPauses;
}

// Moves those that stay to the front and returns their number.
int hide_hang_ups(epoll_event* events, int count) {
  int kept = 0;
  for (int i = 0; i < count; ++i) {
    epoll_event event = events[i];
    event.events &= ~static_cast<std::uint32_t>(EPOLLERR | EPOLLHUP);
    if (event.events != 0) events[kept++] = event;
  }
  return kept;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int epoll_wait(int epfd, epoll_event* events,
                                                                 int maxevents, int timeout) {
  static const auto next = reinterpret_cast<EpollWait>(::dlsym(RTLD_NEXT, "epoll_wait"));
  if (pause_wanted) pause_if_due();
  const int count = next(epfd, events, maxevents, timeout);
  if (count <= 0) return count;
  const int kept = hide_hang_ups(events, count);
  if (kept == 0) std::this_thread::sleep_for(kAllHiddenPause);
  return kept;
}

namespace stampede::transport {

void pause_after_round() {
  pause_wanted = true;
}

bool epoll_is_guarded() {
  return ::dlsym(RTLD_DEFAULT, "epoll_wait") == reinterpret_cast<void*>(&::epoll_wait);
}

}  // namespace stampede::transport
