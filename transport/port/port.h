#pragma once

// A port: one detached CAF actor that owns all ZeroMQ sockets of a role and runs one poll loop over
// them, its own mailbox (made pollable by an eventfd) and any further file descriptors.
//
// One round of the loop: take every mail that waits, take up to kMessagesPerSocket messages of each
// readable socket (fewer, if the role leaves the rest), fire due timers, then
// PortRole::end_of_round() once. A role therefore sees *all that has arrived* before it sends,
// which is where batches come from; no timer delays an order. The one thing a round waits for is
// the poll.
//
// A stranger may subscribe without end, and ZeroMQ would keep it all. So when an XPUB has too many
// topics (TopicCount) the connection that made up most is ended, and the next one, until there is
// room: whoever subscribes to what is published stays. Should that not help (twice topics_max), the
// socket is shut for kFloodPause: the role is told that every topic is gone, what it sends
// meanwhile is refused; honest subscribers come back by themselves.
//
// The files of ipc endpoints that a port has bound may be removed by somebody: it looks at them
// twice a second, on the grid of all processes (time_grid.h), and binds again what is gone.
//
// PortActor ends when the role calls stop(), when an exit_msg arrives (its reason becomes the
// actor's; a high-priority one overtakes all mail that waits), or when a role's call throws: the
// reason then carries the exception's text (sec::runtime_error, or sec::cannot_open_port when an
// address was taken). Mail that nobody handles is named on stderr and dropped.

#include <atomic>
#include <caf/all.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

#include "transport/zmq/sockets.h"

namespace stampede::transport {

using SocketId = std::size_t;
using MonoTime = std::chrono::steady_clock::time_point;

inline constexpr int kMessagesPerSocket = 256;
inline constexpr std::chrono::milliseconds kFloodPause{250};
inline constexpr int kMailsPerRound = 4096;  // so that a flood of mail cannot starve the sockets

// What a role may ask of its port. Valid only in the port's thread, inside PortRole's calls.
class PortControl {
 public:
  virtual ~PortControl() = default;
  virtual SocketId open(const SocketOptions& options,
                        bool retry_bind = false) = 0;  // throws SocketError
  virtual void close(SocketId id) = 0;
  // See Socket::send. After a refusal by a PUSH or DEALER the port makes a round as soon as that
  // socket takes messages again, so a role may keep a backlog and offer it in end_of_round().
  [[nodiscard]] virtual bool send(SocketId id, Message& parts) = 0;
  [[nodiscard]] virtual bool send(SocketId id, Frame& part) = 0;
  [[nodiscard]] virtual bool writable(SocketId id) const = 0;         // would a send be taken?
  virtual void watch(int fd, std::function<void()> on_readable) = 0;  // fd stays the caller's
  virtual void unwatch(int fd) = 0;
  virtual void pause_reading(SocketId id, bool paused) = 0;  // leaves the poll set: back-pressure
  virtual void wake_at(MonoTime when) = 0;  // one on_timer at or after `when`, within about 1 ms
  // The same for what may wait a little: one on_timer in the first round at or after `when` that
  // something else has brought about, else at `latest`.
  virtual void wake_between(MonoTime when, MonoTime latest) = 0;
  // PortRole::on_quiet when the next look at everything finds nothing.
  virtual void call_when_quiet() = 0;
  virtual MonoTime now() const = 0;         // taken once per round
  virtual caf::blocking_actor& self() = 0;  // to send mail from
  // In on_message: what else this socket has waits for the next round.
  virtual void leave_rest() = 0;
  virtual void stop() = 0;  // ends the loop after this round
};

// The logic of one role; called by one thread only. An exception thrown from any call ends the
// actor, and with it the process (fail-stop is installed by actors/node/node).
class PortRole {
 public:
  virtual ~PortRole() = default;
  virtual void start(PortControl& port) = 0;                 // opens sockets
  virtual caf::message_handler mail(PortControl& port) = 0;  // handlers of the actor's mail
  virtual void on_message(PortControl& port, SocketId id, Message& parts) = 0;
  virtual void on_timer(PortControl&) {}
  virtual void on_quiet(PortControl&) {
  }  // asked for; what arrives meanwhile waits until it returns
  virtual void end_of_round(PortControl&) {}
  virtual void finish(PortControl&) {}  // before sockets close; not after a throw or a kill
};

class PortLoop;

// To be spawned detached. The role is made by the caller and destroyed in the port's thread.
// `context` must outlive the actor system.
class PortActor : public caf::blocking_actor {
 public:
  PortActor(caf::actor_config& config, Context* context, std::unique_ptr<PortRole> role);
  ~PortActor() override;

  const char* name() const override { return "port"; }
  void enqueue(caf::mailbox_element_ptr mail, caf::execution_unit* unit) override;  // any thread
  caf::mailbox_element_ptr dequeue() override;  // urgent mail first; null: there is none
  void act() override;

 private:
  void run();
  void round(PortLoop& loop);
  void take_mail();
  void deliver(caf::mailbox_element& mail);
  void respond(caf::mailbox_element& mail, const caf::optional<caf::message>& result);

  Context& context_;
  std::unique_ptr<PortRole> role_;
  int mail_fd_;
  std::atomic<bool> armed_{false};
  caf::message_handler handler_;
  caf::error exit_reason_;
  bool killed_ = false;
  bool mail_left_ = false;
};

}  // namespace stampede::transport
