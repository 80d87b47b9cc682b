#include "transport/zmq/socket_setup.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "config/process/invariant.h"
#include "transport/zmq/peer_guard.h"
#include "transport/zmq/zap.h"

namespace stampede::transport {

namespace {

constexpr int kHandshakeMs = 2000;
constexpr int kHeartbeatMs = 1000;  // tcp only: on ipc the kernel tells at once
constexpr int kHeartbeatTimeoutMs = 3000;
// Of clients, by the kernel: ZeroMQ's own heartbeats cost the square of the connections.
constexpr int kKeepAliveIdleSeconds = 10;
constexpr int kKeepAliveEverySeconds = 2;
constexpr int kKeepAliveTries = 3;
constexpr int kUnreadMs = 15'000;                 // a client that takes nothing for so long is gone
constexpr std::uint32_t kPartsBytes = 64 * 1024;  // for what many small parts cost
constexpr std::uint32_t kTopicsOfOneMax = 1024;
constexpr std::int64_t kHandshakeBytes = 1024;  // CURVE's greetings count as messages
constexpr int kReconnectMs = 20;
constexpr int kReconnectMaxMs = 1000;
constexpr int kBacklog = 1024;  // connections that wait to be accepted
// ZMQ_ZAP_ENFORCE_DOMAIN: without a ZAP handler nobody comes in. Its name is in the header for
// draft options only; the library itself has it since 4.3.0.
constexpr int kZapEnforceDomain = 93;
constexpr auto kRetryBindFor = std::chrono::seconds(2);
constexpr auto kRetryBindEvery = std::chrono::milliseconds(1);

template <class T>
void set(void* socket, int option, const T& value) {
  if (zmq_setsockopt(socket, option, &value, sizeof value) != 0) fail_zmq("zmq_setsockopt");
}

bool is_ipc(const std::string& endpoint) {
  return endpoint.rfind("ipc://", 0) == 0;
}

// ZeroMQ unlinks an ipc path before it binds, whoever listens there; so ask the kernel first.
bool somebody_listens(const std::string& endpoint) {
  const std::string path = endpoint.substr(std::strlen("ipc://"));
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path) return false;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const int rc = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const bool listens = rc == 0 || errno == EAGAIN;
  ::close(fd);
  return listens;
}

SocketError bind_error(const std::string& endpoint, int error) {
  const bool taken = error == EADDRINUSE;
  std::string text = "cannot bind " + endpoint + ": " + zmq_strerror(error);
  if (taken)
    text +=
        "; another process listens there: stop it, or choose another net.port_base or --run-dir";
  else if (error == EACCES || error == ENOENT)
    text += "; check that the directory exists and is yours, and that the port is above 1023";
  else
    text += "; check net.bind, net.port_base and the run directory";
  return {text, taken};
}

int try_bind(void* socket, const std::string& endpoint) {
  if (is_ipc(endpoint) && somebody_listens(endpoint)) return EADDRINUSE;
  return zmq_bind(socket, endpoint.c_str()) == 0 ? 0 : zmq_errno();
}

void bind(void* socket, const std::string& endpoint, bool retry) {
  const auto until = std::chrono::steady_clock::now() + kRetryBindFor;
  int error = try_bind(socket, endpoint);
  while (retry && error == EADDRINUSE && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(kRetryBindEvery);
    error = try_bind(socket, endpoint);
  }
  if (error != 0) throw bind_error(endpoint, error);
}

bool publishes(SocketKind kind) {
  return kind == SocketKind::pub || kind == SocketKind::xpub;
}

StreamRules rules_of(const SocketOptions& options, bool curve) {
  StreamRules rules;
  rules.frame_bytes_max =
      static_cast<std::uint32_t>(std::max(options.max_message_bytes, curve ? kHandshakeBytes : 0));
  rules.message_bytes_max = 2 * rules.frame_bytes_max + kPartsBytes;
  rules.topics_max = publishes(options.kind) ? kTopicsOfOneMax : 0;
  rules.curve = curve;
  rules.requests = options.kind == SocketKind::router;
  rules.tells_topics = options.kind == SocketKind::xpub;
  rules.reads_none = options.kind == SocketKind::push;
  return rules;
}

void bind_guarded(void* socket, const std::string& endpoint, const StreamRules& rules, bool retry) {
  const GuardedBind guard(rules);
  bind(socket, endpoint, retry);
}

void connect(void* socket, const std::string& endpoint) {
  if (zmq_connect(socket, endpoint.c_str()) != 0)
    throw SocketError("cannot connect to " + endpoint + ": " + zmq_strerror(zmq_errno()) +
                          "; check net.bind, net.port_base and the run directory",
                      false);
}

void set_limits(void* socket, const SocketOptions& options) {
  set(socket, ZMQ_SNDHWM, options.send_high_water);
  set(socket, ZMQ_RCVHWM, options.receive_high_water);
  set(socket, ZMQ_MAXMSGSIZE, options.max_message_bytes);
  set(socket, ZMQ_LINGER, options.linger_ms);
  set(socket, ZMQ_HANDSHAKE_IVL, kHandshakeMs);
  set(socket, ZMQ_RECONNECT_IVL, kReconnectMs);
  set(socket, ZMQ_RECONNECT_IVL_MAX, kReconnectMaxMs);
  set(socket, ZMQ_BACKLOG, kBacklog);
}

void set_heartbeats(void* socket) {
  set(socket, ZMQ_HEARTBEAT_IVL, kHeartbeatMs);
  set(socket, ZMQ_HEARTBEAT_TIMEOUT, kHeartbeatTimeoutMs);
  set(socket, ZMQ_HEARTBEAT_TTL, kHeartbeatTimeoutMs);
}

void set_keep_alive(void* socket) {
  set(socket, ZMQ_TCP_KEEPALIVE, 1);
  set(socket, ZMQ_TCP_KEEPALIVE_IDLE, kKeepAliveIdleSeconds);
  set(socket, ZMQ_TCP_KEEPALIVE_INTVL, kKeepAliveEverySeconds);
  set(socket, ZMQ_TCP_KEEPALIVE_CNT, kKeepAliveTries);
  set(socket, ZMQ_TCP_MAXRT, kUnreadMs);
}

void set_text(void* socket, int option, const std::string& text) {
  if (zmq_setsockopt(socket, option, text.data(), text.size()) != 0) fail_zmq("zmq_setsockopt");
}

void set_key(void* socket, int option, const std::string& key) {
  set_text(socket, option, key_bytes(key));
}

// Whoever binds judges its peers by their keys, whoever connects insists on the system's key.
void set_keys(void* socket, const SocketOptions& options, const CurveOptions& curve) {
  set(socket, ZMQ_MAXMSGSIZE, std::max(options.max_message_bytes, kHandshakeBytes));
  set_key(socket, ZMQ_CURVE_SECRETKEY, curve.own.secret_key);
  if (options.bind) {
    set(socket, ZMQ_CURVE_SERVER, 1);
    set_text(socket, ZMQ_ZAP_DOMAIN, options.for_clients ? kClientsDomain : kNodesDomain);
    set(socket, kZapEnforceDomain, 1);
  } else {
    set_key(socket, ZMQ_CURVE_PUBLICKEY, curve.own.public_key);
    set_key(socket, ZMQ_CURVE_SERVERKEY, curve.server_key);
  }
}

void set_kind_options(void* socket, const SocketOptions& options) {
  switch (options.kind) {
    case SocketKind::push:
    case SocketKind::dealer:
      set(socket, ZMQ_IMMEDIATE, 1);
      break;  // queue for live peers only
    case SocketKind::router:
      set(socket, ZMQ_ROUTER_MANDATORY, 1);
      break;
    case SocketKind::pub:
    case SocketKind::xpub:
      set(socket, ZMQ_XPUB_NODROP, 1);
      if (options.tells_every_join) set(socket, ZMQ_XPUB_VERBOSE, 1);
      break;
    case SocketKind::sub:
      for (const auto& topic : options.subscriptions)
        if (zmq_setsockopt(socket, ZMQ_SUBSCRIBE, topic.data(), topic.size()) != 0)
          fail_zmq("zmq_setsockopt");
      break;
    case SocketKind::pull:
      break;
  }
}

}  // namespace

