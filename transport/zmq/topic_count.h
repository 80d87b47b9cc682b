#pragma once

// The topics that subscribers of one publisher hold, counted, because ZeroMQ keeps a few hundred
// bytes for each of them and has no bound of its own, and because for every subscriber that ends it
// looks at its whole tree of topics: at each letter, where topics begin alike once, and at each
// place between two letters that follow another one (looks()). One thread.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace stampede::transport {

class TopicCount {
 public:
  // What a known topic costs, on the average, and what all that are made up may.
  static constexpr std::size_t kKnownLooks = 3;
  static constexpr std::size_t kMadeUpLooks = 12'000;
  // The same, for all together that wait for their end: less than half a second of a thread.
  static constexpr std::size_t kLooksWaiting = 2'000'000;

  explicit TopicCount(std::size_t topics_max) : topics_max_(topics_max) {}

  // A subscription as an XPUB receives it: 1 or 0, then the topic.
  void take(std::string_view frame) {
    if (frame.empty()) return;
    if (frame[0] == 1) join(std::string(frame.substr(1)));
    if (frame[0] == 0) leave(std::string(frame.substr(1)));
  }

  // Something was published under it. Costs a look at the topics.
  void know(std::string_view topic) {
    const auto at = topics_.find(topic);
    if (at != topics_.end() && !std::exchange(at->second, true)) ++known_;
  }

  [[nodiscard]] std::size_t looks() const { return looks_; }
  // No room for more, while so many subscribers wait for their end: the more, the less.
  [[nodiscard]] bool full(std::size_t ends_waiting) const { return too_many(ends_waiting, 0); }
  // The same, when so many are about to leave.
  [[nodiscard]] bool too_many(std::size_t ends_waiting, std::size_t leaving) const {
    const std::size_t made_up = topics_.size() - known_;
    if (leaving >= made_up) return false;
    const std::size_t stay = made_up - leaving;
    const std::size_t most =
        std::min(kMadeUpLooks, kLooksWaiting / std::max<std::size_t>(1, ends_waiting));
    return known_ + stay > topics_max_ || made_up_looks() / made_up * stay > most;
  }
  // Cutting does not help, or not soon enough.
  [[nodiscard]] bool flooded() const {
    return topics_.size() > 2 * topics_max_ || made_up_looks() > 8 * kMadeUpLooks;
  }

  // All of them, forgotten here.
  std::set<std::string> release() {
    std::set<std::string> all;
    for (const auto& [topic, known] : topics_) all.insert(all.end(), topic);
    topics_.clear();
    looks_ = known_ = 0;
    return all;
  }

 private:
  using Topics = std::map<std::string, bool, std::less<>>;  // known?
  using At = Topics::const_iterator;

  [[nodiscard]] std::size_t made_up_looks() const {
    return looks_ - std::min(looks_, known_ * kKnownLooks);
  }

  void join(std::string topic) {
    const auto [at, fresh] = topics_.try_emplace(std::move(topic), false);
    if (fresh) looks_ += own_looks(at);
  }
  void leave(const std::string& topic) {
    const auto at = topics_.find(topic);
    if (at == topics_.end()) return;
    looks_ -= own_looks(at);
    known_ -= at->second ? 1 : 0;
    topics_.erase(at);
  }

  // What it adds between its neighbours in the order of the alphabet.
  [[nodiscard]] std::size_t own_looks(At at) const {
    const bool first = at == topics_.begin();
    const auto next = std::next(at);
    if (first && next == topics_.end()) return at->first.size();
    if (next == topics_.end()) return beyond(std::prev(at)->first, at->first);
    if (first) return beyond(at->first, next->first) + at->first.size() - next->first.size();
    return beyond(std::prev(at)->first, at->first) + beyond(at->first, next->first) -
           beyond(std::prev(at)->first, next->first);
  }

  // What `right` adds behind `left`: the letters that they do not share, and the places between the
  // first ones of them.
  static std::size_t beyond(const std::string& left, const std::string& right) {
    const auto [in_left, in_right] =
        std::mismatch(left.begin(), left.end(), right.begin(), right.end());
    const auto letters = static_cast<std::size_t>(right.end() - in_right);
    if (in_left == left.end() || in_right == right.end()) return letters;
    const auto code = [](char letter) { return static_cast<unsigned char>(letter); };
    return letters + static_cast<std::size_t>(code(*in_right) - code(*in_left) - 1);
  }

  std::size_t topics_max_;
  std::size_t looks_ = 0;
  std::size_t known_ = 0;
  Topics topics_;
};

}  // namespace stampede::transport
