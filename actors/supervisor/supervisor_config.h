#pragma once

// What the system runs with, and how that changes (config/settings/accepted_text.h): accepts a text
// at the start of a stopped system and at a reload, tells the nodes, starts again those that must,
// and goes back when one of them does not get ready. Whenever the supervisor dies in the middle,
// its successor goes back to the earlier text, and every node with it.
//
//   {"do":"config_reload"[,"check":true]}   accepts the file anew (check: only says what would
//                                           change); answered when every node runs with it, or with
//                                           the old one again: at most 20 s
//
// Owner: the supervisor's role, in whose thread everything runs. Blocks for the writing of small
// files alone.

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "actors/node/node.h"
#include "actors/supervisor/core/config_rollout.h"
#include "actors/supervisor/supervisor_chaos.h"
#include "config/settings/key_changes.h"

namespace stampede::actors {

class SupervisorConfig {
 public:
  using Respond = std::function<void(const nlohmann::json& answer)>;
  struct Acts {
    std::function<void(const SupervisedNode&)> send_wanted;  // now, not with the next heartbeat
    std::function<void(const config::Config&)> use;  // of the supervisor itself: its HTTP server
    std::function<bool()> stopping;
  };

  // `own` and `nodes` outlive this object.
  SupervisorConfig(NodeRuntime& own, const SupervisedNodes& nodes, Acts acts);

  // Makes the supervisor's own configuration the accepted one; with what is left of a reload that
  // was not finished, goes back. Ends the process when that cannot be written.
  void start();
  // No node runs any more, and a stopped system has accepted nothing.
  void finish();

  [[nodiscard]] const config::Config& now() const { return now_; }
  [[nodiscard]] bool reloading() const { return rollout_.stage() != ConfigRollout::Stage::idle; }

  void reload(Ms now, bool check, const Respond& respond);
  void on_timer(Ms now);
  // After each heartbeat: a node that cannot take the accepted text as it is starts again.
  void on_report(Ms now, SupervisedNode& node);
  // Before a node starts: it reads the text.
  void keep_on_disk();

 private:
  // Empty, or why not.
  [[nodiscard]] std::string fault_beside_keys(const config::Config& anew) const;
  [[nodiscard]] std::string refused_changes(const std::vector<config::KeyChange>& changes) const;
  [[nodiscard]] std::string write_both(const std::string& text);
  [[nodiscard]] std::vector<ConfiguredNode> nodes_now() const;
  void put_text_back() const;
  void begin(Ms now, config::Config anew, std::vector<config::KeyChange> changes, Respond respond);
  void use(Ms now, config::Config config, std::string text);
  void set_limits(const RestartOptions& options);
  void go_back(Ms now, const std::string& why);
  void finish_forward(Ms now);
  void finish_back();
  void prepare_keys(const config::Config& config) const;
  void answer(const nlohmann::json& answer);

  NodeRuntime& own_;
  const SupervisedNodes& nodes_;
  Acts acts_;
  config::Config now_;
  std::string text_;  // of now_
  // While a reload is not over:
  ConfigRollout rollout_;
  config::Config before_;
  std::string text_before_;
  std::vector<config::KeyChange> changes_;
  std::string why_back_;
  Respond respond_;
};

}  // namespace stampede::actors
