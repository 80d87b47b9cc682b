#pragma once

// A blocking actor whose time-outs are those of a steady clock. CAF 0.17.6 waits until a time of
// the wall clock (blocking_actor::timeout_type): set back by an hour, a wait of 10 ms takes an
// hour.

#include <caf/all.hpp>
#include <chrono>

namespace stampede::actors {

class SteadyActor : public caf::blocking_actor {
 public:
  using caf::blocking_actor::await_data;
  using caf::blocking_actor::blocking_actor;

  // CAF has just made `timeout` from a duration; what is left of it is that duration.
  bool await_data(timeout_type timeout) override {
    const auto left = timeout - timeout_type::clock::now();
    if (left <= left.zero()) return has_next_message();
    return mailbox().synchronized_await(mtx_, cv_, std::chrono::steady_clock::now() + left);
  }

 protected:
  // fn(mail) for each mail of that type, until the actor is to end; other mail is answered with an
  // error.
  template <class Mail, class Fn>
  void work_until_end(Fn fn) {
    bool running = true;
    while (running) {
      receive([&](const Mail& mail) { fn(mail); }, [&](const caf::exit_msg&) { running = false; },
              caf::others >> [](caf::message_view&) -> caf::result<caf::message> {
                return caf::sec::unexpected_message;
              });
    }
  }
};

}  // namespace stampede::actors
