#pragma once

// How the database is doing, as those who ask it found it: for the status. Thread-safe. Told the
// time in microseconds of one steady clock.

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "actors/backend/agents/micros.h"
#include "storage/result.h"

namespace stampede::actors {

class DatabaseState {
 public:
  // `who` asks: a lane, or the start and the claim ("database"). An answer is awaited until one of
  // the next two is called; one that does not come for kSilent is told, too.
  void asks(const std::string& who, Micros now);
  void answered(const std::string& who);
  // Not reached, or refused: the words of an earlier failure are replaced, its time is kept.
  void failed(const std::string& who, const storage::Error& error, Micros now);
  void leaves(const std::string& who);  // it asks no more

  // Settings that let committed rows be lost. True: other ones than before.
  bool settings(const std::vector<std::string>& unsafe);

  // "state" is "ok", "unreachable", "refused" (somebody answered, and said no) or "unknown"
  // (not `claimed`, and nobody failed). When it is down: "why", "for_s". "unsafe": the settings.
  [[nodiscard]] nlohmann::json report(bool claimed, Micros now) const;

  static constexpr Micros kSilent = 3 * kSeconds;

 private:
  struct Asker {
    Micros asked_at = -1;   // -1: nothing is being asked
    Micros failed_at = -1;  // -1: the last answer was good
    storage::Error error{};
  };
  struct Trouble {
    Micros since = 0;
    const char* state = nullptr;
    std::string why;
  };
  [[nodiscard]] static Trouble trouble_of(const Asker& asker, Micros now);

  mutable std::mutex mutex_;
  std::map<std::string, Asker> askers_;
  std::vector<std::string> unsafe_;
};

}  // namespace stampede::actors
