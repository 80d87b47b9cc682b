#include "actors/supervisor/core/config_rollout.h"

#include <algorithm>

namespace stampede::actors {

namespace {

// A node that an operator drains does as it is told.
bool serves(const ConfiguredNode& node) {
  return node.state == NodeState::ready || node.state == NodeState::draining;
}

bool settled(const ConfiguredNode& node) {
  return node.follows && serves(node);
}

std::string one_after_the_other(const std::string& list, const std::string& next) {
  return list.empty() ? next : list + ", " + next;
}

}  // namespace

void ConfigRollout::begin(Ms now) {
  stage_ = Stage::forward;
  deadline_ = now + kPatience;
}

void ConfigRollout::go_back(Ms now) {
  stage_ = Stage::back;
  deadline_ = now + kPatience;
}

ConfigRollout::Step ConfigRollout::look(Ms now, const std::vector<ConfiguredNode>& nodes) const {
  if (stage_ == Stage::idle) return Step::wait;
  const bool forward = stage_ == Stage::forward;
  if (std::all_of(nodes.begin(), nodes.end(), settled))
    return forward ? Step::finished : Step::gone_back;
  const bool given_up = std::any_of(nodes.begin(), nodes.end(), [](const ConfiguredNode& node) {
    return node.state == NodeState::waiting_operator;
  });
  if (forward && given_up) return Step::go_back;
  if (now < deadline_) return Step::wait;
  return forward ? Step::go_back : Step::gone_back;
}

std::string laggards(const std::vector<ConfiguredNode>& nodes) {
  std::string text;
  for (const auto& node : nodes) {
    if (settled(node)) continue;
    std::string one = node.id + " is " + std::string(to_text(node.state));
    if (serves(node)) one = node.id + " runs with another text";
    if (!node.last_exit.empty() && !alive(node.state)) one += " (" + node.last_exit + ")";
    text = one_after_the_other(text, one);
  }
  return text;
}

std::string still_on_the_way(const std::vector<ConfiguredNode>& nodes) {
  std::string text;
  for (const auto& node : nodes) {
    if (!alive(node.state) || serves(node)) continue;
    text = one_after_the_other(text, node.id + " is " + std::string(to_text(node.state)));
  }
  return text;
}

RestartOptions widest(RestartOptions a, const RestartOptions& b) {
  a.beat_limit = std::max(a.beat_limit, b.beat_limit);
  a.stall_limit = std::max(a.stall_limit, b.stall_limit);
  return a;
}

}  // namespace stampede::actors
