#pragma once

// One life of a supervisor, as far as an operator's commands go: the real CommandDesk; the shell
// does what the supervisor's port does with its sockets. The node's half, the real CommandInbox, is
// the backend process'.

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>

#include "actors/supervisor/core/command_desk.h"

namespace stampede::sim {

class World;

class SupervisorProcess {
 public:
  SupervisorProcess(World& world, std::uint64_t instance);

  // A command on admin.sock. `respond` is called at most once: never, when this process ends first.
  void take_command(nlohmann::json command, actors::CommandDesk::Respond respond);
  void take_replies(const nlohmann::json& replies);  // of a heartbeat

  [[nodiscard]] std::uint64_t instance() const { return instance_; }

 private:
  void tick();

  World& world_;
  std::uint64_t instance_;
  std::int64_t began_us_;
  actors::CommandDesk desk_;
  bool ticking_ = false;  // while commands are open
};

}  // namespace stampede::sim
