#pragma once

// What is known of every connection that a peer of this process made to a listener of ours, by its
// descriptor, and how much of this process they may take, each and all together. For peer_guard.cpp
// alone, which tells it what happens to descriptors.
//
// Peers that hold too much are cut: shut down, so that libzmq's next read ends the connection. When
// a bound of all together is reached, the one that holds most is cut, never the one that came last:
// whoever holds little keeps its place and newcomers find one.
//
// Every thread. heard() and sent() are called by the thread that owns the connection (libzmq's) and
// take no lock while the peer keeps its bounds; the rest takes one lock.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "transport/zmtp/peer_stream.h"

namespace stampede::transport {

struct PeerBounds {
  std::size_t peers = 20'000;               // connections at once, if there are descriptors
  std::size_t handshakes = 1024;            // of them without a whole handshake
  std::uint32_t kept_each = 4U << 20U;      // bytes: see Peer::kept
  std::uint64_t kept_all = 16U << 20U;      // of all peers
  std::uint32_t behind_each = 2U << 20U;    // bytes heard of one that does not read its answers
  std::uint32_t waiting_each = 16U << 20U;  // bytes of large answers: see charge()
  std::uint64_t waiting_all = 32U << 20U;
  std::int64_t untaken_all = 16 << 20;   // bytes of whole requests: see may_read()
  std::uint32_t pings_a_second = 32;     // that one peer is answered
  std::uint32_t secret_pings = 4;        // short messages of CURVE a second that are no topics
  std::size_t deaf_all = 192;            // subscribers that do not read: see sent()
  std::uint64_t topics_all = 1U << 18U;  // units of topics, of all peers
  std::uint64_t topics_untaken = 512;    // see may_read()
  std::int64_t looks_a_ms = 4'000;       // see may_end(): less than half of a thread
  std::size_t ends_untaken = 200'000;    // looks that the application's thread may owe
  std::size_t ends_pressing = 16;        // see is_pressed()
  std::size_t ends_waiting = 1536;       // beyond that no subscriber comes in
};

struct PeerId {  // of one connection; never used again
  int fd = 0;
  std::uint32_t life = 0;  // 0: of none
};

// All zero at first, so that the pages of descriptors that nobody has cost nothing.
class PeerTable {
 public:
  static constexpr PeerBounds kBounds{};
  static constexpr int kDescriptors = 1 << 17;

  // A listener whose connections are judged by these rules; false: there are too many rules.
  [[nodiscard]] bool listen(int fd, const StreamRules& rules);
  // Whether this process listens, and no child that was forked with what it knows.
  [[nodiscard]] bool is_own() const;
  [[nodiscard]] bool is_listener(int fd) const { return kind(fd) == Kind::listener; }
  [[nodiscard]] bool is_peer(int fd) const { return kind(fd) == Kind::peer; }

  // A connection of `listener`. False: there is no room for it. May cut another one for it.
  [[nodiscard]] bool accept(int listener, int fd);
  void close(int fd);
  // For a process at the end of its descriptors: cuts a peer. False: there is none.
  bool make_room();

  // How many bytes of a peer may be read now, of `size`. None of one that sends much, while more
  // whole requests wait than the application takes, or of a subscriber to topics that nobody
  // knows, while more topics wait or there is no room for them. Whoever sends little is
  // always read.
  [[nodiscard]] std::size_t may_read(int fd, std::size_t size) {
    if (untaken_.load(std::memory_order_relaxed) > kBounds.untaken_all && at(fd).bulk) return 0;
    if (topics_untaken_.load(std::memory_order_relaxed) <= kBounds.topics_untaken &&
        !topics_full_.load(std::memory_order_relaxed))
      return size;
    return may_read_topics(at(fd), size);
  }
  void taken(std::int64_t bytes) { untaken_.fetch_sub(bytes, std::memory_order_relaxed); }
  void nothing_left() { untaken_.store(0, std::memory_order_relaxed); }
  void no_topic_left();

  // Whether libzmq may hear now that the peer has ended. An XPUB looks at every letter of every
  // topic (topics_held() says how many) for each subscriber that ends, all at once and before
  // anything else; so they end one after another, as fast as the application's thread bears.
  [[nodiscard]] bool may_end(int fd);
  void topics_held(std::size_t looks, bool full) {
    looks_.store(looks, std::memory_order_relaxed);
    if (topics_untaken_ == 0) looks_uncounted_ = 0;
    topics_full_.store(full, std::memory_order_relaxed);
  }
  // Subscribers that wait for their end; made-up topics of those that end, which the application
  // may not have heard of.
  [[nodiscard]] std::size_t ends_waiting() const { return ends_waiting_; }
  [[nodiscard]] std::size_t topics_leaving() const {
    return topics_leaving_ + topics_closed_ + topics_closed_before_;
  }
  // A peer of a socket where subscribers wait for their end.
  [[nodiscard]] bool is_pressed(int fd) {
    return ends_waiting_.load(std::memory_order_relaxed) > kBounds.ends_pressing &&
           is_subscriber(fd);
  }
  // Ends the peer: it is not read any more.
  void end(int fd);
  [[nodiscard]] bool is_gone(int fd) { return at(fd).gone.load(std::memory_order_relaxed); }
  [[nodiscard]] bool is_subscriber(int fd) { return rules_[at(fd).rules].tells_topics; }

