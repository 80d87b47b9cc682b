#pragma once

// What a backend's threads tell its heartbeat: written by the core, log, lane, snapshot and claim
// actors, read by the port. Every number is an atomic of its own; nothing is computed from two of
// them that would have to agree.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <nlohmann/json.hpp>
#include <vector>

#include "actors/backend/core/busy_items.h"
#include "actors/backend/database_state.h"
#include "actors/backend/shared_histogram.h"
#include "actors/sale/codes.h"
#include "actors/sale/limits.h"

namespace stampede::actors {

inline constexpr std::uint64_t kRoomUnknown = ~std::uint64_t{0};  // no log is written yet

struct BackendStatus {
  std::atomic<Phase> phase{Phase::starting};
  std::atomic<bool> stop_wanted{false};  // the port's word to a start that still waits
  std::atomic<std::uint64_t> epoch{0};
  std::atomic<bool> counted{false};        // the log is read: what stands below is true of it
  std::atomic<std::uint32_t> log_name{0};  // the log's, for hellos; see log_name()
  std::atomic<std::uint64_t> replayed_bytes{0}, replay_total_bytes{0};
  std::atomic<std::uint64_t> last_lsn{0}, durable_lsn{0};
  std::atomic<std::uint64_t> progress{0};  // grows with whatever work is done
  std::atomic<bool> work_waiting{false};
  std::atomic<std::uint64_t> confirmed{0}, sold_out{0}, limit_reached{0}, replayed{0}, refused{0},
      malformed{0}, requests{0};
  std::atomic<std::uint64_t> tickets{0};
  std::atomic<std::uint64_t> sessions_ended{0};  // whose tokens have not expired
  std::atomic<std::uint64_t> paid{0}, expired{0}, cancelled{0}, refund_due{0};
  std::atomic<std::uint64_t> owed{0}, failed{0}, lag_us{0};
  std::atomic<std::uint64_t> log_bytes{0}, log_segments{0}, log_syncs{0}, log_sync_us_max{0};
  std::atomic<std::uint64_t> log_written{0};  // bytes of this process' batches, synced
  // Bytes that may be on their way to the log; 0: no room but for outcomes, nothing new is decided.
  std::atomic<std::uint64_t> log_room{kRoomUnknown};
  std::atomic<bool> backlog_full{false};  // so much is owed that new orders are refused
  std::atomic<std::uint64_t> log_oldest_segment{1}, log_oldest_position{0};  // still there
  std::atomic<std::uint64_t> snapshot_lsn{0}, snapshot_bytes{0};  // the newest; 0 bytes: none
  std::atomic<std::int64_t> snapshot_made_ns{0};                  // wall clock
  std::atomic<bool> disk_waiting{false};        // the log thread is inside a write or a sync
  std::atomic<std::int64_t> clock_ahead_us{0};  // of an alarm, see SaleClock; 0: there is none
  std::atomic<std::uint64_t> lanes_down{0};     // lanes that cannot reach the database now
  std::atomic<bool> claimed{false};
  DatabaseState database;
  SharedHistogram sync_us;    // of the log thread
  SharedHistogram batch_us;   // transactions of all lanes that were done
  SharedHistogram replay_us;  // of this start, once
  std::atomic<std::int64_t> stock_left{-1}, stock_sold{-1};  // units of all items; -1: not known

  std::mutex items_mutex;
  nlohmann::json items;  // guarded by items_mutex; new each second, null once it is reported
  std::vector<BusyItem> busiest;  // guarded by items_mutex; those with most orders
  nlohmann::json parked = nlohmann::json::array();  // guarded by items_mutex; as of the start
  std::string log_missing;  // the same; what somebody has removed or cut, and what to do
  std::string start_waits;  // the same; why a start waits for the database; empty: it does not
  nlohmann::json notes = nlohmann::json::array();  // the same; what is odd in the log's directory
};

// Why nothing new is decided for as long as somebody outside does nothing.
inline Standstill standstill(const BackendStatus& status) {
  if (status.log_room.load() == 0) return Standstill::log_room;
  return status.backlog_full.load() ? Standstill::backlog : Standstill::none;
}

}  // namespace stampede::actors
