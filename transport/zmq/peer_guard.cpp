#include "transport/zmq/peer_guard.h"

#include <dlfcn.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <zmq.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <thread>

#include "transport/zmq/epoll_guard.h"

namespace {

using stampede::transport::PeerTable;
using stampede::transport::StreamRules;

constexpr std::chrono::milliseconds kNoDescriptorPause{1};

constinit PeerTable table;
thread_local const StreamRules* rules_of_next = nullptr;

// The function of this name behind ours. No guard of a static: a child of a fork may call, too.
template <class Function>
Function behind(std::atomic<Function>& known, const char* name) {
  Function function = known.load(std::memory_order_relaxed);
  if (function != nullptr) return function;
  function = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
  known.store(function, std::memory_order_relaxed);
  return function;
}

using Recv = ssize_t (*)(int, void*, std::size_t, int);
using Send = ssize_t (*)(int, const void*, std::size_t, int);
using Accept4 = int (*)(int, sockaddr*, socklen_t*, int);
using Listen = int (*)(int, int);
using Close = int (*)(int);

constinit std::atomic<Recv> next_recv{nullptr};
constinit std::atomic<Send> next_send{nullptr};
constinit std::atomic<Accept4> next_accept4{nullptr};
constinit std::atomic<Listen> next_listen{nullptr};
constinit std::atomic<Close> next_close{nullptr};

int close_behind(int fd) {
  return behind(next_close, "close")(fd);
}

// Of a connection that waited, or of the process; libzmq ends the process for some of these.
int refuse(int error) {
  if ((error == EMFILE || error == ENFILE) && !table.make_room())
    std::this_thread::sleep_for(kNoDescriptorPause);  // the listener stays readable
  const bool passes = error == EAGAIN || error == EINTR;
  errno = passes ? error : ECONNABORTED;
  return -1;
}

// Whether it says nothing more, whatever it said before.
bool has_hung_up(int fd) {
  pollfd peer{fd, POLLRDHUP, 0};
  return ::poll(&peer, 1, 0) > 0;
}

// The peer has ended, or must.
ssize_t ended(int fd, ssize_t result, int error) {
  const bool now = table.may_end(fd);
  if (!now) stampede::transport::pause_after_round();
  errno = now ? error : EAGAIN;
  return now ? result : -1;
}

}  // namespace

// Other names than those of the C library's headers, whose inline forms would clash.
extern "C" {
__attribute__((visibility("default"))) ssize_t guarded_recv(int fd, void* buffer, std::size_t size,
                                                            int flags) __asm__("recv");
__attribute__((visibility("default"))) ssize_t guarded_send(int fd, const void* buffer,
                                                            std::size_t size,
                                                            int flags) __asm__("send");
__attribute__((visibility("default"))) int guarded_accept4(int fd, sockaddr* address,
                                                           socklen_t* size,
                                                           int flags) __asm__("accept4");
__attribute__((visibility("default"))) int guarded_listen(int fd, int backlog) __asm__("listen");
__attribute__((visibility("default"))) int guarded_close(int fd) __asm__("close");

ssize_t guarded_recv(int fd, void* buffer, std::size_t size, int flags) {
  const bool peer = table.is_peer(fd);
  if (peer && size != 0) {
    if (table.is_gone(fd)) return ended(fd, 0, 0);
    // While many wait for their end those who are dead already join nothing, and not even us.
    if (table.is_pressed(fd) && has_hung_up(fd)) {
      table.end(fd);
      return ended(fd, 0, 0);
    }
    size = table.may_read(fd, size);
    if (size == 0) {
      stampede::transport::pause_after_round();
      errno = EAGAIN;
      return -1;
    }
  }
  const ssize_t got = behind(next_recv, "recv")(fd, buffer, size, flags);
  if (!peer) return got;
  if (got < 0 && errno == ENOMEM) errno = EAGAIN;
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return got;
  if (got <= 0) {
    const int error = errno;
    table.end(fd);
    return ended(fd, got, error);
  }
  auto* const bytes = static_cast<unsigned char*>(buffer);
  if (table.heard(fd, bytes, static_cast<std::size_t>(got))) return got;
  table.end(fd);
  return ended(fd, 0, 0);
}

ssize_t guarded_send(int fd, const void* buffer, std::size_t size, int flags) {
  const bool peer = table.is_peer(fd);
  if (peer && table.is_gone(fd) && table.is_subscriber(fd))
    return static_cast<ssize_t>(size);  // recv tells it, in its time
  const ssize_t taken = behind(next_send, "send")(fd, buffer, size, flags);
  if (!peer) return taken;
  if (taken < 0 && errno == ENOMEM) errno = EAGAIN;
  const int error = errno;
  if (taken < 0 && error != EAGAIN && error != EINTR && table.is_subscriber(fd)) {
    table.end(fd);
    return static_cast<ssize_t>(size);
  }
  if (taken >= 0 || error == EAGAIN)
    table.sent(fd, size, taken < 0 ? 0 : static_cast<std::size_t>(taken));
  errno = error;
  return taken;
}

int guarded_accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  const int made = behind(next_accept4, "accept4")(fd, address, size, flags);
  if (!table.is_listener(fd)) return made;
  if (made < 0) return refuse(errno);
  if (table.accept(fd, made)) return made;
  close_behind(made);
  errno = ECONNABORTED;
  return -1;
}