int zmq_type(SocketKind kind) {
  switch (kind) {
    case SocketKind::pull:
      return ZMQ_PULL;
    case SocketKind::push:
      return ZMQ_PUSH;
    case SocketKind::pub:
      return ZMQ_PUB;
    case SocketKind::sub:
      return ZMQ_SUB;
    case SocketKind::xpub:
      return ZMQ_XPUB;
    case SocketKind::router:
      return ZMQ_ROUTER;
    case SocketKind::dealer:
      return ZMQ_DEALER;
  }
  STAMPEDE_ASSERT(false, "unknown kind of socket");
}

void fail_zmq(const char* call) {
  throw std::runtime_error(std::string(call) + ": " + zmq_strerror(zmq_errno()));
}

void set_option(void* socket, int option, int value) {
  set(socket, option, value);
}

void set_up(void* socket, const SocketOptions& options, const CurveOptions& curve,
            bool retry_bind) {
  set_limits(socket, options);
  set_kind_options(socket, options);
  // Each endpoint keeps the options that were set when it was bound.
  if (!options.local_endpoint.empty())
    bind_guarded(socket, options.local_endpoint, rules_of(options, false), retry_bind);
  const bool tcp = !is_ipc(options.endpoint);
  if (tcp && options.bind && options.for_clients) set_keep_alive(socket);
  if (tcp && !(options.bind && options.for_clients)) set_heartbeats(socket);
  if (tcp && curve.on()) set_keys(socket, options, curve);
  if (options.bind)
    bind_guarded(socket, options.endpoint, rules_of(options, tcp && curve.on()), retry_bind);
  else
    connect(socket, options.endpoint);
}

}  // namespace stampede::transport
