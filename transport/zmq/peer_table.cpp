#include "transport/zmq/peer_table.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <utility>

namespace stampede::transport {

namespace {

constexpr std::uint32_t kMessageCost = 32;     // what an answer costs beside the bytes asked with
constexpr std::size_t kBatchBytes = 8192;      // libzmq writes less only when it has no more
constexpr std::uint32_t kOwedMax = 1U << 30U;  // no overflow
constexpr std::size_t kBulkBytes = 4096;
constexpr int kLooks = 64;

std::uint8_t second_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<std::uint8_t>(now.tv_sec);
}

// Leaves some descriptors to everything else.
std::size_t peers_that_fit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return PeerTable::kBounds.peers;
  return std::min<std::size_t>(PeerTable::kBounds.peers, limit.rlim_cur / 8 * 7);
}

}  // namespace

// --- coming and going ----------------------------------------------------------------------------

bool PeerTable::listen(int fd, const StreamRules& rules) {
  const std::lock_guard guard(lock_);
  if (fd < 0 || fd >= kDescriptors) return false;
  auto* const end = rules_.begin() + rules_used_;
  auto* const found = std::find(rules_.begin(), end, rules);
  if (found == rules_.end()) return false;
  if (found == end) rules_[rules_used_++] = rules;
  at(fd).rules = static_cast<std::uint8_t>(found - rules_.begin());
  peers_max_ = peers_that_fit();
  process_ = ::getpid();
  at(fd).kind.store(Kind::listener, std::memory_order_release);
  return true;
}

bool PeerTable::is_own() const {
  return process_ == ::getpid();
}

bool PeerTable::accept(int listener, int fd) {
  const std::lock_guard guard(lock_);
  if (fd >= kDescriptors) return false;
  if (peers_ >= peers_max_ && !cut_idlest()) return false;
  if (peers_ >= peers_max_ + kBounds.handshakes) return false;  // those cut are not closed yet
  Peer& peer = at(fd);
  peer.rules = at(listener).rules;
  peer.gone = false;
  peer.bulk = peer.behind = peer.ready = false;
  peer.spoken = peer.pings = 0;
  peer.stream = PeerStream();
  peer.owed = peer.waiting = 0;
  peer.kept = 0;
  peer.life = ++lives_;
  ++peers_;
  ++handshakes_;
  highest_ = std::max(highest_, fd);
  greeting_[greeting_end_++ % kQueue] = {fd, lives_};
  peer.kind.store(Kind::peer, std::memory_order_release);
  cut_oldest_handshakes();
  return true;
}

void PeerTable::close(int fd) {
  const std::lock_guard guard(lock_);
  Peer& peer = at(fd);
  if (peer.kind == Kind::peer) {
    forget(peer);
    --peers_;
  }
  peer.kind.store(Kind::other, std::memory_order_release);
}

bool PeerTable::make_room() {
  const std::lock_guard guard(lock_);
  return cut_idlest();
}

// --- what they hold ------------------------------------------------------------------------------

