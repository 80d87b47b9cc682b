#pragma once

// Which sessions have ended before their tokens expire, as a webapp knows it: from the backend's
// news, which may be lost, and from its answers to *which ended behind this lsn*, asked when the
// webapp starts, whenever another backend decides, and every kRefreshUs, so that a lost notice
// heals. Before the first whole answer, and when the last was asked for longer than kKnownForUs
// ago, it is not known what has ended: no session that may have is taken. So one that has ended is
// refused everywhere within that time, whoever is down or stands still.
//
// Owned by LoginDesk; pure, one thread; microseconds of one monotonic clock. Memory: about 120
// bytes for each of those that the backend keeps (auth.revoked_max); what is over is forgotten.

#include <cstdint>
#include <set>
#include <unordered_map>
#include <utility>

#include "actors/sale/request.h"
#include "actors/sale/session_notice.h"

namespace stampede::actors {

class EndedSessions {
 public:
  static constexpr std::int64_t kRefreshUs = 250'000;
  static constexpr std::int64_t kKnownForUs = 1'000'000;

  // --- asking: one question at a time
  [[nodiscard]] bool due(std::int64_t now_us) const { return !asking_ && now_us >= next_us_; }
  [[nodiscard]] bool asking() const { return asking_; }
  Lsn ask(std::int64_t now_us);  // a question is open: which ended behind this lsn?
  void on_answer(const EndedSessionsPage& page, std::int64_t now_us);
  void not_answered() { asking_ = false; }
  // Another backend decides now: it is asked for all of them. What is known stays known.
  void ask_anew();

  // --- what is heard meanwhile; of `opened` nothing follows
  void take(const EndedSession& session, std::int64_t now_us);

  // --- what is known
  [[nodiscard]] bool begun() const { return begun_; }  // there was a whole answer
  [[nodiscard]] bool known(std::int64_t now_us) const {
    return begun_ && now_us - known_us_ < kKnownForUs;
  }
  [[nodiscard]] std::size_t size() const { return ended_.size(); }
  // Why it has ended; invalid: it has not, as far as is known.
  [[nodiscard]] SessionEvent find(const SessionHash& session) const {
    if (ended_.empty()) return SessionEvent::invalid;
    const auto found = ended_.find(session);
    return found == ended_.end() ? SessionEvent::invalid : found->second.what;
  }
  // Whether a bar (bar_hash()) has ended what was opened then.
  [[nodiscard]] bool barred(const SessionHash& bar, std::int64_t opened_ms) const {
    if (ended_.empty()) return false;
    const auto found = ended_.find(bar);
    return found != ended_.end() && opened_ms <= found->second.opened_ms;
  }

 private:
  struct FirstBits {  // they are random enough
    std::size_t operator()(const SessionHash& hash) const { return hash[0]; }
  };
  struct Ended {
    SessionEvent what = SessionEvent::invalid;
    std::int64_t until_us = 0;
    std::int64_t opened_ms = 0;  // of a bar
  };
  void drop_expired(std::int64_t now_us);

  std::unordered_map<SessionHash, Ended, FirstBits> ended_;
  std::set<std::pair<std::int64_t, SessionHash>> until_;  // us
  Lsn upto_ = 0;                                          // what lies before it an answer has told
  bool begun_ = false;
  std::int64_t known_us_ = 0;  // when what the last whole answer told was asked for
  std::int64_t asked_us_ = 0;
  bool asking_ = false;
  bool anew_ = false;  // the open question was asked of a backend before this one
  std::int64_t next_us_ = 0;
};

}  // namespace stampede::actors
