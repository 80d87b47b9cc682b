#pragma once

// The sockets, descriptors and timers of one port, on the port's thread alone (port.h has the actor
// around them). What fails, throws: SocketError of a socket, std::system_error of poll().

#include <poll.h>

#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "transport/port/port.h"
#include "transport/port/port_socket.h"

namespace stampede::transport {

class PortLoop final : public PortControl {
 public:
  PortLoop(caf::blocking_actor& owner, Context& context, int mail_fd)
      : owner_(owner),
        context_(context),
        mail_fd_(mail_fd),
        now_(std::chrono::steady_clock::now()) {}

  SocketId open(const SocketOptions& options, bool retry_bind) override;
  void close(SocketId id) override;
  bool send(SocketId id, Message& parts) override;
  bool send(SocketId id, Frame& part) override;
  bool writable(SocketId id) const override;
  void watch(int fd, std::function<void()> on_readable) override;
  void unwatch(int fd) override;
  void pause_reading(SocketId id, bool paused) override;
  void wake_at(MonoTime when) override;
  void wake_between(MonoTime when, MonoTime latest) override;
  void call_when_quiet() override { quiet_wanted_ = true; }
  MonoTime now() const override { return now_; }
  caf::blocking_actor& self() override { return owner_; }
  void leave_rest() override { rest_left_ = true; }
  void stop() override { stopped_ = true; }

  [[nodiscard]] bool stopped() const { return stopped_; }
  void wait(bool sleep);  // the only place where the thread sleeps
  [[nodiscard]] bool mail_signalled() const { return mail_signalled_; }
  void take_messages(PortRole& role);  // and calls the watchers of readable descriptors
  void fire_timers(PortRole& role);
  void use_quiet(PortRole& role);  // after a wait

 private:
  struct Watched {
    int fd;
    std::shared_ptr<std::function<void()>> on_readable;  // lives on while it is being called
  };
  struct Lenient {  // a timer that waits for another reason to wake, until its latest moment
    MonoTime when;
    MonoTime latest;
  };
  struct Source {  // what a descriptor in items_ stands for
    SocketId id = 0;
    int fd = -1;  // a watched descriptor
  };

  PortSocket* find(SocketId id);
  PortSocket& at(SocketId id);
  template <class Parts>
  bool send_any(PortSocket& entry, Parts& parts);
  void make_room(PortSocket& entry);
  void make_room_if_due();
  void shut(PortRole& role, PortSocket& entry);
  void reopen_due();
  void look_at_paths();
  void rebuild();
  void look_at_used();
  void look_at(PortSocket& entry);
  void hear(const Source& source);
  [[nodiscard]] MonoTime next_wake() const;
  [[nodiscard]] int timeout_ms(bool sleep) const;
  [[nodiscard]] bool take_due_timers();
  void read_socket(PortRole& role, SocketId id);
  void call_watcher(int fd);

  caf::blocking_actor& owner_;
  Context& context_;
  int mail_fd_;
  MonoTime now_;
  bool stopped_ = false;
  bool rest_left_ = false;  // by the role, of the socket that is being read
  bool mail_signalled_ = false;
  bool quiet_wanted_ = false;
  bool changed_ = true;  // items_ must be made anew
  SocketId last_id_ = 0;
  std::vector<PortSocket> entries_;
  std::vector<Watched> watched_;
  std::vector<pollfd> items_;    // [0] is the mailbox
  std::vector<Source> sources_;  // same positions as items_
  std::vector<Source> ready_;
  std::set<MonoTime> timers_;     // whole milliseconds, so that it stays small
  std::vector<Lenient> lenient_;  // one for each moment
  MonoTime next_reopen_ = MonoTime::max();
  MonoTime next_room_ = MonoTime::max();  // of a publisher
  MonoTime next_look_ = MonoTime::max();  // at the files of what is bound; never: there are none
  Message parts_;                         // reused for every message
};

}  // namespace stampede::transport
