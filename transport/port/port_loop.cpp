#include "transport/port/port_loop.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <system_error>
#include <utility>

#include "config/process/invariant.h"
#include "transport/port/time_grid.h"
#include "transport/zmq/peer_guard.h"

namespace stampede::transport {

using std::chrono::ceil;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds kPathsEvery{500};
constexpr milliseconds kPathsWait{20};  // for another reason to wake: nearly always there is one
constexpr milliseconds kRoomEvery{50};

std::string_view first_of(const Message& parts) {
  return parts[0].bytes();
}
std::string_view first_of(const Frame& part) {
  return part.bytes();
}

}  // namespace

SocketId PortLoop::open(const SocketOptions& options, bool retry_bind) {
  entries_.emplace_back(last_id_ + 1, context_, options, retry_bind);
  if (!entries_.back().paths.empty() && next_look_ == MonoTime::max())
    next_look_ = next_on_grid(now_, kPathsEvery);
  changed_ = true;
  return ++last_id_;
}

void PortLoop::close(SocketId id) {
  std::erase_if(entries_, [id](const PortSocket& entry) { return entry.id == id; });
  changed_ = true;
}

PortSocket* PortLoop::find(SocketId id) {
  for (auto& entry : entries_)
    if (entry.id == id) return &entry;
  return nullptr;
}

PortSocket& PortLoop::at(SocketId id) {
  PortSocket* entry = find(id);
  STAMPEDE_ASSERT(entry != nullptr, "a socket that is not open was used");
  return *entry;
}

bool PortLoop::writable(SocketId id) const {
  auto& entry = const_cast<PortLoop*>(this)->at(id);
  entry.used = true;
  return entry.socket && entry.socket->writable();
}

template <class Parts>
bool PortLoop::send_any(PortSocket& entry, Parts& parts) {
  entry.used = true;
  if (entry.publishes()) entry.topics.know(first_of(parts));
  const bool taken = entry.socket && entry.socket->send(parts);
  if (!taken && entry.balances() && !entry.refused) entry.refused = changed_ = true;
  return taken;
}

bool PortLoop::send(SocketId id, Message& parts) {
  return send_any(at(id), parts);
}
bool PortLoop::send(SocketId id, Frame& part) {
  return send_any(at(id), part);
}

// --- floods of topics --------------------------------------------------------------------------

void PortLoop::make_room(PortSocket& entry) {
  const bool full = entry.topics.full(ends_waiting());
  note_topics(entry.topics.looks(), full);
  while (entry.topics.too_many(ends_waiting(), topics_leaving()))
    if (cut_most_topics() == 0) break;
  if (!full) return;
  next_room_ = std::min(next_room_, now_ + kRoomEvery);
  entry.used = true;  // who was cut may be gone by then
}

// After topics came or went, and while there is no room.
void PortLoop::make_room_if_due() {
  if (now_ < next_room_) return;
  next_room_ = MonoTime::max();
  for (auto& entry : entries_)
    if (entry.publishes() && entry.socket) make_room(entry);
}

