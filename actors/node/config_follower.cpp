#include "actors/node/config_follower.h"

#include <algorithm>
#include <utility>

#include "actors/node/node_log.h"
#include "config/settings/accepted_text.h"
#include "config/settings/key_changes.h"

namespace stampede::actors {

namespace {

// The supervisor refuses what needs the whole system to stop; who missed that has to start again.
bool needs_start(const config::KeyChange& change, unsigned role) {
  using config::ChangeClass;
  if (change.change.needs == ChangeClass::live) return false;
  return change.change.needs == ChangeClass::system || (change.change.roles & role) != 0;
}

}  // namespace

ConfigFollower::ConfigFollower(config::Config started_with, const std::string& role, Live live)
    : now_(std::move(started_with)), role_(config::role_bit(role)), live_(std::move(live)) {}

bool ConfigFollower::on_wanted(const std::string& text) {
  if (text.empty() || now_.accepted.empty()) return false;
  if (text == now_.accepted) return !std::exchange(restart_for_, {}).empty();
  if (text == restart_for_) return false;
  auto loaded = config::load_accepted(now_.run_dir);
  if (const auto* error = std::get_if<config::ConfigError>(&loaded)) {
    log_warning("the accepted configuration cannot be read: " + config::describe(*error));
    return false;  // it is named again with the next message
  }
  auto& next = std::get<config::Config>(loaded);
  if (next.accepted != text) return false;  // another one already: it will be named
  const auto differences = config::changes(now_, next);
  const bool start = std::any_of(differences.begin(), differences.end(),
                                 [this](const auto& one) { return needs_start(one, role_); });
  if (start) {
    restart_for_ = text;
    return true;
  }
  restart_for_.clear();
  now_ = std::move(next);
  if (live_) live_(now_);
  return true;
}

}  // namespace stampede::actors