int guarded_listen(int fd, int backlog) {
  if (rules_of_next != nullptr && !table.listen(fd, *rules_of_next)) {
    errno = ENOBUFS;
    return -1;
  }
  return behind(next_listen, "listen")(fd, backlog);
}

int guarded_close(int fd) {
  if ((table.is_peer(fd) || table.is_listener(fd)) && table.is_own()) table.close(fd);
  return close_behind(fd);
}
}

namespace stampede::transport {

namespace {

struct Charged {
  std::unique_ptr<char[]> bytes;
  std::uint32_t size;
  PeerId peer;
};

void release(void*, void* hint) {
  const std::unique_ptr<Charged> charged(static_cast<Charged*>(hint));
  table.release(charged->peer, charged->size);
}

bool is_first(const char* name, void* own) {
  return ::dlsym(RTLD_DEFAULT, name) == own;
}

}  // namespace

bool peers_are_guarded() {
  return is_first("recv", reinterpret_cast<void*>(&guarded_recv)) &&
         is_first("send", reinterpret_cast<void*>(&guarded_send)) &&
         is_first("accept4", reinterpret_cast<void*>(&guarded_accept4)) &&
         is_first("listen", reinterpret_cast<void*>(&guarded_listen)) &&
         is_first("close", reinterpret_cast<void*>(&guarded_close));
}

GuardedBind::GuardedBind(const StreamRules& rules) {
  rules_of_next = &rules;
}

GuardedBind::~GuardedBind() {
  rules_of_next = nullptr;
}

void note_taken(std::size_t bytes) {
  table.taken(static_cast<std::int64_t>(bytes));
}

void note_nothing_left() {
  table.nothing_left();
}

void note_no_topic_left() {
  table.no_topic_left();
}

void note_topics(std::size_t looks, bool full) {
  table.topics_held(looks, full);
}

std::size_t ends_waiting() {
  return table.ends_waiting();
}

std::size_t topics_leaving() {
  return table.topics_leaving();
}

void note_known_topic(std::string_view topic) {
  table.known_topics().add(topic);
}

std::uint32_t cut_most_topics() {
  return table.cut_most_topics();
}

std::uint64_t peers_cut() {
  return table.cut();
}

PeerId peer_of(Frame& part) {
  const int fd = zmq_msg_get(static_cast<zmq_msg_t*>(part.native()), ZMQ_SRCFD);
  return fd < 0 ? PeerId{} : table.id_of(fd);
}

bool is_connected(const PeerId& peer) {
  return table.knows(peer);
}

Frame charged_frame(std::string_view bytes, const PeerId& peer) {
  if (peer.life == 0) return Frame(bytes);
  auto charged = std::make_unique<Charged>();
  charged->bytes = std::make_unique<char[]>(bytes.size());
  charged->size = static_cast<std::uint32_t>(bytes.size());
  charged->peer = peer;
  std::memcpy(charged->bytes.get(), bytes.data(), bytes.size());
  table.charge(peer, charged->size);
  Frame frame;  // an empty zmq_msg_t holds nothing, so it may be initialised again
  if (zmq_msg_init_data(static_cast<zmq_msg_t*>(frame.native()), charged->bytes.get(), bytes.size(),
                        &release, charged.get()) != 0)
    throw std::bad_alloc();
  static_cast<void>(charged.release());
  return frame;
}

}  // namespace stampede::transport
