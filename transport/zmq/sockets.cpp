#include "transport/zmq/sockets.h"

#include <sys/random.h>
#include <zmq.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <tuple>
#include <utility>

#include "config/process/invariant.h"
#include "transport/zmq/epoll_guard.h"
#include "transport/zmq/peer_guard.h"
#include "transport/zmq/socket_setup.h"
#include "transport/zmq/zap.h"

namespace stampede::transport {

namespace {

zmq_msg_t* raw(Frame& frame) {
  return static_cast<zmq_msg_t*>(frame.native());
}

int events_of(void* socket) {
  int events = 0;
  std::size_t size = sizeof events;
  if (zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) != 0) fail_zmq("zmq_getsockopt");
  return events;
}

// 0 when the part was taken, else the error.
int send_part(void* socket, zmq_msg_t* part, int flags) {
  for (;;) {
    if (zmq_msg_send(part, socket, flags | ZMQ_DONTWAIT) >= 0) return 0;
    if (zmq_errno() != EINTR) return zmq_errno();
  }
}

// The first part of a message is offered twice: ZeroMQ looks for room that a peer gave back only
// now and then, unless its events are asked for. (A later part never: after a refusal in the middle
// the socket throws away what follows, or takes it for a new message.)
int send_first(void* socket, zmq_msg_t* part, int flags) {
  const int error = send_part(socket, part, flags);
  if (error != EAGAIN) return error;
  static_cast<void>(events_of(socket));
  return send_part(socket, part, flags);
}

// A peer that has no room or is gone is an answer; anything else is a fault.
void expect_refusal(int error) {
  if (error == EAGAIN || error == EHOSTUNREACH) return;
  throw std::runtime_error(std::string("zmq_msg_send: ") + zmq_strerror(error));
}

bool receive_part(void* socket, zmq_msg_t* part) {
  while (zmq_msg_recv(part, socket, ZMQ_DONTWAIT) < 0) {
    if (zmq_errno() == EAGAIN) return false;
    if (zmq_errno() != EINTR) fail_zmq("zmq_msg_recv");
  }
  return true;
}

// A ROUTER numbers its peers from rand() on, which starts at the same number in each process; a
// peer that claims the next number beforehand ends the process in an assertion of libzmq 4.3.4.
void unforeseen_ids() {
  unsigned seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) != sizeof seed)
    throw std::system_error(errno, std::generic_category(), "getrandom");
  std::srand(seed);
}

// What subscribers send is of one part each: joined or left. An XPUB's own "more" cannot be
// believed (libzmq 4.3.4): with a repeated subscription at its end a message never ends, and takes
// the next peer's subscription for its last part.
bool is_topic(const Frame& part) {
  const auto bytes = part.bytes();
  return !bytes.empty() && (bytes[0] == 0 || bytes[0] == 1);
}

// Without the identity, which the socket put before it.
std::size_t bytes_of_request(const Message& parts) {
  std::size_t bytes = 0;
  for (std::size_t i = 1; i < parts.size(); ++i) bytes += parts[i].size();
  return bytes;
}

}  // namespace

// --- Context ---------------------------------------------------------------------------------

struct Context::Impl {
  void* handle = nullptr;
  std::atomic<std::uint64_t> dropped{0};
  CurveOptions curve;
  std::unique_ptr<ZapHandler> zap;
};

Context::Context(CurveOptions curve, ZapThread zap) : impl_(std::make_unique<Impl>()) {
  int major = 0, minor = 0, patch = 0;
  zmq_version(&major, &minor, &patch);
  // Older ones have known holes that a peer can use without a key.
  if (std::tuple(major, minor, patch) < std::tuple(4, 3, 3))
    throw std::runtime_error("libzmq 4.3.3 or newer is needed");
  STAMPEDE_ASSERT(epoll_is_guarded(), "a peer could end this process: see epoll_guard.h");
  STAMPEDE_ASSERT(peers_are_guarded(), "a peer could end this process: see peer_guard.h");
  unforeseen_ids();
  impl_->handle = zmq_ctx_new();
  if (impl_->handle == nullptr) fail_zmq("zmq_ctx_new");
  impl_->curve = std::move(curve);
  if (!impl_->curve.on()) return;
  impl_->zap = std::make_unique<ZapHandler>(impl_->handle, impl_->curve);
  if (zap == ZapThread::own) impl_->zap->start_thread();
}

Context::~Context() {
  impl_->zap.reset();
  while (zmq_ctx_term(impl_->handle) != 0 && zmq_errno() == EINTR) {
  }
}

void Context::judge_keys(const std::function<bool()>& go_on) {
  impl_->zap->run(go_on);
}

void Context::wake_judge() {
  impl_->zap->wake();
}

void Context::allow(const CurveOptions& curve) {
  if (impl_->zap) impl_->zap->allow(curve);
}

void* Context::native() const {
  return impl_->handle;
}

const CurveOptions& Context::curve() const {
  return impl_->curve;
}

std::uint64_t Context::messages_dropped() const {
  return impl_->dropped.load(std::memory_order_relaxed);
}

std::uint64_t Context::peers_refused() const {
  return impl_->zap ? impl_->zap->refused() : 0;
}

// --- Socket ----------------------------------------------------------------------------------

struct Socket::Impl {
  void* handle = nullptr;
  SocketKind kind{};
  bool pass_over_slow = true;
  std::atomic<std::uint64_t>* dropped = nullptr;  // the context's

