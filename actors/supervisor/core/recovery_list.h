#pragma once

// The newest recoveries of the nodes: from the end of a process to the moment in which the node
// serves again, and how many requests the webapps asked again for it. Pure; the caller gives the
// times. Owner: the supervisor's role; one thread.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>

namespace stampede::actors {

struct Recovery {
  std::string node;
  std::string cause;              // how its process ended, and why
  std::int64_t ended_ms = 0;      // wall clock, since 1970
  std::int64_t duration_ms = -1;  // until it was ready; -1: it is not yet
  std::int64_t replay_ms = -1;    // of that, reading the log; -1: it read none
  std::uint64_t asked_again = 0;  // requests that webapps sent again meanwhile and shortly after
};

class RecoveryList {
 public:
  static constexpr std::size_t kKept = 100;
  // Webapps ask again when they hear of the new process, a moment after it is ready.
  static constexpr std::int64_t kCountedAfterMs = 3'000;

  // Times on the steady clock but for wall_ms.
  void ended(const std::string& node, const std::string& cause, std::int64_t now_ms,
             std::int64_t wall_ms);
  void replays(const std::string& node, std::int64_t now_ms);
  void ready(const std::string& node, std::int64_t now_ms);
  // It is not to run any more: what is open of it is no recovery.
  void given_up(const std::string& node);
  // A webapp process of this number has sent so many requests again since it began.
  void asked_again(const std::string& node, std::uint64_t instance, std::uint64_t requests,
                   std::int64_t now_ms);

  // What supervisors before this one have seen. Call it first.
  void restore(std::deque<Recovery> earlier);
  // One that is over.
  void add(Recovery recovery);

  // Grows whenever something of all() has changed.
  [[nodiscard]] std::uint64_t changes() const { return changes_; }
  [[nodiscard]] const std::deque<Recovery>& all() const { return all_; }  // oldest first

 private:
  struct Open {
    std::size_t number;  // of the recovery, as counted in first_
    std::int64_t ended_ms;
    std::int64_t replay_began_ms = -1;
    std::int64_t ready_ms = -1;
  };
  struct Webapp {
    std::uint64_t instance = 0;
    std::uint64_t requests = 0;
  };
  [[nodiscard]] Recovery* at(std::size_t number);

  std::deque<Recovery> all_;
  std::uint64_t changes_ = 0;
  std::size_t first_ = 0;  // number of the oldest that is kept
  std::map<std::string, Open> open_;
  std::map<std::string, Webapp> webapps_;
};

}  // namespace stampede::actors
