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
  std::int64_t untaken_all = 16 << 20;  // bytes of whole requests: see must_wait()
  std::uint32_t pings_a_second = 32;    // that one peer is answered
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

  // Whether a peer that sends much is not read for now, since more whole requests wait than the
  // application takes. Whoever sends little is always read.
  [[nodiscard]] bool must_wait(int fd) {
    return untaken_.load(std::memory_order_relaxed) > kBounds.untaken_all && at(fd).bulk;
  }
  void taken(std::int64_t bytes) { untaken_.fetch_sub(bytes, std::memory_order_relaxed); }
  void nothing_left() { untaken_.store(0, std::memory_order_relaxed); }

  // Bytes of a peer, changed where needed. False: the connection must end.
  [[nodiscard]] bool heard(int fd, unsigned char* bytes, std::size_t size);
  // Of `size` bytes for a peer the kernel took so many.
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
    std::atomic<std::uint8_t> spoken = 0;  // messages, up to 255
    std::uint8_t pings = 0;                // answered in this second
    std::uint8_t second = 0;
    PeerStream stream;
    // Bytes heard and not yet answered, as far as bytes tell: 0 whenever the kernel took all.
    std::uint32_t owed = 0;
    // Of an unfinished message, and `owed` while `behind`; counted in kept_.
    std::atomic<std::uint32_t> kept = 0;
    std::atomic<std::uint32_t> life = 0;
    std::uint32_t waiting = 0;  // under the lock
  };
  static_assert(sizeof(Peer) == 64);

  [[nodiscard]] Kind kind(int fd) const {
    if (static_cast<unsigned>(fd) >= static_cast<unsigned>(kDescriptors)) return Kind::other;
    return table_[static_cast<std::size_t>(fd)].kind.load(std::memory_order_acquire);
  }
  Peer& at(int fd) { return table_[static_cast<std::size_t>(fd)]; }
  static std::uint32_t pings_left(Peer& peer);
  static void note_pings(Peer& peer, std::uint32_t answered);
  bool keep(Peer& peer);
  void be_ready(Peer& peer);
  // All of these under the lock.
  void cut(int fd);
  void forget(Peer& peer);
  void cut_oldest_handshakes();
  void cut_greatest();
  bool cut_idlest();

  static constexpr std::uint32_t kQueue = 1U << 16U;

  std::array<Peer, kDescriptors> table_{};
  std::array<StreamRules, 64> rules_{};  // written before a listener is known
  std::atomic<std::uint64_t> kept_{0};
  std::atomic<std::uint64_t> cut_{0};
  std::atomic<std::int64_t> untaken_{0};  // of those whose rules say `requests`

  std::mutex lock_;
  std::uint8_t rules_used_ = 0;
  std::atomic<std::size_t> peers_{0};
  std::size_t handshakes_ = 0;
  std::uint64_t waiting_ = 0;
  int highest_ = 0;
  std::uint32_t lives_ = 0;
  int process_ = 0;
  std::size_t peers_max_ = 0;  // set with the first listener
  std::uint32_t dice_ = 0;
  // A queue of those without a whole handshake, and of some that are ready or gone meanwhile.
  std::array<PeerId, kQueue> greeting_{};
  std::uint32_t greeting_first_ = 0;
  std::uint32_t greeting_end_ = 0;
};

}  // namespace stampede::transport
