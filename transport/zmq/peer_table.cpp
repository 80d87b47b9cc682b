#include "transport/zmq/peer_table.h"

#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <system_error>
#include <utility>

#include "config/process/descriptor_shares.h"

namespace stampede::transport {

namespace {

constexpr std::uint32_t kMessageCost = 32;     // what an answer costs beside the bytes asked with
constexpr std::size_t kBatchBytes = 8192;      // libzmq writes less only when it has no more
constexpr std::uint32_t kOwedMax = 1U << 30U;  // no overflow
constexpr std::size_t kBulkBytes = 4096;
constexpr int kLooks = 64;

constexpr std::int64_t kTopicsWaitMs = 500;
constexpr std::int64_t kEndsWaitUs = 1'000'000;
constexpr std::int64_t kEndsAtOnceUs = 20'000;  // of work
constexpr std::size_t kEndLooks = 64;           // of an end, whatever topics there are
constexpr std::size_t kUnitLooks = 32;          // of a topic, at most
constexpr std::size_t kFewBytes = 32;           // one topic

// Some milliseconds old.
std::int64_t now_us() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return now.tv_sec * 1'000'000 + now.tv_nsec / 1000;
}

std::int64_t now_ms() {
  return now_us() / 1000;
}

std::uint8_t second_now() {
  return static_cast<std::uint8_t>(now_ms() / 1000);
}

std::uint32_t any_number() {
  std::uint32_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number)
    throw std::system_error(errno, std::generic_category(), "getrandom");
  return number;
}

// What the descriptors allow: a fifth of them for those that were cut and are not closed yet.
std::size_t peers_that_fit() {
  const auto share = config::descriptors_for(config::Door::peers);
  return std::min<std::size_t>(PeerTable::kBounds.peers, share - share / 5);
}

