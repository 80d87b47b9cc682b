#pragma once

// A role made of functions, and a system that watches how its port ends.

#include <caf/all.hpp>
#include <functional>
#include <future>
#include <memory>
#include <string>

#include "test/transport/zmq/zmq_fixture.h"
#include "transport/port/port.h"

namespace stampede::transport {

struct ScriptedRole : PortRole {
  std::function<void(PortControl&)> at_start, at_timer, at_quiet, at_end_of_round, at_finish;
  std::function<caf::message_handler(PortControl&)> handlers;
  std::function<void(PortControl&, SocketId, Message&)> at_message;

  void start(PortControl& port) override {
    if (at_start) at_start(port);
  }
  caf::message_handler mail(PortControl& port) override {
    return handlers ? handlers(port) : caf::message_handler{};
  }
  void on_message(PortControl& port, SocketId id, Message& parts) override {
    if (at_message) at_message(port, id, parts);
  }
  void on_timer(PortControl& port) override {
    if (at_timer) at_timer(port);
  }
  void on_quiet(PortControl& port) override {
    if (at_quiet) at_quiet(port);
  }
  void end_of_round(PortControl& port) override {
    if (at_end_of_round) at_end_of_round(port);
  }
  void finish(PortControl& port) override {
    if (at_finish) at_finish(port);
  }
};

struct SystemConfig : caf::actor_system_config {
  SystemConfig() {
    set("scheduler.max-threads", 1);
    set("scheduler.policy", caf::atom("sharing"));
  }
};

// Declared so that the actor system ends first, then the context.
struct PortFixture {
  SocketDirectory directory;
  Context context;
  SystemConfig config;
  caf::actor_system system{config};
  std::unique_ptr<ScriptedRole> role = std::make_unique<ScriptedRole>();

  caf::actor running;  // what spawn() made

  ~PortFixture() {  // a test that failed in the middle must not wait for its port for ever
    if (running) end_now(running, caf::exit_reason::kill);
  }

  caf::actor spawn() {
    return running = system.spawn<PortActor, caf::detached>(&context, std::move(role));
  }

  // Waits for the end of the actor and tells its reason.
  std::string end_of(const caf::actor& port) {
    caf::scoped_actor self(system);
    self->monitor(port);
    std::string reason = "still running";
    self->receive([&](const caf::down_msg& down) { reason = system.render(down.reason); },
                  caf::after(std::chrono::milliseconds(kPatienceMs)) >> [] {});
    return reason;
  }

  // Both wait for the end: a role's functions use variables of the test, which end with it.
  void end(const caf::actor& port, caf::exit_reason reason) {
    caf::anon_send(port, caf::exit_msg{caf::actor_addr{}, caf::make_error(reason)});
    static_cast<void>(end_of(port));
  }
  void end_now(const caf::actor& port, caf::exit_reason reason) {
    caf::anon_send<caf::message_priority::high>(
        port, caf::exit_msg{caf::actor_addr{}, caf::make_error(reason)});
    static_cast<void>(end_of(port));
  }
};

template <class T>
bool comes(std::future<T>& future) {
  return future.wait_for(std::chrono::milliseconds(kPatienceMs)) == std::future_status::ready;
}

}  // namespace stampede::transport
