#include "test/sim/supervisor_process.h"

#include <utility>

#include "test/sim/world.h"

namespace stampede::sim {

namespace {

constexpr Time kWantedEvery = 100 * kMs;
constexpr const char* kBackend = "backend-1";

}  // namespace

SupervisorProcess::SupervisorProcess(World& world, std::uint64_t instance)
    : world_(world),
      instance_(instance),
      began_us_(static_cast<std::int64_t>(world.queue.now()) + 1) {}

void SupervisorProcess::take_command(nlohmann::json command, actors::CommandDesk::Respond respond) {
  desk_.open(kBackend, 0, std::move(command), world_.queue.now() / kMs + actors::kCommandTimeout,
             std::move(respond));
  if (!std::exchange(ticking_, true)) tick();
}

void SupervisorProcess::take_replies(const nlohmann::json& replies) {
  for (const auto& entry : replies) {
    if (entry.at("supervisor") != instance_) continue;
    desk_.answered(kBackend, entry.at("number").get<std::uint64_t>(), entry.at("reply"));
  }
}

// All that is open goes out until it is answered; a last time when nothing is.
void SupervisorProcess::tick() {
  desk_.expire(world_.queue.now() / kMs);
  auto commands = desk_.commands_for(kBackend, world_.backend_instance());
  ticking_ = !commands.empty();
  world_.to_backend_from_supervisor(instance_, began_us_, std::move(commands));
  if (!ticking_) return;
  world_.queue.in(kWantedEvery, [&world = world_, instance = instance_] {
    if (const auto alive = world.supervisor(instance)) alive->tick();
  });
}

}  // namespace stampede::sim
