#include "actors/sale/session_book.h"

#include <algorithm>

#include "actors/sale/limits.h"

namespace stampede::actors {

namespace {

bool is_end(SessionEvent what) {
  return what == SessionEvent::ended || what == SessionEvent::replaced ||
         what == SessionEvent::barred;
}

// Buyers who log out again and again must not keep the operator from ending a session.
std::size_t room_for(SessionEvent what) {
  return what == SessionEvent::barred ? SessionBook::kBarsMax : 0;
}

}  // namespace

// --- looking ------------------------------------------------------------------------------------

// The next decision forgets what is over, and so makes room.
bool SessionBook::has_room(const std::set<std::pair<std::int64_t, std::uint64_t>>& ends,
                           std::int64_t now_ms, std::size_t max) {
  return ends.size() < max || (!ends.empty() && ends.begin()->first <= now_ms);
}

SessionDecision SessionBook::decide(const SessionChange& change) const {
  SessionDecision decision;
  decision.change = change;
  const auto now_ms = change.decided_at_us / 1000;
  const auto known = ended_.find(change.session);
  decision.known = change.until_ms <= now_ms;
  if (decision.known) return decision;
  if (change.what == SessionEvent::opened) return decide_opened(decision);
  const bool later_bar = known != ended_.end() && change.what == SessionEvent::barred &&
                         by_lsn_.at(known->second).until_ms < change.until_ms;
  if (later_bar) return decision;
  if (known != ended_.end()) {
    decision.known = true;
    decision.lsn = known->second;
  } else if (!has_room(ended_until_, now_ms, revoked_max_ + room_for(change.what))) {
    decision.error = Code::overloaded;
    decision.field = limit::kRevoked;
  }
  return decision;
}

// One that has ended is not opened again: what asks for it is late.
SessionDecision SessionBook::decide_opened(SessionDecision decision) const {
  const auto& change = decision.change;
  const auto now_ms = change.decided_at_us / 1000;
  if (const auto ended = ended_.find(change.session); ended != ended_.end()) {
    const bool replaced = by_lsn_.at(ended->second).what == SessionEvent::replaced;
    decision.error = replaced ? Code::session_replaced : Code::not_logged_in;
    decision.lsn = ended->second;
    return decision;
  }
  const auto newest = newest_.find(change.user);
  if (newest != newest_.end() && newest->second.session == change.session) {
    decision.known = true;
    decision.lsn = newest->second.lsn;
    return decision;
  }
  const bool room = newest == newest_.end() ? has_room(newest_until_, now_ms, revoked_max_)
                                            : has_room(ended_until_, now_ms, revoked_max_);
  if (room) return decision;
  decision.error = Code::overloaded;
  decision.field = limit::kRevoked;
  return decision;
}

EndedSessionsPage SessionBook::behind(Lsn since, Lsn upto, std::size_t limit,
                                      std::int64_t now_ms) const {
  EndedSessionsPage page;
  page.upto = upto;
  Lsn last = since;
  for (auto at = by_lsn_.upper_bound(since); at != by_lsn_.end() && at->first <= upto; ++at) {
    if (page.rows.size() >= limit) {
      page.more = true;
      page.upto = last;
      break;
    }
    last = at->first;
    const auto& ended = at->second;
    const bool bar = ended.what == SessionEvent::barred;
    if (ended.until_ms > now_ms)
      page.rows.push_back({ended.session, ended.what, ended.until_ms - now_ms,
                           bar ? ended.until_ms - kBarKnownMs : 0});
  }
  return page;
}

// --- making it true -----------------------------------------------------------------------------

void SessionBook::apply(const SessionChange& change, Lsn lsn) {
  drop_expired(change.decided_at_us / 1000);
  if (change.what == SessionEvent::opened) return open(change, lsn);
  end(change.session, change.until_ms, change.what, lsn);
  const auto newest = newest_.find(change.user);
  if (newest != newest_.end() && newest->second.session == change.session) drop_newest(change.user);
}

void SessionBook::open(const SessionChange& change, Lsn lsn) {
  const auto newest = newest_.find(change.user);
  if (newest != newest_.end()) {
    const auto before = newest->second;
    if (before.session != change.session)
      end(before.session, before.until_ms, SessionEvent::replaced, lsn);
    drop_newest(change.user);
  }
  newest_[change.user] = {change.session, change.until_ms, lsn};
  newest_until_.emplace(change.until_ms, change.user);
}

// What ended it first stays what ended it; of bars the last one counts.
void SessionBook::end(const SessionHash& session, std::int64_t until_ms, SessionEvent what,
                      Lsn lsn) {
  const auto [at, is_new] = ended_.emplace(session, lsn);
  if (!is_new) {
    if (what != SessionEvent::barred) return;
    const auto before = by_lsn_.find(at->second);
    ended_until_.erase({before->second.until_ms, before->first});
    by_lsn_.erase(before);
    at->second = lsn;
  }
  by_lsn_[lsn] = {session, until_ms, what};
  ended_until_.emplace(until_ms, lsn);
}

void SessionBook::drop_newest(std::uint64_t user) {
  const auto newest = newest_.find(user);
  newest_until_.erase({newest->second.until_ms, user});
  newest_.erase(newest);
}

void SessionBook::drop_expired(std::int64_t now_ms) {
  while (!ended_until_.empty() && ended_until_.begin()->first <= now_ms) {
    const auto ended = by_lsn_.find(ended_until_.begin()->second);
    ended_until_.erase(ended_until_.begin());
    ended_.erase(ended->second.session);
    by_lsn_.erase(ended);
  }
  while (!newest_until_.empty() && newest_until_.begin()->first <= now_ms)
    drop_newest(newest_until_.begin()->second);
}

std::size_t SessionBook::memory_bytes() const {
  constexpr std::size_t kEach = 200;
  return (ended_.size() + newest_.size()) * kEach;
}

// --- snapshots ----------------------------------------------------------------------------------

void SessionBook::count(storage::SnapshotSummary& summary) const {
  summary.ended_sessions = ended_.size();
  summary.newest_sessions = newest_.size();
}

void SessionBook::save(storage::SnapshotSink& sink) const {
  storage::EntryWriter out(sink.level());
  for (const auto& [lsn, ended] : by_lsn_)
    sink.add(storage::SnapshotSection::ended_sessions,
             encode(out, storage::SnapshotEndedSession{ended.session, lsn, ended.until_ms,
                                                       static_cast<std::uint8_t>(ended.what)}));
  for (const auto& [user, newest] : newest_)
    sink.add(storage::SnapshotSection::newest_sessions,
             encode(out, storage::SnapshotNewestSession{user, newest.session, newest.lsn,
                                                        newest.until_ms}));
}

bool SessionBook::load(const storage::SnapshotEndedSession& entry) {
  const auto what = static_cast<SessionEvent>(entry.what);
  if (!is_end(what) || entry.lsn <= last_lsn() || ended_.contains(entry.session)) return false;
  end(entry.session, entry.until_ms, what, entry.lsn);
  return true;
}

bool SessionBook::load(const storage::SnapshotNewestSession& entry) {
  if (!newest_.empty() && entry.user <= newest_.rbegin()->first) return false;
  newest_[entry.user] = {entry.session, entry.until_ms, entry.lsn};
  newest_until_.emplace(entry.until_ms, entry.user);
  return true;
}

}  // namespace stampede::actors