  // Topics that something was published under; who subscribes to them makes up nothing.
  KnownTopics& known_topics() { return known_topics_; }
  // Cuts the subscriber that made up most topics and returns their units; 0: there is none.
  std::uint32_t cut_most_topics();

  // Bytes of a peer, changed where needed. False: the connection must end.
  [[nodiscard]] bool heard(int fd, unsigned char* bytes, std::size_t size);
  // Of `size` bytes for a peer the kernel took so many. Of too many subscribers that the kernel
  // takes no more for, since they do not read, one is cut.
  void sent(int fd, std::size_t size, std::size_t taken);

  // An answer that libzmq keeps for the peer until release(). May cut the peer or another one.
  void charge(const PeerId& peer, std::uint32_t bytes);
  void release(const PeerId& peer, std::uint32_t bytes);
  [[nodiscard]] PeerId id_of(int fd);
  [[nodiscard]] bool knows(const PeerId& peer);

  [[nodiscard]] std::uint64_t cut() const { return cut_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t peers() const { return peers_; }

 private:
  enum class Kind : std::uint8_t { other, listener, peer };

  struct alignas(64) Peer {
    std::atomic<Kind> kind{Kind::other};
    std::uint8_t rules = 0;                // position
    std::atomic<bool> gone = false;        // cut; closed soon
    bool bulk = false;                     // its last read was a large one
    bool behind = false;                   // the kernel did not take all that was sent last
    bool ready = false;                    // under the lock
    std::atomic<bool> deaf = false;        // counted in deaf_
    bool awaits_end = false;               // counted in ends_waiting_; under the lock
    std::atomic<std::uint8_t> spoken = 0;  // messages, up to 255
    std::uint8_t pings = 0;                // answered in this second
    std::uint8_t second = 0;
    PeerStream stream;
    // Bytes heard and not yet answered, as far as bytes tell: 0 whenever the kernel took all.
    std::uint32_t owed = 0;
    // Of an unfinished message, and `owed` while `behind`; counted in kept_.
    std::atomic<std::uint32_t> kept = 0;
    std::atomic<std::uint32_t> life = 0;
    std::uint32_t waiting = 0;              // under the lock
    std::atomic<std::uint16_t> topics = 0;  // the stream's, counted in topics_
    std::uint16_t made_up = 0;              // of them; under the lock
  };
  static_assert(sizeof(Peer) == 64);

  [[nodiscard]] Kind kind(int fd) const {
    if (static_cast<unsigned>(fd) >= static_cast<unsigned>(kDescriptors)) return Kind::other;
    return table_[static_cast<std::size_t>(fd)].kind.load(std::memory_order_acquire);
  }
  Peer& at(int fd) { return table_[static_cast<std::size_t>(fd)]; }
  [[nodiscard]] std::uint32_t pings_left(Peer& peer) const;
  static void note_pings(Peer& peer, std::uint32_t answered);
  bool keep(Peer& peer);
  bool keep_topics(Peer& peer);
  void note_deaf(Peer& peer);
  [[nodiscard]] std::size_t may_read_topics(const Peer& peer, std::size_t size);
  void be_ready(Peer& peer);
  // All of these under the lock.
  void cut(int fd);
  void forget(Peer& peer);
  void cut_oldest_handshakes();
  void cut_greatest();
  template <class Holds>
  std::uint64_t cut_greatest_by(const Holds& holds);
  bool cut_idlest();
  int any_descriptor();

  static constexpr std::uint32_t kQueue = 1U << 16U;

  std::array<Peer, kDescriptors> table_{};
  std::array<StreamRules, 64> rules_{};  // written before a listener is known
  std::atomic<std::uint64_t> kept_{0};
  std::atomic<std::uint64_t> cut_{0};
  std::atomic<std::int64_t> untaken_{0};  // of those whose rules say `requests`
  std::atomic<std::uint64_t> topics_untaken_{0};
  std::atomic<std::int64_t> topics_wait_until_ms_{0};
  std::atomic<std::size_t> looks_{0};
  std::atomic<std::size_t> looks_uncounted_{0};  // of topics that the application has not counted
  std::atomic<std::size_t> ends_untaken_{0};     // looks
  std::atomic<bool> topics_full_{false};
  std::atomic<std::size_t> ends_waiting_{0};
  std::atomic<std::size_t> topics_leaving_{0};        // not closed yet
  std::atomic<std::size_t> topics_closed_{0};         // since the last no_topic_left()
  std::atomic<std::size_t> topics_closed_before_{0};  // and since the one before that
  KnownTopics known_topics_;

  std::mutex lock_;
  std::uint8_t rules_used_ = 0;
  std::atomic<std::size_t> peers_{0};
  std::size_t handshakes_ = 0;
  std::uint64_t waiting_ = 0;
  std::uint64_t topics_ = 0;
  std::size_t deaf_ = 0;
  std::int64_t next_end_us_ = 0;
  std::int64_t ends_wait_until_us_ = 0;
  int highest_ = 0;
  std::uint32_t lives_ = 0;
  int process_ = 0;
  std::uint32_t dice_ = 0;
  // A queue of those without a whole handshake, and of some that are ready or gone meanwhile.
  std::array<PeerId, kQueue> greeting_{};
  std::uint32_t greeting_first_ = 0;
  std::uint32_t greeting_end_ = 0;
};

}  // namespace stampede::transport