bool PeerTable::heard(int fd, unsigned char* bytes, std::size_t size) {
  Peer& peer = at(fd);
  if (peer.gone.load(std::memory_order_relaxed)) return false;
  PeerStream::Heard heard;
  const std::uint32_t pings_left =
      peer.pings == 0 ? kBounds.pings_a_second : this->pings_left(peer);
  heard.pings_left = pings_left;
  const StreamFault fault = peer.stream.take(bytes, size, rules_[peer.rules], heard);
  if (heard.pings != 0) note_pings(peer, pings_left - heard.pings_left);
  if (fault != StreamFault::none) {
    cut_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  if (!peer.ready && peer.stream.ready()) be_ready(peer);
  peer.bulk = size >= kBulkBytes;
  if (heard.bytes != 0 && rules_[peer.rules].requests)
    untaken_.fetch_add(heard.bytes, std::memory_order_relaxed);
  if (heard.messages != 0 && peer.spoken.load(std::memory_order_relaxed) < 255)
    peer.spoken.fetch_add(1, std::memory_order_relaxed);
  const std::uint64_t owed = peer.owed + size + std::uint64_t{kMessageCost} * heard.messages;
  peer.owed = static_cast<std::uint32_t>(std::min<std::uint64_t>(owed, kOwedMax));
  return keep(peer);
}

void PeerTable::sent(int fd, std::size_t size, std::size_t taken) {
  Peer& peer = at(fd);
  peer.behind = taken < size;
  peer.owed -= static_cast<std::uint32_t>(std::min<std::size_t>(peer.owed, taken));
  if (!peer.behind && size < kBatchBytes) peer.owed = 0;
  static_cast<void>(keep(peer));
}

std::uint32_t PeerTable::pings_left(Peer& peer) {
  if (peer.second != second_now()) peer.pings = 0;
  return kBounds.pings_a_second - peer.pings;
}

void PeerTable::note_pings(Peer& peer, std::uint32_t answered) {
  peer.second = second_now();
  peer.pings = static_cast<std::uint8_t>(peer.pings + answered);
}

// Counts what the peer holds now. False: it must end.
bool PeerTable::keep(Peer& peer) {
  const std::uint32_t kept = peer.stream.unfinished() + (peer.behind ? peer.owed : 0);
  if (kept == peer.kept.load(std::memory_order_relaxed)) return true;
  const std::uint32_t before = peer.kept.exchange(kept);  // another thread may take it out
  const std::uint64_t all = kept_.fetch_add(std::uint64_t{kept} - before) + kept - before;
  if (peer.behind && peer.owed > kBounds.behind_each) {
    cut_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  if (all <= kBounds.kept_all || kept < before) return true;
  const std::lock_guard guard(lock_);
  cut_greatest();
  return !peer.gone.load(std::memory_order_relaxed);
}

void PeerTable::be_ready(Peer& peer) {
  const std::lock_guard guard(lock_);
  if (!peer.gone) --handshakes_;
  peer.ready = true;
}

// --- answers -------------------------------------------------------------------------------------

PeerId PeerTable::id_of(int fd) {
  if (!is_peer(fd)) return {};
  return {fd, at(fd).life.load(std::memory_order_relaxed)};
}

bool PeerTable::knows(const PeerId& id) {
  return id.life != 0 && is_peer(id.fd) && at(id.fd).life == id.life && !at(id.fd).gone;
}

void PeerTable::charge(const PeerId& id, std::uint32_t bytes) {
  const std::lock_guard guard(lock_);
  if (!knows(id)) return;
  at(id.fd).waiting += bytes;
  waiting_ += bytes;
  if (at(id.fd).waiting > kBounds.waiting_each) cut(id.fd);
  while (waiting_ > kBounds.waiting_all) cut_greatest();
}

void PeerTable::release(const PeerId& id, std::uint32_t bytes) {
  const std::lock_guard guard(lock_);
  if (!is_peer(id.fd) || at(id.fd).life != id.life) return;
  const std::uint32_t released = std::min(bytes, at(id.fd).waiting);
  at(id.fd).waiting -= released;
  waiting_ -= released;
}

// --- cutting, under the lock ---------------------------------------------------------------------

void PeerTable::cut(int fd) {
  forget(at(fd));
  ::shutdown(fd, SHUT_RDWR);
  cut_.fetch_add(1, std::memory_order_relaxed);
}

// Takes it out of every count but that of the connections.
void PeerTable::forget(Peer& peer) {
  kept_.fetch_sub(peer.kept.exchange(0));
  waiting_ -= std::exchange(peer.waiting, 0);
  if (peer.gone.exchange(true)) return;
  if (!peer.ready) --handshakes_;
}

void PeerTable::cut_oldest_handshakes() {
  while (greeting_first_ != greeting_end_) {
    const PeerId oldest = greeting_[greeting_first_ % kQueue];
    const Peer& peer = at(oldest.fd);
    const bool waits =
        peer.life == oldest.life && peer.kind == Kind::peer && !peer.ready && !peer.gone;
    const bool full = handshakes_ > kBounds.handshakes || greeting_end_ - greeting_first_ == kQueue;
    if (waits && !full) return;
    ++greeting_first_;
    if (waits) cut(oldest.fd);
  }
}

// Costs a look at every connection, and frees the most that one can free.
void PeerTable::cut_greatest() {
  int greatest = -1;
  std::uint64_t most = 0;
  for (int fd = 0; fd <= highest_; ++fd) {
    const Peer& peer = at(fd);
    if (peer.kind != Kind::peer || peer.gone) continue;
    const std::uint64_t holds =
        std::uint64_t{peer.kept.load(std::memory_order_relaxed)} + peer.waiting;
    if (holds <= most) continue;
    most = holds;
    greatest = fd;
  }
  if (greatest >= 0) cut(greatest);
}

// Of some that chance picks, the one that said least.
bool PeerTable::cut_idlest() {
  int idlest = -1;
  for (int look = 0; look < kLooks || (idlest < 0 && look < highest_); ++look) {
    dice_ = dice_ * 1664525U + 1013904223U;
    const int fd = static_cast<int>((dice_ >> 8U) % static_cast<std::uint32_t>(highest_ + 1));
    const Peer& peer = at(fd);
    if (peer.kind != Kind::peer || peer.gone) continue;
    if (idlest < 0 || peer.spoken < at(idlest).spoken) idlest = fd;
  }
  if (idlest >= 0) cut(idlest);
  return idlest >= 0;
}

}  // namespace stampede::transport
