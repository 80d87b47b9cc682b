#pragma once

// Brings a system to the program of its supervisor, after `stampede upgrade` or wherever a
// supervisor finds guard or nodes of another program (core/program_handover.h).
//
// Owner: the supervisor's role, in whose thread everything runs. Looks at locks and /proc; blocks
// for 200 ms where a node has not written its name yet.

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "actors/supervisor/core/program_handover.h"
#include "actors/supervisor/process_watch.h"

namespace stampede::actors {

class ProgramChange {
 public:
  explicit ProgramChange(std::filesystem::path run_dir) : run_dir_(std::move(run_dir)) {}

  // Looks for what runs another program; where nothing does it is over at once.
  void begin(Ms now);
  // Call it from every timer.
  void on_timer(Ms now);
  [[nodiscard]] bool over() const { return handover_.over(); }
  [[nodiscard]] bool may_start_nodes() const { return handover_.may_start_nodes(); }

 private:
  struct OldNode {
    std::string name;
    WatchedProcess process;
  };
  void find_nodes();
  [[nodiscard]] OtherProgram left() const;
  void signal_nodes(int number, bool webapps_only) const;

  std::filesystem::path run_dir_;
  ProgramHandover handover_;
  std::vector<OldNode> nodes_;
};

// The process is a guard that hears when it is told to become its supervisor's program.
bool hears_of_programs(pid_t guard);

}  // namespace stampede::actors
