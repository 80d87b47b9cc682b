// Processes begin and end, and what ends them.

#include <algorithm>
#include <utility>

#include "test/sim/world.h"

namespace stampede::sim {

namespace {

constexpr Time kRestartMax = 80 * kMs;
constexpr Time kWaitForDatabase = 200 * kMs;
constexpr std::int64_t kHour = 3'600'000'000;
constexpr std::int64_t kYears12 = 12 * 8766 * kHour;

}  // namespace

// --- beginning -----------------------------------------------------------------------------------

void World::start_broker() {
  broker_ = std::make_shared<BrokerProcess>(*this, 1000 + next_instance_++);
  trace.note("broker starts", {broker_->instance()});
  broker_->start();
  for (std::uint32_t i = 1; i <= plan.webapps; ++i)
    queue.in(schedule.between(0, 5 * kMs), [this, i] {
      if (broker_ && webapps_[i - 1]) broker_->take_subscription(i, true);
    });
}

void World::start_webapp(std::uint32_t number) {
  webapps_[number - 1] = std::make_shared<WebappProcess>(*this, number, 2000 + next_instance_++);
  trace.note("webapp starts", {number});
  webapps_[number - 1]->start();
  queue.in(schedule.between(0, 5 * kMs), [this, number] {
    if (broker_ && webapps_[number - 1]) broker_->take_subscription(number, true);
  });
}

void World::start_supervisor() {
  supervisor_ = std::make_shared<SupervisorProcess>(*this, ++supervisors_);
  trace.note("supervisor starts", {supervisors_});
}

void World::start_backend(Time delay) {
  if (std::exchange(starting_, true)) return;
  queue.in(delay, [this] {
    starting_ = false;
    if (!backend_) try_start();
  });
}

// One attempt; a fault inside may cut it short.
void World::try_start() {
  if (faults_on_) server.faults.refused = refusing_.chance(0.7) ? plan.server.refused : 0;
  refusals();
  if (fault_.chance(plan.nested)) {
    const auto how = fault_.chance(plan.power) ? End::power : End::kill;
    if (fault_.chance(0.85))
      disk.end_in(1 + fault_.below(50), how);
    else
      server.end_in(1 + fault_.below(8), how);
  }
  backend_ = std::make_shared<BackendProcess>(*this, 3000 + next_instance_++);
  const auto error = backend_->start();  // a ProcessEnd is step()'s
  if (!error) {
    trace.note("backend serves", {backend_->core().epoch()});
    return;
  }
  const auto code = actors::exit_code_of(error->code);
  backend_exit(code, error->message);
}

void World::backend_exit(int code, const std::string& why) {
  trace.note("backend exit", {static_cast<std::uint64_t>(code)});
  trace.say("because", why);
  if (code == kExitCorrupt) throw Violation{"S8", "refused without a reason: " + why};
  if (code == kExitOtherWriter) throw Violation{"S12", "fenced by nobody: " + why};
  if (code == kExitConfig) throw Violation{"start", why};
  if (code == kExitIo) {
    ++result_.kills;
    return end_backend(End::kill, "i/o error");
  }
  backend_.reset();
  disk.release_locks();
  disk.forget_end();
  server.forget_end();
  start_backend(kWaitForDatabase);
}

// --- ending --------------------------------------------------------------------------------------

void World::end_backend(End how, const char* why) {
  trace.note(how == End::kill ? "backend killed" : "power cut");
  trace.say("by", why);
  ++(how == End::kill ? result_.kills : result_.power_cuts);
  if (backend_ && how == End::kill && fault_.chance(plan.zombie)) {
    for (auto& lane : backend_->take_lanes())
      if (lane->agent.busy()) run_zombie(std::shared_ptr<LaneThread>(std::move(lane)), 4);
  }
  backend_.reset();
  disk.release_locks();
  disk.forget_end();
  server.forget_end();
  if (server.unsettled()) queue.in(fault_.between(0, 300 * kMs), [this] { server.settle(); });
  if (how == End::power) end_machine();
  start_backend(fault_.between(5 * kMs, kRestartMax));
}

void World::end_machine() {
  disk.lose_power();
  server.restart();
  kept_clock.reset();
  broker_.reset();
  for (auto& webapp : webapps_) webapp.reset();
  supervisor_.reset();
  queue.in(fault_.between(kMs, kRestartMax), [this] {
    if (!supervisor_) start_supervisor();
  });
  queue.in(fault_.between(kMs, kRestartMax), [this] {
    if (!broker_) start_broker();
  });
  for (std::uint32_t i = 1; i <= plan.webapps; ++i)
    queue.in(fault_.between(kMs, kRestartMax), [this, i] {
      if (!webapps_[i - 1]) start_webapp(i);
    });
}

// Goes on where it was stopped, once or a few times, whoever owns the database by then.
void World::run_zombie(std::shared_ptr<LaneThread> zombie, int times) {
  if (times == 0) return;
  queue.in(fault_.between(kMs, 400 * kMs), [this, zombie, times] {
    try {
      const WritesAs as(server, {zombie->epoch, zombie->number});
      const auto attempt = zombie->agent.attempt();
      const bool done = attempt.kind == actors::Attempt::Kind::done;
      trace.note("zombie", {zombie->epoch, done ? 1U : 0U});
      if (attempt.kind != actors::Attempt::Kind::again) return;
    } catch (const ProcessEnd&) {
      return;
    }
    run_zombie(zombie, times - 1);
  });
}

// --- when ----------------------------------------------------------------------------------------

template <class F>
void World::again(Time Plan::*every, F&& action) {
  if (plan.*every == 0) return;
  queue.in(fault_.between(1, 2 * plan.*every), [this, every, action] {
    if (!faults_on_) return;
    action();
    again(every, action);
  });
}

void World::plan_faults() {
  again(&Plan::crash_every, [this] { crash(); });
  again(&Plan::broker_crash_every, [this] { crash_broker(); });
  again(&Plan::webapp_crash_every, [this] { crash_webapp(); });
  again(&Plan::server_crash_every, [this] { crash_server(); });
  again(&Plan::supervisor_crash_every, [this] { crash_supervisor(); });
  again(&Plan::clock_jumps_every, [this] { jump_clock(); });
  disk.faults = plan.disk;
  server.faults = plan.server;
}

void World::crash() {
  const auto how = fault_.chance(plan.power) ? End::power : End::kill;
  if (plan.disk.capacity != ~std::uint64_t{0})
    disk.faults.capacity =
        fault_.chance(0.5) ? disk.used_bytes() + fault_.below(20'000) : ~std::uint64_t{0};
  if (!backend_) {
    if (how == End::power) end_backend(how, "while down");
    return;
  }
  if (!fault_.chance(plan.inside)) return end_backend(how, "between two events");
  if (fault_.chance(0.6))
    disk.end_in(1 + fault_.below(fault_.chance(0.5) ? 4 : 40), how);
  else
    server.end_in(1 + fault_.below(20), how);
}

void World::crash_broker() {
  if (!broker_) return;
  trace.note("broker killed");
  broker_.reset();
  queue.in(fault_.between(kMs, kRestartMax), [this] {
    if (!broker_) start_broker();
  });
}

void World::crash_webapp() {
  const auto number = static_cast<std::uint32_t>(1 + fault_.below(plan.webapps));
  if (!webapps_[number - 1]) return;
  trace.note("webapp killed", {number});
  webapps_[number - 1].reset();
  if (broker_) broker_->take_subscription(number, false);
  queue.in(fault_.between(kMs, kRestartMax), [this, number] {
    if (!webapps_[number - 1]) start_webapp(number);
  });
}

// The next one numbers its commands from 1 again.
void World::crash_supervisor() {
  if (!supervisor_) return;
  trace.note("supervisor killed", {supervisor_->instance()});
  supervisor_.reset();
  queue.in(fault_.between(kMs, kRestartMax), [this] {
    if (!supervisor_) start_supervisor();
  });
}

void World::jump_clock() {
  clock_offset_ = clock_.between(-kHour, kHour);
  if (clock_.chance(0.1)) clock_offset_ = kYears12;  // beyond 2038
}

void World::crash_server() {
  trace.note("database restarts");
  server.restart();
  if (!fault_.chance(0.5)) return;
  server.away = true;
  queue.in(fault_.between(kMs, 400 * kMs), [this] { server.away = false; });
}

}  // namespace stampede::sim
