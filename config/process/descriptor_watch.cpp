#include "config/process/descriptor_watch.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace stampede::config {

std::string DescriptorWatch::look(Time now) {
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