std::size_t peers_being_closed() {
  return std::min<std::size_t>(PeerTable::kBounds.handshakes,
                               config::descriptors_for(config::Door::peers) / 5);
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
  if (process_ == 0) known_topics_.set_secret(any_number());
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
  const bool subscriber = rules_[at(listener).rules].tells_topics;
  if (subscriber && ends_waiting_ > kBounds.ends_waiting) return false;
  const auto fit = peers_that_fit();
  if (peers_ >= fit && !cut_idlest()) return false;
  if (peers_ >= fit + peers_being_closed()) return false;
  Peer& peer = at(fd);
  peer.rules = at(listener).rules;
  peer.gone = false;
  peer.deaf = false;
  peer.awaits_end = false;
  peer.bulk = peer.behind = peer.ready = false;
  peer.spoken = peer.pings = 0;
  peer.stream = PeerStream();
  peer.owed = peer.waiting = 0;
  peer.kept = 0;
  peer.topics = 0;
  peer.made_up = 0;
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
    topics_leaving_ -= peer.made_up;
    topics_closed_ += std::exchange(peer.made_up, 0);
    if (std::exchange(peer.awaits_end, false)) --ends_waiting_;
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
  const StreamRules& rules = rules_[peer.rules];
  const std::uint32_t pings_left = this->pings_left(peer);
  heard.pings_left = pings_left;
  heard.known = &known_topics_;
  const StreamFault fault = peer.stream.take(bytes, size, rules, heard);
  if (heard.pings != 0) note_pings(peer, pings_left - heard.pings_left);
  if (fault != StreamFault::none) {
    cut_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  if (!peer.ready && peer.stream.ready()) be_ready(peer);
  peer.bulk = size >= kBulkBytes;
  if (heard.bytes != 0 && rules.requests)
    untaken_.fetch_add(heard.bytes, std::memory_order_relaxed);
  if (rules.topics_max != 0 && !keep_topics(peer)) return false;
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
  if (peer.behind != peer.deaf && rules_[peer.rules].tells_topics) note_deaf(peer);
  static_cast<void>(keep(peer));
}

// Whom chance picks: a client that was only slow comes back by itself.
void PeerTable::note_deaf(Peer& peer) {
  const std::lock_guard guard(lock_);
  if (peer.gone) return;
  peer.deaf = peer.behind;
  peer.behind ? ++deaf_ : --deaf_;
  if (deaf_ > kBounds.deaf_all) cut_greatest_by([](const Peer& one) { return one.deaf ? 1U : 0U; });
}

std::uint32_t PeerTable::pings_left(Peer& peer) const {
  const bool curve = rules_[peer.rules].curve;
  if (peer.pings != 0 && peer.second != second_now()) peer.pings = 0;
  return (curve ? kBounds.secret_pings : kBounds.pings_a_second) - peer.pings;
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

// Counts what it subscribed to since. False: it must end.
bool PeerTable::keep_topics(Peer& peer) {
  const std::uint32_t more = peer.stream.topics() - peer.topics;
  if (more == 0) return true;
  const std::lock_guard guard(lock_);
  if (peer.gone.load(std::memory_order_relaxed)) return false;
  peer.topics = peer.stream.topics();
  peer.made_up = peer.stream.made_up();
  topics_ += more;
  if (rules_[peer.rules].tells_topics) {
    const auto before = topics_untaken_.fetch_add(more, std::memory_order_relaxed);
    looks_uncounted_ += kUnitLooks * more;
    if (before <= kBounds.topics_untaken && before + more > kBounds.topics_untaken)
      topics_wait_until_ms_ = now_ms() + kTopicsWaitMs;
  }
  if (topics_ > kBounds.topics_all)
    cut_greatest_by([](const Peer& one) { return one.topics.load(); });
  return !peer.gone.load(std::memory_order_relaxed);
}

// Nobody waits for ever, whatever the application says.
std::size_t PeerTable::may_read_topics(const Peer& peer, std::size_t size) {
  if (!rules_[peer.rules].tells_topics) return size;
  if (now_ms() >= topics_wait_until_ms_) topics_untaken_.store(0, std::memory_order_relaxed);
  return peer.stream.made_up() == 0 ? std::min(size, kFewBytes) : 0;
}

// A connection may be closed just after the application looked, so only the next time counts.
void PeerTable::no_topic_left() {
  topics_untaken_.store(0, std::memory_order_relaxed);
  ends_untaken_.store(0, std::memory_order_relaxed);
  if (topics_closed_ + topics_closed_before_ == 0) return;
  const std::lock_guard guard(lock_);
  topics_closed_before_ = topics_closed_.exchange(0);
}

bool PeerTable::may_end(int fd) {
  Peer& peer = at(fd);
  if (!rules_[peer.rules].tells_topics || !peer.ready) return true;
  const std::lock_guard guard(lock_);
  const std::int64_t now = now_us();
  const std::size_t looks = looks_ + looks_uncounted_ + kEndLooks;
  const bool owed = ends_untaken_ != 0 && ends_untaken_ + looks > kBounds.ends_untaken;
  if (now < next_end_us_ || (owed && now < ends_wait_until_us_)) {
    if (!std::exchange(peer.awaits_end, true)) ++ends_waiting_;
    return false;
  }
  ends_untaken_ += looks;
  ends_wait_until_us_ = now + kEndsWaitUs;
  next_end_us_ = std::max(next_end_us_, now - kEndsAtOnceUs) +
                 static_cast<std::int64_t>(looks) * 1000 / kBounds.looks_a_ms;
  return true;
}

void PeerTable::end(int fd) {
  const std::lock_guard guard(lock_);
  forget(at(fd));
}

void PeerTable::be_ready(Peer& peer) {
  const std::lock_guard guard(lock_);
  if (!peer.gone) --handshakes_;
  peer.ready = true;
}

std::uint32_t PeerTable::cut_most_topics() {
  const std::lock_guard guard(lock_);
  return static_cast<std::uint32_t>(cut_greatest_by([](const Peer& peer) { return peer.made_up; }));
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
  topics_ -= peer.topics.exchange(0);
  topics_leaving_ += peer.made_up;
  if (peer.deaf.exchange(false)) --deaf_;
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

// Costs a look at every connection, and frees the most that one can free. Of equals whom chance
// picks, so that nobody is cut again and again.
template <class Holds>
std::uint64_t PeerTable::cut_greatest_by(const Holds& holds) {
  int greatest = -1;
  std::uint64_t most = 0;
  const int first = any_descriptor();
  for (int look = 0; look <= highest_; ++look) {
    const int fd = first + look <= highest_ ? first + look : first + look - highest_ - 1;
    const Peer& peer = at(fd);
    if (peer.kind != Kind::peer || peer.gone || holds(peer) <= most) continue;
    most = holds(peer);
    greatest = fd;
  }
  if (greatest >= 0) cut(greatest);
  return most;
}

void PeerTable::cut_greatest() {
  cut_greatest_by([](const Peer& peer) {
    return std::uint64_t{peer.kept.load(std::memory_order_relaxed)} + peer.waiting;
  });
}

int PeerTable::any_descriptor() {
  dice_ = dice_ * 1664525U + 1013904223U;
  return static_cast<int>((dice_ >> 8U) % static_cast<std::uint32_t>(highest_ + 1));
}

// Of some that chance picks, the one that said least.
bool PeerTable::cut_idlest() {
  int idlest = -1;
  for (int look = 0; look < kLooks || (idlest < 0 && look < highest_); ++look) {
    const int fd = any_descriptor();
    const Peer& peer = at(fd);
    if (peer.kind != Kind::peer || peer.gone) continue;
    if (idlest < 0 || peer.spoken < at(idlest).spoken) idlest = fd;
  }
  if (idlest >= 0) cut(idlest);
  return idlest >= 0;
}

}  // namespace stampede::transport
