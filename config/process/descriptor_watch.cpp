#include "config/process/descriptor_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace stampede::config {

// One system call where the last ones below the limit are free, as they nearly always are: the
// kernel gives the lowest first.
bool DescriptorWatch::last_are_free() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > kLimitMax) return false;
  std::array<pollfd, kFew> last{};
  if (limit.rlim_cur < last.size()) return false;
  for (std::size_t i = 0; i < last.size(); ++i)
    last[i].fd = static_cast<int>(limit.rlim_cur - last.size() + i);
  const int answered = ::poll(last.data(), last.size(), 0);
  return answered == static_cast<int>(kFew) &&
         std::all_of(last.begin(), last.end(),
                     [](const pollfd& one) { return one.revents == POLLNVAL; });
}

std::string DescriptorWatch::look(Time now) {
  if (now >= told_until_ && last_are_free()) return {};
  std::array<int, kFew> probes{};
  std::size_t made = 0;
  while (made < kFew && (probes[made] = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0) ++made;
  if (made < kFew && errno == EMFILE) told_until_ = now + kTold;
  while (made > 0) ::close(probes[--made]);
  if (now >= told_until_) return {};
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return "nearly all " + std::to_string(limit.rlim_cur) +
         " file descriptors are in use: newcomers take the places of idle connections; raise "
         "`ulimit -n`";
}

}  // namespace stampede::config
