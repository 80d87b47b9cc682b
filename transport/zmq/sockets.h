#pragma once

// ZeroMQ sockets with every limit set. A Socket is created, used and closed by one thread only;
// nothing here blocks, but for a bind with `retry_bind`.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "transport/zmq/curve.h"
#include "transport/zmq/frame.h"
#include "transport/zmq/socket_error.h"

namespace stampede::transport {

// More parts than any message of ours has; what a peer sends beyond them is thrown away, so that a
// message of endless parts costs no memory here. The receiver sees kPartsMax parts and refuses
// them.
inline constexpr std::size_t kPartsMax = 16;

enum class SocketKind { pull, push, pub, sub, xpub, router, dealer };

struct SocketOptions {
  SocketKind kind = SocketKind::pull;
  std::string endpoint;
  bool bind = false;
  // Of a socket that binds a tcp endpoint: an ipc endpoint beside it, without keys and heartbeats,
  // since only those who may enter its directory get there. Empty: none.
  std::string local_endpoint{};
  int send_high_water = 4096;                // messages per peer
  int receive_high_water = 4096;             // messages per peer
  std::int64_t max_message_bytes = 1 << 21;  // a peer that sends more is cut off
  int linger_ms = 0;
  std::vector<std::string> subscriptions;  // SUB only
  bool for_clients = false;  // with CURVE, a socket that binds: the allow-list's keys may connect
  // PUB and XPUB, when a subscriber's queue is full. True: the others still get the message, and
  // send() is false though the parts were taken. False: nobody gets it, send() is false and the
  // parts are untouched; right where a topic has one subscriber, since every loss is then counted.
  bool pass_over_slow = true;
  // XPUB: each join is told, not only the first of a topic.
  bool tells_every_join = false;
  // XPUB in a port: with more different topics than this at once, or too many that nothing is
  // published under, those who made up most are cut; never twice as many. See port.h.
  std::size_t topics_max = 12'000;  // about 6 MiB
};

// Whose thread judges the keys of peers (zap.h).
enum class ZapThread {
  own,      // the context's, for as long as it lives
  callers,  // which runs judge_keys()
};

class Context {  // one per process; thread-safe; outlives all sockets
 public:
  // With keys every tcp socket of the context is CURVE: those that connect prove their key and
  // insist on the server's, those that bind admit known keys only; until a key is judged its peer
  // waits. Throws std::runtime_error.
  explicit Context(CurveOptions curve = {}, ZapThread zap = ZapThread::own);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  void* native() const;
  [[nodiscard]] const CurveOptions& curve() const;
  // With keys and ZapThread::callers, once. Blocks until `go_on`, asked whenever wake_judge() was
  // called, is false; from then on nobody is let in.
  void judge_keys(const std::function<bool()>& go_on);
  void wake_judge();  // any thread
  // Other keys for the client ports, where there are keys at all; who is connected stays so. Any
  // thread.
  void allow(const CurveOptions& curve);
  // Messages that no Socket::receive() gave: without their end, or to an XPUB and no topic. Any
  // thread.
  [[nodiscard]] std::uint64_t messages_dropped() const;
  // Handshakes refused because the key is not allowed; 0 without CURVE. Any thread.
  [[nodiscard]] std::uint64_t peers_refused() const;

 private:
  friend class Socket;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Socket {
 public:
  // Throws SocketError. An ipc path that another process listens on counts as in use, too: ZeroMQ
  // alone would take it over in silence. A bind that finds the address in use is retried for up to
  // 2 s (blocking) only when the same process closed it a moment ago, since ZeroMQ closes
  // asynchronously: `retry_bind`.
  Socket(Context& context, const SocketOptions& options, bool retry_bind = false);
  ~Socket();  // linger as in the options
  Socket(Socket&&) noexcept;
  Socket& operator=(Socket&&) noexcept;

  // Sends all parts or nothing. False: the peer cannot take it now (or a ROUTER's peer is gone);
  // the parts are untouched, but see SocketOptions::pass_over_slow. True: the parts were taken and
  // are empty. PUSH and DEALER take nothing while they have no peer.
  [[nodiscard]] bool send(Message& parts);
  [[nodiscard]] bool send(Frame& part);

  // Takes one whole message into `parts` (cleared first). False: nothing is waiting. XPUB: always
  // one part, a topic that was joined (1) or left (0); what else its peers say is dropped.
  [[nodiscard]] bool receive(Message& parts);

  [[nodiscard]] bool readable() const;
  [[nodiscard]] bool writable() const;
  void* native() const;

  // Becomes readable when something happens to the socket. Every use of the socket may take that
  // in and silence it, so look with readable() after the last use and before waiting for it
  // (zmq_getsockopt(3), ZMQ_FD).
  [[nodiscard]] int descriptor() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stampede::transport
