#pragma once

// What a node does when the supervisor names another accepted text than it runs with: takes it, if
// nothing differs that this role reads at its start, and else says that it needs a new start.
//
// Owner: the node's control link, in whose thread everything runs. Reads the text's file, once for
// each text that is named; a node that was started by hand with settings of its own follows none.

#include <functional>
#include <string>

#include "config/settings/config.h"

namespace stampede::actors {

class ConfigFollower {
 public:
  using Live = std::function<void(const config::Config& now)>;

  // `live` (may be empty) is called with each text that is taken: what of it counts at once is the
  // role's to use.
  ConfigFollower(config::Config started_with, const std::string& role, Live live);

  // True: there is something new to report.
  bool on_wanted(const std::string& text);

  [[nodiscard]] const std::string& text() const { return now_.accepted; }
  // The text that it could take only by a new start; empty: none.
  [[nodiscard]] const std::string& restart_for() const { return restart_for_; }

 private:
  config::Config now_;
  unsigned role_;
  Live live_;
  std::string restart_for_;
};

}  // namespace stampede::actors
