#pragma once

// The living actors of a node, by name, and what the end of one means: fail-stop. An actor that
// ends with an error, or unasked, takes the process with it; only a task may end when its work is
// done. Part of NodeRuntime, which is the one door through which actors come in. Thread-safe;
// nothing but await_none() blocks for longer than a spawn.

#include <atomic>
#include <caf/all.hpp>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "actors/node/watched_actor.h"

namespace stampede::actors {

enum class ActorKind {
  lasting,    // ends when the node stops
  task,       // ends when its work is done
  deaf_task,  // and reads no mail
};

class ActorList {
 public:
  // Ends the process: does not return.
  using Fail = std::function<void(int code, const std::string& reason)>;
  ActorList(caf::actor_system& system, Fail fail) : system_(system), fail_(std::move(fail)) {}

  // `make` spawns the actor: nobody sees it without its entry, nor the entry without it.
  caf::actor enter(ActorNames names, ActorKind kind, const std::function<caf::actor()>& make);

  std::vector<std::string> names() const;
  // By a high-priority exit message; the process ends at once for an actor that reads no mail.
  // False: there is none of that name.
  bool kill(const std::string& name);
  // Mail to every actor whose failpoint `actor:NAME` is armed, so that it passes it now.
  void wake_armed();
  // Ends the process when CAF counts more running actors than came in through the door.
  void check() const;

  // From here on actors may end by an exit message.
  void expect_ends() { ends_expected_.store(true); }
  [[nodiscard]] bool ends_expected() const { return ends_expected_.load(); }
  void ask_all_to_end();  // the newest first
  void await_none();      // blocks until all have ended; none of them touches the list any more

 private:
  struct Entry {
    std::uint64_t id;
    ActorNames names;
    ActorKind kind;
    caf::actor actor;
    bool killed = false;
  };
  void ended(std::uint64_t id, const caf::error& reason);
  Entry entry_of(std::uint64_t id) const;
  void take_out(std::uint64_t id);

  caf::actor_system& system_;
  Fail fail_;
  std::atomic<bool> ends_expected_{false};
  mutable std::mutex mutex_;
  std::condition_variable all_ended_;
  std::uint64_t last_id_ = 0;   // guarded by mutex_
  std::vector<Entry> entries_;  // guarded by mutex_
};

}  // namespace stampede::actors
