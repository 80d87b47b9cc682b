#pragma once

// Every crash point of the backend, in the order in which one order, one rotation and one start
// pass them; what `stampede chaos list` prints. A point that a running backend passes is armed at
// once; a point of the start is armed for the next start.

#include <algorithm>
#include <array>
#include <string_view>

namespace stampede::config {

enum class PassedAt { work, start };

struct FailpointName {
  std::string_view name;
  PassedAt at;
  std::string_view about;  // the state in which a crash leaves the system
};

inline constexpr std::array kCrashPoints{
    // --- one order
    FailpointName{"received", PassedAt::work, "requests were taken, nothing is decided"},
    FailpointName{"decided", PassedAt::work, "decided in memory only"},
    FailpointName{"before_log", PassedAt::work, "a batch is about to be written to the log"},
    FailpointName{"after_write", PassedAt::work, "written, not synced"},
    FailpointName{"after_log", PassedAt::work, "durable, not answered"},
    FailpointName{"result_sent", PassedAt::work, "an answer was handed to the broker"},
    FailpointName{"db_begin", PassedAt::work, "a lane is about to begin a transaction"},
    FailpointName{"db_exec", PassedAt::work, "lane row written, before the batch's rows"},
    FailpointName{"in_db", PassedAt::work, "all rows written, not committed"},
    FailpointName{"after_db", PassedAt::work, "committed, EXEC not logged"},
    FailpointName{"lane_done", PassedAt::work, "the outcome is known in memory only"},
    FailpointName{"before_seal", PassedAt::work, "the batch that vouches for the last is missing"},
    FailpointName{"heartbeat", PassedAt::work, "between two heartbeats"},
    // --- a segment made ahead
    FailpointName{"spare_create", PassedAt::start, "before the spare segment's file is made"},
    FailpointName{"spare_zeroed", PassedAt::start, "spare filled with zeros, not synced"},
    FailpointName{"spare_synced", PassedAt::start, "spare synced under its temporary name"},
    FailpointName{"spare_renamed", PassedAt::start, "spare has its name"},
    // --- a segment put into use: at every start, and when the one before is full
    FailpointName{"rotate_create", PassedAt::start, "before the new segment's file is made"},
    FailpointName{"rotate_header", PassedAt::start, "before its header is written"},
    FailpointName{"rotate_sync", PassedAt::start, "header written, not synced"},
    FailpointName{"rotate_rename", PassedAt::start, "synced under its temporary name"},
    FailpointName{"in_rotate", PassedAt::start, "renamed, the directory is not synced"},
    FailpointName{"rotate_done", PassedAt::start, "the segment is durable, not yet used"},
    // --- one start
    FailpointName{"log_locked", PassedAt::start, "the log is locked, nothing is read"},
    FailpointName{"in_replay", PassedAt::start, "in the middle of reading the log"},
    FailpointName{"replayed", PassedAt::start, "memory is rebuilt, nothing is written"},
    FailpointName{"epoch_minted", PassedAt::start, "the new epoch is durable, not served"},
    FailpointName{"claim", PassedAt::start, "before the lanes are claimed for the epoch"},
    FailpointName{"claimed", PassedAt::start, "lanes claimed, nothing applied yet"},
};

// Those beside them that only tests and chaos arm: they pretend an error, lose news, or end one
// actor (`actor:NAME`) or the replay of one record (`replay_record:LSN`).
inline constexpr std::array<std::string_view, 12> kOtherPoints{
    "actor",          "disk_full",   "in_retain",       "in_snapshot",
    "news",           "pass_over",   "reload_accepted", "reload_done",
    "reload_earlier", "reload_told", "replay_record",   "session_news"};

inline const FailpointName* find_crash_point(std::string_view name) {
  const auto* found = std::find_if(kCrashPoints.begin(), kCrashPoints.end(),
                                   [&](const auto& point) { return point.name == name; });
  return found == kCrashPoints.end() ? nullptr : found;
}

// `name`, of a kind with its label.
inline bool is_failpoint(std::string_view name) {
  const auto kind = name.substr(0, name.find(':'));
  return find_crash_point(name) != nullptr ||
         std::find(kOtherPoints.begin(), kOtherPoints.end(), kind) != kOtherPoints.end();
}

}  // namespace stampede::config
