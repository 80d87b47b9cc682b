#include "test/sim/plan.h"

#include <algorithm>

namespace stampede::sim {

namespace {

void draw_sale(Plan& plan, Random& random) {
  plan.clients = static_cast<std::uint32_t>(random.between(2, 16));
  plan.orders = static_cast<std::uint32_t>(random.between(20, 80));
  plan.users = static_cast<std::uint32_t>(random.between(2, 30));
  plan.items = static_cast<std::uint32_t>(random.pick({1, 1, 2, 3, 8}));
  plan.hot = random.pick({0.0, 0.5, 0.95});
  plan.stock = random.pick({5, 20, 60, 1000});
  plan.limit_per_user = static_cast<std::uint32_t>(random.pick({0, 0, 1, 4}));
  plan.max_qty = static_cast<std::uint32_t>(random.pick({1, 3, 5}));
  plan.stock_changes = static_cast<std::uint32_t>(random.pick({0, 0, 3, 8}));
  plan.imported = static_cast<std::uint32_t>(random.chance(0.2) ? random.below(plan.items + 1) : 0);
  plan.other_content = random.pick({0.0, 0.05, 0.3});
  plan.at_once = random.pick({0.0, 0.05, 0.3});
  plan.ask_again = random.pick({0.1, 0.3});
  plan.detached = random.pick({0.0, 0.0, 0.2, 0.6});
  plan.think_max = random.pick({2 * kMs, 20 * kMs, 200 * kMs});
}

void draw_promos(Plan& plan, Random& random) {
  if (random.chance(0.5)) return;
  plan.promos = static_cast<std::uint32_t>(random.between(1, plan.items));
  plan.promo_changes = static_cast<std::uint32_t>(random.pick({0, 1, 4}));
  plan.promo_limit = static_cast<std::uint32_t>(random.pick({0, 0, 1, 3}));
  plan.in_promo = random.pick({0.2, 0.6, 1.0});
  plan.hasty = random.pick({0.0, 0.0, 0.2});
}

void draw_holds(Plan& plan, Random& random) {
  if (plan.promos == 0) return;
  plan.hold_s = static_cast<std::uint32_t>(random.pick({0, 1, 1, 3, 30}));
  plan.hold_grace_us = random.pick<std::int64_t>({0, 100 * kMs, 500 * kMs});
}

void draw_rules(Plan& plan, Random& random) {
  if (random.chance(0.5)) return;
  plan.rule_changes = static_cast<std::uint32_t>(random.pick({2, 5, 12}));
  if (plan.hold_s == 0) plan.hold_s = static_cast<std::uint32_t>(random.pick({0, 1, 2, 30}));
  plan.unpaid_max = static_cast<std::uint32_t>(random.pick({0, 1, 4}));
  plan.low_stock_percent = static_cast<std::uint32_t>(random.pick({0, 50, 90}));
  plan.looks_ahead_max = static_cast<std::uint32_t>(random.pick({1, 3, 1'000'000}));
}

void draw_tickets(Plan& plan, Random& random) {
  if (plan.promos == 0 || random.chance(0.6)) return;
  plan.tickets = static_cast<std::uint32_t>(random.pick({0xFF, 0xFF, 0xAA}));
  plan.gate_factor = static_cast<std::uint32_t>(random.pick({0, 1, 1, 2}));
  plan.tickets_ahead_ms = random.pick<std::int64_t>({0, 100, 60'000});
}

void draw_system(Plan& plan, Random& random) {
  plan.webapps = static_cast<std::uint32_t>(random.between(1, 2));
  plan.lanes = static_cast<std::uint32_t>(random.pick({1, 2, 2, 3}));
  plan.segment_bytes = static_cast<std::uint64_t>(random.pick({8192, 8192, 12288, 32768}));
  plan.rows_max = static_cast<std::uint64_t>(random.pick({1, 3, 10, 1000}));
  plan.items_max = static_cast<std::uint64_t>(random.pick({1, 2, 1000}));
  plan.batches_between_items = static_cast<std::uint32_t>(random.pick({1, 5, 50}));
  if (random.chance(0.15)) plan.backlog_max = 5 + random.below(20);
  if (random.chance(0.15)) plan.rejections_max = 1 + random.below(10);
  if (random.chance(0.05)) plan.orders_max = 20 + random.below(60);
  plan.inflight_max = static_cast<std::uint64_t>(random.pick({8, 40, 1000}));
  if (random.chance(0.1)) plan.waiting_max = 5;
  // As the bounds of the configuration see to it: a batch is never larger than the window.
  plan.waiting_max = std::min(plan.waiting_max, plan.inflight_max);
  plan.resend = random.pick({100 * kMs, 400 * kMs, kSecond});
  plan.snapshot_every = random.pick<Time>({0, 50 * kMs, 150 * kMs, 500 * kMs});
  plan.remove_segments = random.chance(0.6);
  plan.client_timeout = random.pick({200 * kMs, 500 * kMs, 1000 * kMs});
}

void draw_crashes(Plan& plan, Random& random) {
  plan.crash_every = random.pick<Time>({0, 100 * kMs, 200 * kMs, 400 * kMs, 800 * kMs});
  plan.power = random.pick({0.0, 0.5, 0.5, 1.0});
  plan.inside = random.pick({0.0, 0.5, 0.9});
  plan.nested = random.pick({0.0, 0.3, 0.7});
  plan.broker_crash_every = random.pick<Time>({0, 0, 300 * kMs, 1000 * kMs});
  plan.webapp_crash_every = random.pick<Time>({0, 0, 300 * kMs, 2000 * kMs});
  plan.server_crash_every = random.pick<Time>({0, 0, 200 * kMs, 1000 * kMs});
  plan.zombie = random.pick({0.0, 0.5});
  plan.rot = random.pick({0.0, 0.0, 0.1});
  plan.old_log = random.pick({0.0, 0.0, 0.1});
  plan.old_database = random.pick({0.0, 0.0, 0.1});
  plan.clock_jumps_every = random.pick<Time>({0, 50 * kMs, 500 * kMs});
}

void draw_faults(Plan& plan, Random& random) {
  plan.network.drop = random.pick({0.0, 0.0, 0.02, 0.2});
  plan.network.twice = random.pick({0.0, 0.0, 0.05, 0.4});
  plan.network.delay_max = random.pick({kMs / 5, 2 * kMs, 30 * kMs});
  if (random.chance(0.4)) {
    plan.disk.sync_error = random.pick({0.003, 0.02});
    plan.disk.write_error = random.pick({0.0, 0.003});
    plan.disk.name_error = random.pick({0.0, 0.01});
    plan.disk.read_error = random.pick({0.0, 0.005});
  }
  if (random.chance(0.1))
    plan.disk.capacity = static_cast<std::uint64_t>(random.between(40'000, 200'000));
  if (random.chance(0.6)) {
    plan.server.connect_error = random.pick({0.0, 0.3});
    plan.server.lost_before = random.pick({0.0, 0.01, 0.1});
    plan.server.lost_after = random.pick({0.0, 0.02, 0.2});
    plan.server.deadlock = random.pick({0.0, 0.05});
    plan.server.lock_wait = random.pick({0.0, 0.05});
  }
  plan.server_delay_max = random.pick({kMs / 2, 10 * kMs, 100 * kMs});
  plan.sync_delay_max = random.pick({kMs / 5, 2 * kMs, 20 * kMs});
}

}  // namespace

Plan Plan::draw(std::uint64_t seed) {
  Random random(seed, "plan");
  Plan plan;
  draw_sale(plan, random);
  draw_system(plan, random);
  draw_crashes(plan, random);
  draw_faults(plan, random);
  Random promos(seed, "plan of the promos");
  draw_promos(plan, promos);
  Random holds(seed, "plan of the holds");
  draw_holds(plan, holds);
  Random rules(seed, "plan of the rules of items");
  draw_rules(plan, rules);
  Random tickets(seed, "plan of the tickets");
  draw_tickets(plan, tickets);
  Random sessions(seed, "plan of the sessions");
  plan.session_steps = static_cast<std::uint32_t>(sessions.pick({0, 0, 4, 12}));
  Random supervisor(seed, "plan of the supervisor");
  plan.supervisor_crash_every = supervisor.pick<Time>({0, 0, 100 * kMs, 400 * kMs});
  Random refusal(seed, "plan of the rows that are refused");
  if (refusal.chance(0.2)) plan.server.refused = refusal.pick({0.1, 0.4});
  Random edge(seed, "plan of what webapps know by themselves");
  plan.items_refresh = edge.pick({50 * kMs, 200 * kMs, kSecond});
  plan.first = edge.pick({0.0, 0.5, 1.0});
  plan.news_lost = edge.pick({0.0, 0.3, 1.0});
  // A poller may find a small memory's answer gone, or wait for ever for one that cannot come.
  if (plan.rejections_max < 1000 || plan.orders_max < 1000) plan.detached = 0;
  return plan;
}

void Plan::make_quiet() {
  crash_every = broker_crash_every = webapp_crash_every = server_crash_every = 0;
  supervisor_crash_every = 0;
  power = inside = nested = zombie = rot = old_log = old_database = 0;
  clock_jumps_every = 0;
  network.drop = network.twice = 0;
  news_lost = 0;
  disk = {};
  server = {};
}

}  // namespace stampede::sim
