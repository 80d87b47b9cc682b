#include "transport/port.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "config/invariant.h"
#include "transport/port_socket.h"

namespace stampede::transport {

namespace {

using std::chrono::ceil;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// --- the sockets, descriptors and timers of one port ----------------------------------------

class Loop final : public PortControl {
 public:
  Loop(caf::blocking_actor& owner, Context& context, int mail_fd)
      : owner_(owner), context_(context), mail_fd_(mail_fd), now_(steady_clock::now()) {}

  SocketId open(const SocketOptions& options, bool retry_bind) override;
  void close(SocketId id) override;
  bool send(SocketId id, Message& parts) override { return send_any(at(id), parts); }
  bool send(SocketId id, Frame& part) override { return send_any(at(id), part); }
  bool writable(SocketId id) const override;
  void watch(int fd, std::function<void()> on_readable) override;
  void unwatch(int fd) override;
  void pause_reading(SocketId id, bool paused) override;
  void wake_at(MonoTime when) override;
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
  struct Source {  // what a descriptor in items_ stands for
    SocketId id = 0;
    int fd = -1;  // a watched descriptor
  };

  PortSocket* find(SocketId id);
  PortSocket& at(SocketId id);
  template <class Parts>
  bool send_any(PortSocket& entry, Parts& parts);
  void shut(PortRole& role, PortSocket& entry);
  void reopen_due();
  void rebuild();
  void look_at_used();
  void look_at(PortSocket& entry);
  void hear(const Source& source);
  [[nodiscard]] int timeout_ms(bool sleep) const;
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
  std::set<MonoTime> timers_;  // whole milliseconds, so that it stays small
  MonoTime next_reopen_ = MonoTime::max();
  Message parts_;  // reused for every message
};

SocketId Loop::open(const SocketOptions& options, bool retry_bind) {
  entries_.emplace_back(last_id_ + 1, context_, options, retry_bind);
  changed_ = true;
  return ++last_id_;
}

void Loop::close(SocketId id) {
  std::erase_if(entries_, [id](const PortSocket& entry) { return entry.id == id; });
  changed_ = true;
}

PortSocket* Loop::find(SocketId id) {
  for (auto& entry : entries_)
    if (entry.id == id) return &entry;
  return nullptr;
}

PortSocket& Loop::at(SocketId id) {
  PortSocket* entry = find(id);
  STAMPEDE_ASSERT(entry != nullptr, "a socket that is not open was used");
  return *entry;
}

bool Loop::writable(SocketId id) const {
  auto& entry = const_cast<Loop*>(this)->at(id);
  entry.used = true;
  return entry.socket && entry.socket->writable();
}

template <class Parts>
bool Loop::send_any(PortSocket& entry, Parts& parts) {
  entry.used = true;
  const bool taken = entry.socket && entry.socket->send(parts);
  if (!taken && entry.balances() && !entry.refused) entry.refused = changed_ = true;
  return taken;
}

// --- floods of topics --------------------------------------------------------------------------

void Loop::shut(PortRole& role, PortSocket& entry) {
  std::fprintf(stderr, "port: %s is shut for a moment: more than %zu topics\n",
               entry.options.endpoint.c_str(), entry.options.topics_max);
  const SocketId id = entry.id;
  const auto topics = entry.shut(now_ + kFloodPause);
  next_reopen_ = std::min(next_reopen_, now_ + kFloodPause);
  changed_ = true;
  for (const auto& topic : topics) {  // the role may open and close sockets meanwhile
    parts_.clear();
    parts_.emplace_back(std::string(1, '\0') + topic);
    role.on_message(*this, id, parts_);
  }
}

void Loop::reopen_due() {
  if (now_ < next_reopen_) return;
  next_reopen_ = MonoTime::max();
  for (auto& entry : entries_) next_reopen_ = std::min(next_reopen_, entry.reopen(context_, now_));
  changed_ = true;
}

// --- waiting and reading -------------------------------------------------------------------------

void Loop::watch(int fd, std::function<void()> on_readable) {
  unwatch(fd);
  watched_.push_back({fd, std::make_shared<std::function<void()>>(std::move(on_readable))});
  changed_ = true;
}

void Loop::unwatch(int fd) {
  std::erase_if(watched_, [fd](const Watched& watched) { return watched.fd == fd; });
  changed_ = true;
}

void Loop::pause_reading(SocketId id, bool paused) {
  PortSocket& entry = at(id);
  if (entry.paused == paused) return;
  entry.paused = paused;
  entry.used = changed_ = true;
}

void Loop::wake_at(MonoTime when) {
  timers_.insert(MonoTime(ceil<milliseconds>(when.time_since_epoch())));
}

void Loop::rebuild() {
  items_.assign(1, pollfd{mail_fd_, POLLIN, 0});
  sources_.assign(1, Source{});
  for (auto& entry : entries_) {
    if (!entry.awaited()) continue;
    items_.push_back({entry.socket->descriptor(), POLLIN, 0});
    sources_.push_back({entry.id, -1});
  }
  for (const auto& watched : watched_) {
    items_.push_back({watched.fd, POLLIN, 0});
    sources_.push_back({0, watched.fd});
  }
  changed_ = false;
}

int Loop::timeout_ms(bool sleep) const {
  if (!sleep || !ready_.empty() || changed_ || stopped_ || quiet_wanted_) return 0;
  const auto next = timers_.empty() ? next_reopen_ : std::min(*timers_.begin(), next_reopen_);
  if (next == MonoTime::max()) return -1;
  const auto left = ceil<milliseconds>(next - steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

// zmq_poll would do all this, with two system calls a socket before and two after the sleep; here
// only sockets that were used since cost two.
void Loop::wait(bool sleep) {
  if (changed_) rebuild();
  ready_.clear();
  look_at_used();
  while (::poll(items_.data(), items_.size(), timeout_ms(sleep)) < 0)
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
  now_ = steady_clock::now();
  mail_signalled_ = items_[0].revents != 0;
  for (std::size_t i = 1; i < items_.size(); ++i)
    if (items_[i].revents != 0) hear(sources_[i]);
}

void Loop::look_at_used() {
  for (auto& entry : entries_)
    if (entry.used && entry.awaited()) look_at(entry);
}

// Takes in what happened to the socket, which silences its descriptor.
void Loop::look_at(PortSocket& entry) {
  if (entry.refused && entry.socket->writable()) {
    entry.refused = false;
    changed_ = true;  // and somebody wants to know
  }
  entry.used = entry.socket->readable() && entry.receives() && !entry.paused;
  if (entry.used) ready_.push_back({entry.id, -1});
}

void Loop::hear(const Source& source) {
  if (source.fd >= 0) return ready_.push_back(source);
  auto& entry = at(source.id);
  if (entry.used) return;  // it is among the ready
  if (entry.refused || entry.paused || !entry.receives()) return look_at(entry);
  entry.used = true;  // until it has given all it has
  ready_.push_back(source);
}

void Loop::take_messages(PortRole& role) {
  for (const Source& source : ready_) {
    if (source.fd < 0)
      read_socket(role, source.id);
    else
      call_watcher(source.fd);
  }
}

void Loop::read_socket(PortRole& role, SocketId id) {
  rest_left_ = false;
  for (int taken = 0; taken < kMessagesPerSocket && !rest_left_; ++taken) {
    PortSocket* entry = find(id);  // the role may have closed or paused it with the last message
    if (entry == nullptr || entry->paused || !entry->socket) return;
    if (!entry->socket->receive(parts_)) {
      entry->used = false;
      return;
    }
    if (entry->publishes() && !entry->topics.take(parts_[0].bytes())) return shut(role, *entry);
    role.on_message(*this, id, parts_);
  }
}

void Loop::call_watcher(int fd) {
  for (const auto& watched : watched_) {
    if (watched.fd != fd) continue;
    const auto on_readable = watched.on_readable;
    (*on_readable)();
    return;
  }
}

void Loop::fire_timers(PortRole& role) {
  reopen_due();
  if (timers_.empty() || *timers_.begin() > now_) return;
  timers_.erase(timers_.begin(), timers_.upper_bound(now_));
  role.on_timer(*this);
}

void Loop::use_quiet(PortRole& role) {
  if (!std::exchange(quiet_wanted_, false)) return;
  if (ready_.empty() && !mail_signalled_) role.on_quiet(*this);
}

// --- the actor ------------------------------------------------------------------------------

class PortActor final : public caf::blocking_actor {
 public:
  PortActor(caf::actor_config& config, Context* context, std::unique_ptr<PortRole> role)
      : blocking_actor(config),
        context_(*context),
        role_(std::move(role)),
        mail_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (mail_fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  ~PortActor() override { ::close(mail_fd_); }

  const char* name() const override { return "port"; }

  // Called by any thread. Many mails cost one write: the flag falls only when the mailbox is about
  // to be emptied.
  void enqueue(caf::mailbox_element_ptr mail, caf::execution_unit* unit) override {
    blocking_actor::enqueue(std::move(mail), unit);
    if (!armed_.exchange(true)) static_cast<void>(::eventfd_write(mail_fd_, 1));
  }

  void act() override {
    try {
      run();
    } catch (const SocketError& error) {
      fail_state(caf::make_error(
          error.address_taken ? caf::sec::cannot_open_port : caf::sec::runtime_error,
          std::string(error.what())));
    } catch (const std::exception& error) {
      fail_state(caf::make_error(caf::sec::runtime_error, std::string(error.what())));
    } catch (...) {
      fail_state(caf::make_error(caf::sec::runtime_error, std::string("an unknown exception")));
    }
    handler_ = {};
    role_.reset();
  }

 private:
  void run() {
    Loop loop(*this, context_, mail_fd_);
    role_->start(loop);
    handler_ = role_->mail(loop);
    while (!loop.stopped() && !killed_) round(loop);
    if (exit_reason_ != caf::exit_reason::kill) role_->finish(loop);
    fail_state(exit_reason_);
  }

  void round(Loop& loop) {
    loop.wait(!mail_left_);
    if (!mail_left_) loop.use_quiet(*role_);
    if (loop.mail_signalled() || mail_left_) take_mail();
    if (killed_) return;
    loop.take_messages(*role_);
    loop.fire_timers(*role_);
    role_->end_of_round(loop);
  }

  void take_mail() {
    eventfd_t ignored = 0;
    static_cast<void>(::eventfd_read(mail_fd_, &ignored));
    armed_ = false;  // before the mailbox is looked at, or a wake-up could be lost
    for (int taken = 0; taken < kMailsPerRound && !killed_; ++taken) {
      const caf::mailbox_element_ptr mail = next_mail();
      if (mail == nullptr) {
        mail_left_ = false;
        return;
      }
      current_mailbox_element(mail.get());
      deliver(*mail);
      current_mailbox_element(nullptr);
    }
    mail_left_ = true;
  }

  // High-priority mail first. CAF 0.17.6's own dequeue() of a blocking actor has the two queues the
  // wrong way round, so an urgent kill would come last there.
  caf::mailbox_element_ptr next_mail() {
    mailbox().fetch_more();
    auto& queues = mailbox().queue().queues();
    auto mail = std::get<caf::message_id::urgent_message_category>(queues).take_front();
    if (mail == nullptr)
      mail = std::get<caf::message_id::normal_message_category>(queues).take_front();
    return mail;
  }

  void deliver(caf::mailbox_element& mail) {
    auto& content = mail.content();
    if (content.match_elements<caf::exit_msg>()) {
      exit_reason_ = content.get_as<caf::exit_msg>(0).reason;
      killed_ = true;
      return;
    }
    const auto result = handler_(content);
    if (!result)
      std::fprintf(stderr, "port: nobody handles the mail %s\n", content.stringify().c_str());
    if (mail.mid.is_request()) respond(mail, result);
  }

  void respond(caf::mailbox_element& mail, const caf::optional<caf::message>& result) {
    if (!mail.sender) return;
    auto answer = result ? *result : caf::make_message(make_error(caf::sec::unexpected_message));
    mail.sender->get()->enqueue(ctrl(), mail.mid.response_id(), std::move(answer), context());
  }

  Context& context_;
  std::unique_ptr<PortRole> role_;
  int mail_fd_;
  std::atomic<bool> armed_{false};
  caf::message_handler handler_;
  caf::error exit_reason_;
  bool killed_ = false;
  bool mail_left_ = false;
};

}  // namespace

caf::actor spawn_port(caf::actor_system& system, Context& context, std::unique_ptr<PortRole> role) {
  return system.spawn<PortActor, caf::detached>(&context, std::move(role));
}

}  // namespace stampede::transport
