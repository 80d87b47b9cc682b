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
  const Ended heard{session.what, now_us + session.left_ms * 1000, session.opened_ms};
  const auto [at, is_new] = ended_.emplace(session.session, heard);
  if (!is_new) {
    // Of bars the last one counts, whichever is heard last.
    if (at->second.opened_ms >= heard.opened_ms) return;
    until_.erase({at->second.until_us, session.session});
    at->second = heard;
  }
  until_.emplace(heard.until_us, session.session);
}

void EndedSessions::drop_expired(std::int64_t now_us) {
  while (!until_.empty() && until_.begin()->first <= now_us) {
    ended_.erase(until_.begin()->second);
    until_.erase(until_.begin());
  }
}

}  // namespace stampede::actors
