#pragma once

// Sessions that have ended before their tokens expire, bars that ended all of a user's, and of each
// user whose sessions are to be one at a time the newest. Durable decisions say which (REVOKE
// records); webapps ask which of them lie behind an lsn.
//
// decide() looks and changes nothing; apply() makes a decision true, live or from the log, and
// judges nothing. What is over is forgotten with the next decision, by the time of that decision
// alone, so that a replay forgets the same.
//
// Owned by OrderBook; pure, one thread. Memory: about 200 bytes for each that has ended, and as
// much for each newest one. Bound: of each at most revoked_max at once, and kBarsMax more that the
// operator ends; beyond it `overloaded`, and nothing is forgotten before its time.

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "actors/sale/codes.h"
#include "actors/sale/session_notice.h"
#include "storage/snapshot/snapshot_entries.h"

namespace stampede::actors {

using storage::Lsn;

// As a REVOKE says it.
struct SessionChange {
  SessionHash session{};
  std::uint64_t user = 0;  // RequestHasher::user()
  std::int64_t until_ms = 0;
  SessionEvent what = SessionEvent::invalid;
  std::int64_t decided_at_us = 0;
};

struct SessionDecision {
  Code error = Code::none;
  std::string_view field;
  bool known = false;  // it is so already, or was over before; nothing to apply
  Lsn lsn = 0;         // when known: of the decision that made it so
  SessionChange change;
};

class SessionBook {
 public:
  static constexpr std::size_t kBarsMax = 10'000;

  explicit SessionBook(std::size_t revoked_max) : revoked_max_(revoked_max) {}

  // `change.what`: ended, barred or opened; of a bar its moment counts, and a later one takes the
  // place of the one before. Errors: overloaded; of `opened`, session_replaced and
  // not_logged_in for one that has ended meanwhile.
  [[nodiscard]] SessionDecision decide(const SessionChange& change) const;
  void apply(const SessionChange& change, Lsn lsn);

  [[nodiscard]] std::size_t ended() const { return ended_.size(); }
  [[nodiscard]] std::size_t newest() const { return newest_.size(); }
  // Of the last decision that ended a session, or 0.
  [[nodiscard]] Lsn last_lsn() const { return by_lsn_.empty() ? 0 : by_lsn_.rbegin()->first; }
  // Those that ended at `since` < lsn <= `upto`, in this order, at most `limit` of them; left_ms is
  // as of now_ms.
  [[nodiscard]] EndedSessionsPage behind(Lsn since, Lsn upto, std::size_t limit,
                                         std::int64_t now_ms) const;
  [[nodiscard]] std::size_t memory_bytes() const;

  // --- snapshots: those that have ended by lsn, the newest ones by user
  void count(storage::SnapshotSummary& summary) const;
  void save(storage::SnapshotSink& sink) const;
  [[nodiscard]] bool load(const storage::SnapshotEndedSession& entry);  // false: it cannot be
  [[nodiscard]] bool load(const storage::SnapshotNewestSession& entry);

 private:
  struct FirstBits {  // they are random enough
    std::size_t operator()(const SessionHash& hash) const { return hash[0]; }
  };
  struct Ended {
    SessionHash session{};
    std::int64_t until_ms = 0;
    SessionEvent what = SessionEvent::invalid;
  };
  struct Newest {
    SessionHash session{};
    std::int64_t until_ms = 0;
    Lsn lsn = 0;
  };
  [[nodiscard]] SessionDecision decide_opened(SessionDecision decision) const;
  [[nodiscard]] static bool has_room(const std::set<std::pair<std::int64_t, std::uint64_t>>& ends,
                                     std::int64_t now_ms, std::size_t max);
  void end(const SessionHash& session, std::int64_t until_ms, SessionEvent what, Lsn lsn);
  void open(const SessionChange& change, Lsn lsn);
  void drop_newest(std::uint64_t user);
  void drop_expired(std::int64_t now_ms);

  std::size_t revoked_max_;
  std::unordered_map<SessionHash, Lsn, FirstBits> ended_;
  std::map<Lsn, Ended> by_lsn_;
  std::set<std::pair<std::int64_t, std::uint64_t>> ended_until_;   // with the lsn
  std::map<std::uint64_t, Newest> newest_;                         // by user
  std::set<std::pair<std::int64_t, std::uint64_t>> newest_until_;  // with the user
};

}  // namespace stampede::actors
