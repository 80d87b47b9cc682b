#pragma once

// Everything that is drawn from a seed before it runs: the size of the sale and how hostile the
// world is. Each kind of fault is absent from some seeds, rare in some and frequent in others, so
// that no fault always hides behind another.

#include <cstdint>

#include "test/sim/event_queue.h"
#include "test/sim/sim_disk.h"
#include "test/sim/sim_server.h"

namespace stampede::sim {

struct NetworkFaults {
  double drop = 0;
  double twice = 0;
  Time delay_max = 0;  // a message takes up to so long: the spread reorders
};

struct Plan {
  // --- the sale ---
  std::uint32_t clients = 0;
  std::uint32_t orders = 0;  // of all clients together
  std::uint32_t users = 0;
  std::uint32_t items = 0;
  double hot = 0;  // share of orders that want the first item
  std::int64_t stock = 0;
  std::uint32_t limit_per_user = 0;
  std::uint32_t max_qty = 0;
  std::uint32_t stock_changes = 0;
  std::uint32_t promos = 0;         // one of each of the first items
  std::uint32_t promo_changes = 0;  // price or end of one of them
  std::uint32_t promo_limit = 0;
  std::uint32_t hold_s = 0;             // of every promo, and of items that get one
  std::uint32_t unpaid_max = 0;         // likewise
  std::uint32_t low_stock_percent = 0;  // likewise; the hold is a second then
  std::uint32_t rule_changes = 0;       // of items: closed, opened, how they are sold
  std::int64_t hold_grace_us = 0;
  std::uint32_t tickets = 0;      // bit n: promos of items whose number modulo 8 is n need them
  std::uint32_t gate_factor = 0;  // of these promos
  std::int64_t tickets_ahead_ms = 60'000;
  double in_promo = 0;         // share of the orders that name the item's promo
  double hasty = 0;            // of the orders that say until when they are valid
  std::uint32_t imported = 0;  // of the items stand in the database before the first start
  double other_content = 0;    // an id is used for another order too
  double at_once = 0;          // an order is sent twice at once
  double ask_again = 0;        // an answered id is asked for again later
  double detached = 0;         // HTTP: queued at once, polled for
  Time think_max = 0;

  // --- the system ---
  std::uint32_t webapps = 1;
  std::uint32_t lanes = 1;
  std::uint64_t segment_bytes = 8192;
  std::uint64_t rows_max = 1000;
  std::uint64_t items_max = 1000;
  std::uint32_t batches_between_items = 50;
  std::uint64_t backlog_max = 1'000'000;
  std::uint32_t looks_ahead_max = 1'000'000;
  std::uint64_t rejections_max = 100'000;
  std::uint64_t orders_max = 100'000;
  std::uint64_t inflight_max = 1000;
  std::uint64_t waiting_max = 10'000;
  Time resend = kSecond;
  Time client_timeout = kSecond;
  Time items_refresh = kSecond;
  std::uint32_t session_steps = 0;  // of each user who has sessions; 0: nobody has
  double first = 0;  // share of the orders that say they were never sent before, at their first try
  Time snapshot_every = 0;       // mean; 0: none
  bool remove_segments = false;  // retention, at once

  // --- the faults ---
  Time crash_every = 0;  // mean; 0: none
  double power = 0;      // share of crashes that take the machine
  double inside = 0;     // of crashes inside a disk operation or a database statement
  double nested = 0;     // chance that a recovery is cut short too
  Time broker_crash_every = 0;
  Time webapp_crash_every = 0;
  Time server_crash_every = 0;
  Time supervisor_crash_every = 0;
  double zombie = 0;        // a killed backend's lanes go on for a while
  double rot = 0;           // before a start: a bit flips in what was durable
  double old_log = 0;       // before a start: an older copy of the log lies there
  double old_database = 0;  // before a start: the database is an older copy
  Time clock_jumps_every = 0;
  double news_lost = 0;  // beside what the network drops
  NetworkFaults network;
  DiskFaults disk;
  ServerFaults server;
  Time server_delay_max = 0;
  Time sync_delay_max = 0;

  static Plan draw(std::uint64_t seed);
  void make_quiet();  // liveness: no fault from now on
};

}  // namespace stampede::sim
