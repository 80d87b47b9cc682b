#include "actors/webapp/core/ended_sessions.h"

#include "config/process/invariant.h"

namespace stampede::actors {

Lsn EndedSessions::ask(std::int64_t now_us) {
  STAMPEDE_ASSERT(!asking_, "one question is open at a time");
  asking_ = true;
  anew_ = false;
  asked_us_ = now_us;
  next_us_ = now_us + kRefreshUs;
  return upto_;
}

void EndedSessions::on_answer(const EndedSessionsPage& page, std::int64_t now_us) {
  asking_ = false;
  drop_expired(now_us);
  for (const auto& row : page.rows) take(row, now_us);
  if (!anew_) upto_ = page.upto;
  if (page.more || anew_) {
    next_us_ = now_us;
  } else {
    begun_ = true;
    known_us_ = asked_us_;
  }
}

void EndedSessions::ask_anew() {
  anew_ = true;
  upto_ = 0;
  next_us_ = 0;
}

void EndedSessions::take(const EndedSession& session, std::int64_t now_us) {
  if (session.what == SessionEvent::opened || session.left_ms <= 0) return;
  if (!ended_.emplace(session.session, session.what).second) return;
  until_.emplace(now_us + session.left_ms * 1000, session.session);
}

void EndedSessions::drop_expired(std::int64_t now_us) {
  while (!until_.empty() && until_.begin()->first <= now_us) {
    ended_.erase(until_.begin()->second);
    until_.erase(until_.begin());
  }
}

}  // namespace stampede::actors
