// Sessions that end: what is asked and what the log says, as SessionBook knows them.

#include <cstring>

#include "actors/sale/order_book.h"
#include "config/process/invariant.h"

namespace stampede::actors {

SessionDecision OrderBook::decide_session(const Request& request, std::int64_t sale_time_us) const {
  return sessions_.decide({{request.item, request.promo},
                           hasher_.user(request.user),
                           request.valid_until_ms,
                           static_cast<SessionEvent>(request.qty),
                           sale_time_us});
}

void OrderBook::apply_session(const SessionDecision& decision, Lsn lsn) {
  STAMPEDE_ASSERT(decision.error == Code::none && !decision.known,
                  "only a new decision is applied");
  sessions_.apply(decision.change, lsn);
}

// How many have ended is not asked again.
bool OrderBook::replay_revoke(const storage::RevokeRecord& record, Lsn lsn) {
  SessionChange change;
  if (record.token_hash.size() != sizeof change.session) return false;
  std::memcpy(change.session.data(), record.token_hash.data(), sizeof change.session);
  change.user = record.user_hash;
  change.until_ms = record.expires_at_ms;
  change.what = static_cast<SessionEvent>(record.reason);
  change.decided_at_us = record.decided_at_us;
  sessions_.apply(change, lsn);
  return true;
}

bool OrderBook::load_session(storage::SnapshotSection section, storage::EntryReader& in) {
  if (section == storage::SnapshotSection::ended_sessions) {
    storage::SnapshotEndedSession ended;
    return decode(in, ended) && sessions_.load(ended);
  }
  storage::SnapshotNewestSession newest;
  return decode(in, newest) && sessions_.load(newest);
}

}  // namespace stampede::actors