  ~Impl() {
    if (handle != nullptr) zmq_close(handle);
  }
  bool publishes() const;
  bool balances() const;
  bool send(Frame* parts, std::size_t count);
  bool send_in_turn(Frame* parts, std::size_t count);
  bool send_copies(Frame* parts, std::size_t count);
  bool receive_rest(Message& parts) const;
};

Socket::Socket(Context& context, const SocketOptions& options, bool retry_bind)
    : impl_(std::make_unique<Impl>()) {
  impl_->kind = options.kind;
  impl_->pass_over_slow = options.pass_over_slow;
  impl_->dropped = &context.impl_->dropped;
  impl_->handle = zmq_socket(context.native(), zmq_type(options.kind));
  if (impl_->handle == nullptr) fail_zmq("zmq_socket");
  set_up(impl_->handle, options, context.curve(), retry_bind);
}

Socket::~Socket() = default;
Socket::Socket(Socket&&) noexcept = default;
Socket& Socket::operator=(Socket&&) noexcept = default;

bool Socket::Impl::publishes() const {
  return kind == SocketKind::pub || kind == SocketKind::xpub;
}

bool Socket::Impl::balances() const {
  return kind == SocketKind::push || kind == SocketKind::dealer;
}

// The kinds of socket for which only the first part can be refused.
bool Socket::Impl::send_in_turn(Frame* parts, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const int flags = i + 1 < count ? ZMQ_SNDMORE : 0;
    zmq_msg_t* part = raw(parts[i]);
    const int error = i == 0 ? send_first(handle, part, flags) : send_part(handle, part, flags);
    if (error == 0) continue;
    expect_refusal(error);
    STAMPEDE_ASSERT(i == 0, "a later part was refused");
    return false;
  }
  return true;
}

// PUSH and DEALER refuse a later part when the peer goes away in the middle, and have lost the
// earlier ones then; so those are sent as shared copies. What is left of such a message has to be
// sent, too: the socket throws parts away until the last one.
bool Socket::Impl::send_copies(Frame* parts, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const bool last = i + 1 == count;
    Frame copy = last ? Frame() : parts[i].share();
    zmq_msg_t* part = raw(last ? parts[i] : copy);
    const int flags = last ? 0 : ZMQ_SNDMORE;
    const int error = i == 0 ? send_first(handle, part, flags) : send_part(handle, part, flags);
    if (error == 0) continue;
    expect_refusal(error);
    Frame end;
    if (i > 0 && !last) static_cast<void>(send_part(handle, raw(end), 0));
    return false;
  }
  for (std::size_t i = 0; i < count; ++i) parts[i] = Frame();
  return true;
}

bool Socket::Impl::send(Frame* parts, std::size_t count) {
  if (kind == SocketKind::xpub) note_known_topic(parts[0].bytes());
  if (balances() && count > 1) return send_copies(parts, count);
  if (send_in_turn(parts, count)) return true;
  if (!publishes() || !pass_over_slow) return false;
  set_option(handle, ZMQ_XPUB_NODROP, 0);  // once more, to those subscribers that have room
  static_cast<void>(send_in_turn(parts, count));
  set_option(handle, ZMQ_XPUB_NODROP, 1);
  return false;
}

bool Socket::send(Message& parts) {
  STAMPEDE_ASSERT(!parts.empty(), "a message without parts");
  return impl_->send(parts.data(), parts.size());
}

bool Socket::send(Frame& part) {
  return impl_->send(&part, 1);
}

bool Socket::receive(Message& parts) {
  parts.clear();
  parts.emplace_back();
  while (receive_part(impl_->handle, raw(parts.back()))) {
    const bool whole = impl_->publishes() ? is_topic(parts.back()) : impl_->receive_rest(parts);
    if (impl_->kind == SocketKind::router) note_taken(bytes_of_request(parts));
    if (whole) return true;
    impl_->dropped->fetch_add(1, std::memory_order_relaxed);
    parts.resize(1);
  }
  parts.clear();
  if (impl_->kind == SocketKind::router) note_nothing_left();
  if (impl_->kind == SocketKind::xpub) note_no_topic_left();
  return false;
}

// False: parts were announced that there are not.
bool Socket::Impl::receive_rest(Message& parts) const {
  while (zmq_msg_more(raw(parts.back())) != 0 && parts.size() < kPartsMax) {
    parts.emplace_back();
    if (!receive_part(handle, raw(parts.back()))) return false;
  }
  for (bool more = zmq_msg_more(raw(parts.back())) != 0; more;) {
    Frame beyond;
    if (!receive_part(handle, raw(beyond))) return false;
    more = zmq_msg_more(raw(beyond)) != 0;
  }
  return true;
}

bool Socket::readable() const {
  if ((events_of(impl_->handle) & ZMQ_POLLIN) != 0) return true;
  if (impl_->kind == SocketKind::xpub) note_no_topic_left();
  return false;
}
bool Socket::writable() const {
  return (events_of(impl_->handle) & ZMQ_POLLOUT) != 0;
}
void* Socket::native() const {
  return impl_->handle;
}

int Socket::descriptor() const {
  int fd = -1;
  std::size_t size = sizeof fd;
  if (zmq_getsockopt(impl_->handle, ZMQ_FD, &fd, &size) != 0) fail_zmq("zmq_getsockopt");
  return fd;
}

}  // namespace stampede::transport
