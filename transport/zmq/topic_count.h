#pragma once

// The topics that subscribers of one publisher hold, counted, because ZeroMQ keeps a few hundred
// bytes for each of them and has no bound of its own. One thread.

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace stampede::transport {

class TopicCount {
 public:
  explicit TopicCount(std::size_t topics_max) : topics_max_(topics_max) {}

  // A subscription as an XPUB receives it: 1 or 0, then the topic. False: these are too many.
  [[nodiscard]] bool take(std::string_view frame) {
    if (frame.empty()) return true;
    if (frame[0] == 1) topics_.emplace(frame.substr(1));
    if (frame[0] == 0) topics_.erase(std::string(frame.substr(1)));
    return topics_.size() <= topics_max_;
  }

  // All of them, forgotten here.
  std::set<std::string> release() { return std::exchange(topics_, {}); }

 private:
  std::size_t topics_max_;
  std::set<std::string> topics_;
};

}  // namespace stampede::transport