void PortLoop::shut(PortRole& role, PortSocket& entry) {
  std::fprintf(stderr, "port: %s is shut for a moment: too many topics\n",
               entry.options.endpoint.c_str());
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

void PortLoop::reopen_due() {
  if (now_ < next_reopen_) return;
  next_reopen_ = MonoTime::max();
  for (auto& entry : entries_) next_reopen_ = std::min(next_reopen_, entry.reopen(context_, now_));
  changed_ = true;
}

// --- files that somebody removes -----------------------------------------------------------------

void PortLoop::look_at_paths() {
  if (now_ < next_look_) return;
  next_look_ = next_on_grid(now_, kPathsEvery);
  for (auto& entry : entries_) entry.look_at_paths();
}

// --- waiting and reading -------------------------------------------------------------------------

void PortLoop::watch(int fd, std::function<void()> on_readable) {
  unwatch(fd);
  watched_.push_back({fd, std::make_shared<std::function<void()>>(std::move(on_readable))});
  changed_ = true;
}

void PortLoop::unwatch(int fd) {
  std::erase_if(watched_, [fd](const Watched& watched) { return watched.fd == fd; });
  changed_ = true;
}

void PortLoop::pause_reading(SocketId id, bool paused) {
  PortSocket& entry = at(id);
  if (entry.paused == paused) return;
  entry.paused = paused;
  entry.used = changed_ = true;
}

void PortLoop::wake_at(MonoTime when) {
  timers_.insert(MonoTime(ceil<milliseconds>(when.time_since_epoch())));
}

void PortLoop::wake_between(MonoTime when, MonoTime latest) {
  for (auto& timer : lenient_) {
    if (timer.when != when) continue;
    timer.latest = std::min(timer.latest, latest);
    return;
  }
  lenient_.push_back({when, latest});
}

void PortLoop::rebuild() {
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

MonoTime PortLoop::next_wake() const {
  auto next = std::min(next_reopen_, next_room_);
  if (next_look_ != MonoTime::max()) next = std::min(next, next_look_ + kPathsWait);
  for (const auto& timer : lenient_) next = std::min(next, timer.latest);
  return timers_.empty() ? next : std::min(*timers_.begin(), next);
}

int PortLoop::timeout_ms(bool sleep) const {
  if (!sleep || !ready_.empty() || changed_ || stopped_ || quiet_wanted_) return 0;
  const auto next = next_wake();
  if (next == MonoTime::max()) return -1;
  const auto left = ceil<milliseconds>(next - steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

// zmq_poll would do all this, with two system calls a socket before and two after the sleep; here
// only sockets that were used since cost two.
void PortLoop::wait(bool sleep) {
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

void PortLoop::look_at_used() {
  for (auto& entry : entries_)
    if (entry.used && entry.awaited()) look_at(entry);
}

// Takes in what happened to the socket, which silences its descriptor.
void PortLoop::look_at(PortSocket& entry) {
  if (entry.refused && entry.socket->writable()) {
    entry.refused = false;
    changed_ = true;  // and somebody wants to know
  }
  entry.used = entry.socket->readable() && entry.receives() && !entry.paused;
  if (entry.used) ready_.push_back({entry.id, -1});
}

void PortLoop::hear(const Source& source) {
  if (source.fd >= 0) return ready_.push_back(source);
  auto& entry = at(source.id);
  if (entry.used) return;  // it is among the ready
  if (entry.refused || entry.paused || !entry.receives()) return look_at(entry);
  entry.used = true;  // until it has given all it has
  ready_.push_back(source);
}

void PortLoop::take_messages(PortRole& role) {
  for (const Source& source : ready_) {
    if (source.fd < 0)
      read_socket(role, source.id);
    else
      call_watcher(source.fd);
  }
}

void PortLoop::read_socket(PortRole& role, SocketId id) {
  rest_left_ = false;
  for (int taken = 0; taken < kMessagesPerSocket && !rest_left_; ++taken) {
    PortSocket* entry = find(id);  // the role may have closed or paused it with the last message
    if (entry == nullptr || entry->paused || !entry->socket) return;
    if (!entry->socket->receive(parts_)) {
      entry->used = false;
      return;
    }
    if (entry->publishes()) {
      entry->topics.take(parts_[0].bytes());
      if (entry->topics.flooded()) return shut(role, *entry);
      next_room_ = now_;
    }
    role.on_message(*this, id, parts_);
  }
}

void PortLoop::call_watcher(int fd) {
  for (const auto& watched : watched_) {
    if (watched.fd != fd) continue;
    const auto on_readable = watched.on_readable;
    (*on_readable)();
    return;
  }
}

void PortLoop::fire_timers(PortRole& role) {
  reopen_due();
  look_at_paths();
  make_room_if_due();
  if (take_due_timers()) role.on_timer(*this);
}

bool PortLoop::take_due_timers() {
  const auto due = timers_.upper_bound(now_);
  const bool any = due != timers_.begin();
  timers_.erase(timers_.begin(), due);
  return std::erase_if(lenient_, [this](const auto& timer) { return timer.when <= now_; }) > 0 ||
         any;
}

void PortLoop::use_quiet(PortRole& role) {
  if (!std::exchange(quiet_wanted_, false)) return;
  if (ready_.empty() && !mail_signalled_) role.on_quiet(*this);
}

}  // namespace stampede::transport
