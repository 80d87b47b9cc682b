#pragma once

// Commands that an operator gave to a node and that the node has not answered yet. They go out with
// every wanted message until the answer is heard. Pure; times are milliseconds of the caller's
// clock.
//
// Owner: the supervisor's role; one thread. Every command is answered exactly once: by the node, by
// the end of its process (a command bound to that process), or by the time-out.

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "actors/supervisor/core/restart_policy.h"

namespace stampede::actors {

inline constexpr Ms kCommandTimeout = 30'000;  // for an answer to an operator's command

class CommandDesk {
 public:
  using Respond = std::function<void(const nlohmann::json& answer)>;
  static constexpr std::size_t kOpenMax = 1'000;
  static constexpr std::size_t kToldMax = 64;

  // `instance` binds the command to one process of the node; 0: whoever runs under its name. A
  // command over kOpenMax is refused through `respond` at once.
  void open(const std::string& node, std::uint64_t instance, nlohmann::json command, Ms deadline,
            Respond respond);
  // [{number, command}] for a wanted message to this process: the oldest kToldMax. A node takes
  // numbers in ascending order, so the others follow as those are answered.
  [[nodiscard]] nlohmann::json commands_for(const std::string& node, std::uint64_t instance) const;
  [[nodiscard]] bool has_commands(const std::string& node) const;  // of whatever process
  void answered(const std::string& node, std::uint64_t number, const nlohmann::json& answer);
  void process_ended(const std::string& node, std::uint64_t instance);
  void expire(Ms now);

 private:
  struct Command {
    std::string node;
    std::uint64_t instance;
    nlohmann::json command;
    Ms deadline;
    Respond respond;
  };
  void close(std::map<std::uint64_t, Command>::iterator entry, const nlohmann::json& answer);

  std::uint64_t last_number_ = 0;
  std::map<std::uint64_t, Command> open_;
};

}  // namespace stampede::actors
