#pragma once

// What the door of a node (NodeRuntime::spawn_…) puts around every actor, whatever its class:
//
// - what act() throws becomes the error with which the actor ends, text included; CAF itself would
//   end the actor with "unhandled exception" and go on;
// - the thread is called after the actor, so that `top -H` and a last word can name it;
// - the actor passes the failpoint `actor:NAME` when it begins and whenever it turns to its mail.

#include <caf/all.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "actors/node/steady_actor.h"
#include "transport/port/caught_error.h"

namespace stampede::actors {

// The first is the actor's own; by the others it is known, too.
using ActorNames = std::vector<std::string>;
std::string to_text(const ActorNames& names);  // "port (core)"

// Of the calling thread; the first 15 characters count.
void name_thread(const std::string& name);
std::string thread_name();

using transport::caught_error;
std::string message_of(const caf::error& error);  // its text; empty when it has none
int exit_code_of(const caf::error& error);        // of the process that ends by it

void pass_actor_points(const ActorNames& names);

template <class Actor>
class WatchedActor final : public Actor {
 public:
  template <class... Args>
  WatchedActor(caf::actor_config& config, ActorNames names, Args&&... args)
      : Actor(config, std::forward<Args>(args)...), names_(std::move(names)) {}

  void act() override {
    name_thread(names_.front());
    auto thrown = caught_error([this] {
      pass_actor_points(names_);
      Actor::act();
    });
    if (thrown) this->fail_state(std::move(thrown));
  }

  void await_data() override {
    Actor::await_data();
    pass_actor_points(names_);
  }
  bool await_data(caf::blocking_actor::timeout_type timeout) override {
    const bool data = Actor::await_data(timeout);
    pass_actor_points(names_);
    return data;
  }
  caf::mailbox_element_ptr dequeue() override {
    pass_actor_points(names_);
    return Actor::dequeue();
  }

 private:
  ActorNames names_;
};

// An actor that is one piece of work and reads no mail.
class WorkActor : public SteadyActor {
 public:
  WorkActor(caf::actor_config& config, std::function<void()> work)
      : SteadyActor(config), work_(std::move(work)) {}
  void act() override { std::exchange(work_, nullptr)(); }

 private:
  std::function<void()> work_;
};

// An actor around a loop that waits for something else than mail. The loop asks go_on whenever it
// was woken and ends when that is false.
class LoopActor : public SteadyActor {
 public:
  using GoOn = std::function<bool()>;
  // `wake` is called by any thread that sends mail; it must not block.
  LoopActor(caf::actor_config& config, std::function<void(const GoOn&)> loop,
            std::function<void()> wake)
      : SteadyActor(config), loop_(std::move(loop)), wake_(std::move(wake)) {}

  void enqueue(caf::mailbox_element_ptr mail, caf::execution_unit* unit) override {
    SteadyActor::enqueue(std::move(mail), unit);
    wake_();
  }
  void act() override {
    loop_([this] { return go_on(); });
  }

 private:
  bool go_on();

  std::function<void(const GoOn&)> loop_;
  std::function<void()> wake_;
};

}  // namespace stampede::actors
