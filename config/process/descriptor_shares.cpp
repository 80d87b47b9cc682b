#include "config/process/descriptor_shares.h"

#include <sys/resource.h>

#include <algorithm>

namespace stampede::config {

namespace {

constexpr std::size_t kLeast = 2;

// Of what is left to strangers. The doors that one process has come to no more than eight.
std::size_t eighths(Door door) {
  return door == Door::peers ? 4 : 2;
}

}  // namespace

std::size_t descriptors_for(Door door, std::size_t limit) {
  const auto left = limit - std::min(limit, kOwnDescriptors);
  return std::max(kLeast, left / 8 * eighths(door) + left % 8 * eighths(door) / 8);
}

std::size_t descriptors_for(Door door) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kLeast;
  return descriptors_for(door, limit.rlim_cur);
}

}  // namespace stampede::config
