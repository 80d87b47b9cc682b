#include "actors/supervisor/core/restart_policy.h"

#include <algorithm>

namespace stampede::actors {
namespace {

constexpr Ms kKillAgain = 1'000;

bool waits_for_operator(int exit_code) {
  return exit_code == 65 || exit_code == 75 || exit_code == 78;
}

NodeState state_of(Phase phase) {
  switch (phase) {
    case Phase::replaying:
      return NodeState::replaying;
    case Phase::serving:
      return NodeState::ready;
    case Phase::draining:
    case Phase::stopped:
      return NodeState::draining;
    case Phase::invalid:
    case Phase::starting:
      break;
  }
  return NodeState::starting;
}

std::string seconds(Ms ms) {
  return std::to_string(ms / 1000) + "." + std::to_string(ms % 1000 / 100) + " s";
}

}  // namespace

std::string_view to_text(NodeState state) {
  switch (state) {
    case NodeState::stopped:
      return "stopped";
    case NodeState::starting:
      return "starting";
    case NodeState::replaying:
      return "replaying";
    case NodeState::ready:
      return "ready";
    case NodeState::draining:
      return "draining";
    case NodeState::backing_off:
      return "backing_off";
    case NodeState::waiting_operator:
      return "waiting_operator";
  }
  return "stopped";
}

bool alive(NodeState state) {
  return state == NodeState::starting || state == NodeState::replaying ||
         state == NodeState::ready || state == NodeState::draining;
}

void RestartPolicy::want_running(Ms now) {
  wanted_ = true;
  wait_ = 0;
  if (alive(state_)) return;
  start_at_ = now;
  state_ = NodeState::backing_off;
}

void RestartPolicy::want_stopped(Ms now) {
  if (!wanted_) return;
  wanted_ = false;
  stop_since_ = now;
  if (!alive(state_)) state_ = NodeState::stopped;
}

void RestartPolicy::started(Ms now) {
  ++starts_;
  state_ = NodeState::starting;
  last_sign_ = last_progress_ = now;
  heard_ = false;
  last_ = Beat{};
  kill_again_ = 0;
  kill_reason_.clear();
}

void RestartPolicy::start_failed(Ms now) {
  back_off(now);
}

void RestartPolicy::heard(Ms now, const Beat& beat) {
  if (!alive(state_)) return;
  const NodeState next = state_of(beat.phase);
  if (next == NodeState::ready && state_ != NodeState::ready) ready_since_ = now;
  // Work that begins to wait now has all of its time before it.
  const bool waited = last_.work_waiting || last_.phase == Phase::replaying;
  const bool moved = !heard_ || !waited || last_.disk_waiting || beat.progress != last_.progress ||
                     beat.phase != last_.phase;
  if (moved) last_progress_ = now;
  state_ = next;
  last_ = beat;
  last_sign_ = now;
  heard_ = true;
}

void RestartPolicy::ended(Ms now, std::optional<int> exit_code) {
  const bool was_ready = state_ == NodeState::ready;
  if (was_ready && now - ready_since_ >= std::max(options_.calm, 2 * wait_)) wait_ = 0;
  if (!wanted_) {
    state_ = NodeState::stopped;
  } else if (exit_code && waits_for_operator(*exit_code)) {
    state_ = NodeState::waiting_operator;
  } else {
    back_off(now);
  }
}

void RestartPolicy::back_off(Ms now) {
  wait_ = wait_ == 0 ? options_.backoff_min : std::min(2 * wait_, options_.backoff_max);
  start_at_ = now + wait_;
  state_ = wanted_ ? NodeState::backing_off : NodeState::stopped;
}

void RestartPolicy::forgive(Ms gap) {
  last_sign_ += gap;
  last_progress_ += gap;
}

RestartPolicy::Action RestartPolicy::due(Ms now) {
  if (state_ == NodeState::backing_off) return now >= start_at_ ? Action::start : Action::none;
  if (!kill_is_due(now)) return Action::none;
  if (kill_reason_.empty()) kill_reason_ = reason_to_kill(now);
  kill_again_ = now + kKillAgain;
  return Action::kill;
}

bool RestartPolicy::kill_is_due(Ms now) const {
  return alive(state_) && now >= kill_again_ && !reason_to_kill(now).empty();
}

std::string RestartPolicy::reason_to_kill(Ms now) const {
  if (!wanted_ && now - stop_since_ >= options_.stop_limit) {
    return "did not stop within " + seconds(options_.stop_limit);
  }
  const Ms silence = now - last_sign_;
  if (silence >= (heard_ ? options_.beat_limit : options_.start_limit)) {
    return "no heartbeat for " + seconds(silence);
  }
  const bool works = last_.work_waiting || last_.phase == Phase::replaying;
  const Ms still = now - last_progress_;
  if (heard_ && works && !last_.disk_waiting && still >= options_.stall_limit) {
    return "work waits and nothing moved for " + seconds(still);
  }
  return {};
}

}  // namespace stampede::actors
