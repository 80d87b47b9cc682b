#pragma once

// Whether this process is at the end of its file descriptors, for its status. One thread.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace stampede::config {

class DescriptorWatch {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // A sentence as long as there were fewer than kFew left within the last seconds (those that are
  // given back may be taken again at once), else empty. So it is, too, where the doors have all
  // that is theirs (descriptor_shares.h). Some system calls.
  [[nodiscard]] std::string look(Time now);

 private:
  static bool last_are_free();

  static constexpr std::size_t kFew = 24;
  static constexpr std::uint64_t kLimitMax = 1u << 30;  // of what has numbers
  static constexpr std::chrono::seconds kTold{5};
  Time told_until_{};
};

}  // namespace stampede::config
