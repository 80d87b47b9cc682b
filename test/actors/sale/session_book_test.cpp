// Sessions that end: what is decided, what is forgotten when, who is told of which, and the same
// from the log and from a snapshot.

#include "actors/sale/session_book.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>

#include "actors/sale/limits.h"
#include "actors/sale/order_book.h"
#include "test/support/random_run.h"

using namespace stampede;
using namespace stampede::actors;

namespace {

constexpr std::int64_t kNow = 1'800'000'000'000;  // ms
constexpr std::int64_t kUntil = kNow + 60'000;

class Entries final : public storage::SnapshotSink {
 public:
  Entries() : SnapshotSink(storage::FeatureLevel::sale) {}
  void add(storage::SnapshotSection section, std::string_view entry) override {
    auto& [bytes, count] = all[section];
    bytes += entry;
    ++count;
  }
  std::map<storage::SnapshotSection, std::pair<std::string, std::uint32_t>> all;
};

struct Sessions {
  explicit Sessions(std::size_t revoked_max = 3) : book(revoked_max) {}

  SessionChange change(SessionEvent what, std::uint64_t session, std::uint64_t user = 1,
                       std::int64_t until_ms = kUntil) const {
    return {{session, ~session}, user, until_ms, what, now_ms * 1000};
  }
  SessionDecision take(const SessionChange& change) {
    const auto decision = book.decide(change);
    if (decision.error == Code::none && !decision.known) {
      book.apply(change, ++lsn);
      log.emplace_back(lsn, change);
    }
    return decision;
  }
  SessionDecision end(std::uint64_t session, std::uint64_t user = 1,
                      std::int64_t until_ms = kUntil) {
    return take(change(SessionEvent::ended, session, user, until_ms));
  }
  SessionDecision open(std::uint64_t session, std::uint64_t user = 1,
                       std::int64_t until_ms = kUntil) {
    return take(change(SessionEvent::opened, session, user, until_ms));
  }
  std::map<std::uint64_t, SessionEvent> ended(Lsn since = 0, std::size_t limit = 1000) const {
    std::map<std::uint64_t, SessionEvent> found;
    for (const auto& row : book.behind(since, lsn, limit, now_ms).rows)
      found[row.session[0]] = row.what;
    return found;
  }
  using Found = std::map<std::uint64_t, SessionEvent>;

  SessionBook book;
  Lsn lsn = storage::make_lsn(1, 0);
  std::int64_t now_ms = kNow;
  std::vector<std::pair<Lsn, SessionChange>> log;
};

Entries saved(const SessionBook& book) {
  Entries entries;
  book.save(entries);
  return entries;
}

bool load_all(SessionBook& book, const Entries& entries) {
  for (const auto& [section, content] : entries.all) {
    storage::EntryReader in(content.first, storage::FeatureLevel::sale);
    while (!in.at_end()) {
      storage::SnapshotEndedSession ended;
      storage::SnapshotNewestSession newest;
      const bool taken = section == storage::SnapshotSection::ended_sessions
                             ? decode(in, ended) && book.load(ended)
                             : decode(in, newest) && book.load(newest);
      if (!taken) return false;
    }
  }
  return true;
}

bool overloaded(const SessionDecision& decision) {
  return decision.error == Code::overloaded && decision.field == limit::kRevoked;
}

}  // namespace

TEST_CASE("a session ends once, and a repeat rests on the same decision") {
  Sessions sessions;
  CHECK_FALSE(sessions.end(7).known);
  const auto again = sessions.end(7);
  CHECK((again.known && again.lsn == sessions.lsn));
  CHECK(sessions.log.size() == 1);
  CHECK(sessions.ended() == Sessions::Found{{7, SessionEvent::ended}});
}

TEST_CASE("a newer session replaces the one before it, and no other") {
  Sessions sessions;
  sessions.open(1, 100);
  sessions.open(2, 200);
  CHECK(sessions.ended().empty());
  CHECK(sessions.book.newest() == 2);
  sessions.open(3, 100);
  CHECK(sessions.ended() == Sessions::Found{{1, SessionEvent::replaced}});
  const auto again = sessions.open(3, 100);
  CHECK((again.known && again.lsn == sessions.lsn));
  sessions.open(4, 100);
  CHECK(sessions.ended() ==
        Sessions::Found{{1, SessionEvent::replaced}, {3, SessionEvent::replaced}});
}

TEST_CASE("what asks late for a session that has ended does not bring it back") {
  Sessions sessions;
  sessions.open(1, 100);
  sessions.open(2, 100);
  CHECK(sessions.open(1, 100).error == Code::session_replaced);
  sessions.end(2, 100);
  CHECK(sessions.open(2, 100).error == Code::not_logged_in);
  CHECK(sessions.book.newest() == 0);
  sessions.open(3, 100);  // nobody is replaced: the one before has ended
  CHECK(sessions.ended() == Sessions::Found{{1, SessionEvent::replaced}, {2, SessionEvent::ended}});
  sessions.end(1, 100);  // what ended it first stays what ended it
  CHECK(sessions.ended().at(1) == SessionEvent::replaced);
}

TEST_CASE("nothing is forgotten before its time, and room comes with time") {
  Sessions sessions(2);
  sessions.end(1, 1, kUntil);
  sessions.end(2, 2, kUntil + 1);
  CHECK(overloaded(sessions.end(3, 3)));
  sessions.now_ms = kUntil - 1;
  CHECK(overloaded(sessions.end(3, 3)));
  CHECK(sessions.ended().size() == 2);
  sessions.now_ms = kUntil;
  CHECK(sessions.book.ended() == 2);  // it is forgotten with the next decision
  CHECK(sessions.end(3, 3, kUntil + 60'000).error == Code::none);
  CHECK(sessions.book.ended() == 2);
  CHECK(sessions.ended() == Sessions::Found{{2, SessionEvent::ended}, {3, SessionEvent::ended}});
  CHECK(overloaded(sessions.end(4, 4, kUntil + 60'000)));
}

TEST_CASE("sessions that buyers have ended leave room for those that the operator ends") {
  Sessions sessions(2);
  sessions.end(1, 1);
  sessions.end(2, 2);
  CHECK(overloaded(sessions.end(3, 3)));
  CHECK(sessions.take(sessions.change(SessionEvent::barred, 4, 4)).error == Code::none);
  CHECK(sessions.ended().at(4) == SessionEvent::barred);
  CHECK(overloaded(sessions.end(3, 3)));
  for (std::uint64_t user = 5; sessions.book.ended() < 2 + SessionBook::kBarsMax; ++user)
    sessions.take(sessions.change(SessionEvent::barred, user, user));
  CHECK(overloaded(sessions.take(sessions.change(SessionEvent::barred, 3, 3))));
}

TEST_CASE("newest sessions have a bound of their own, and go when they are over") {
  Sessions sessions(2);
  sessions.open(1, 100);
  sessions.open(2, 200);
  CHECK(overloaded(sessions.open(3, 300)));
  sessions.open(4, 100);
  sessions.open(5, 200);
  CHECK(sessions.book.ended() == 2);
  CHECK(overloaded(sessions.open(6, 100)));  // the one before could not be remembered
  sessions.now_ms = kUntil;
  CHECK(sessions.open(7, 300, kUntil + 9).error == Code::none);
  CHECK(sessions.book.newest() == 1);
  CHECK(sessions.book.ended() == 0);
}

TEST_CASE("one that was over before is not written down") {
  Sessions sessions;
  CHECK(sessions.end(1, 1, kNow).known);
  CHECK(sessions.open(2, 1, kNow).known);
  CHECK(sessions.log.empty());
}

TEST_CASE("webapps are told page by page what ended behind an lsn") {
  Sessions sessions(1000);
  for (std::uint64_t n = 1; n <= 25; ++n) sessions.end(n, n);
  Sessions::Found seen;
  Lsn since = 0;
  for (bool more = true; more;) {
    const auto page = sessions.book.behind(since, sessions.lsn, 10, kNow);
    CHECK(page.rows.size() <= 10);
    for (const auto& row : page.rows) {
      CHECK(row.left_ms == 60'000);
      CHECK(seen.emplace(row.session[0], row.what).second);
    }
    more = page.more;
    since = page.upto;
  }
  CHECK(seen.size() == 25);
  CHECK(since == sessions.lsn);
  CHECK(sessions.book.behind(since, since, 10, kNow).rows.empty());
  // What is not durable yet is not told, and comes later.
  const auto durable = sessions.book.behind(0, sessions.lsn - 5, 1000, kNow);
  CHECK(durable.rows.size() == 20);
  CHECK(sessions.book.behind(durable.upto, sessions.lsn, 1000, kNow).rows.size() == 5);
  // Nor what is over.
  CHECK(sessions.book.behind(0, sessions.lsn, 1000, kUntil).rows.empty());
}

TEST_CASE("replay takes what the log says, whatever may be remembered") {
  Sessions live(1000);
  for (std::uint64_t n = 1; n <= 9; ++n) live.open(n, n % 3);
  SessionBook replayed(1);
  for (const auto& [lsn, change] : live.log) replayed.apply(change, lsn);
  CHECK(saved(replayed).all == saved(live.book).all);
}

TEST_CASE("a bar is known by its moment: a later one takes its place, and no other is a change") {
  Sessions sessions(2);
  const auto bar = [&](std::int64_t moment_ms) {
    return sessions.take(sessions.change(SessionEvent::barred, 7, 1, moment_ms + kBarKnownMs));
  };
  const auto told = [&] { return sessions.book.behind(0, sessions.lsn, 10, kNow).rows; };
  CHECK(bar(kNow - 5).error == Code::none);
  REQUIRE(told().size() == 1);
  CHECK(told()[0] ==
        EndedSession{{7, ~std::uint64_t{7}}, SessionEvent::barred, kBarKnownMs - 5, kNow - 5});
  const auto first = sessions.lsn;
  const auto again = bar(kNow - 5);
  CHECK((again.known && again.lsn == first));
  CHECK(bar(kNow - 6).known);
  sessions.end(1);
  CHECK(overloaded(sessions.end(2)));
  CHECK(bar(kNow).error == Code::none);  // there is no room for another, and it is none
  CHECK(sessions.book.ended() == 2);
  CHECK(sessions.book.behind(first + 1, sessions.lsn, 10, kNow).rows.at(0).opened_ms == kNow);
  SessionBook replayed(1), loaded(2);
  for (const auto& [lsn, change] : sessions.log) replayed.apply(change, lsn);
  CHECK(saved(replayed).all == saved(sessions.book).all);
  REQUIRE(load_all(loaded, saved(sessions.book)));
  CHECK(loaded.behind(0, sessions.lsn, 10, kNow).rows ==
        sessions.book.behind(0, sessions.lsn, 10, kNow).rows);
  sessions.now_ms = kNow + kBarKnownMs;
  sessions.end(3, 3, sessions.now_ms + 1);
  CHECK(sessions.ended() == Sessions::Found{{3, SessionEvent::ended}});
}

TEST_CASE("random sessions: memory, log and snapshot agree at every step") {
  const auto seed = test::seed_of_run();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  Sessions live(8);
  SessionBook replayed(8);
  std::size_t applied = 0;
  for (int step = 0; step < 4000; ++step) {
    live.now_ms += static_cast<std::int64_t>(random() % 3000) - 200;
    const auto session = 1 + random() % 60;
    const auto user = 1 + random() % 6;
    const auto until = live.now_ms + static_cast<std::int64_t>(random() % 30'000);
    const auto decision =
        random() % 7 == 0   ? live.take(live.change(SessionEvent::barred, 1000 + user, user, until))
        : random() % 2 == 0 ? live.end(session, user, until)
                            : live.open(session, user, until);
    CHECK((decision.error == Code::none || !decision.known));
    CHECK(live.book.ended() <= 8 + 6);  // and a bar of each user
    CHECK(live.book.newest() <= 8);
    for (; applied < live.log.size(); ++applied)
      replayed.apply(live.log[applied].second, live.log[applied].first);
    if (step % 50 != 0) continue;
    const auto entries = saved(live.book);
    REQUIRE(saved(replayed).all == entries.all);
    SessionBook loaded(8);
    REQUIRE(load_all(loaded, entries));
    REQUIRE(saved(loaded).all == entries.all);
    replayed = std::move(loaded);  // and goes on from there
  }
}

TEST_CASE("entries that cannot be are refused") {
  Sessions sessions;
  sessions.end(1, 1);
  sessions.open(2, 2);
  auto entries = saved(sessions.book);
  SessionBook twice(8);
  REQUIRE(load_all(twice, entries));
  CHECK_FALSE(load_all(twice, entries));
  for (const int what : {0, 4, 5}) {
    SessionBook book(8);
    CHECK_FALSE(book.load(
        storage::SnapshotEndedSession{{9, 9}, 5, kUntil, static_cast<std::uint8_t>(what)}));
  }
}

TEST_CASE("the book's snapshot has sessions where there are any, and its summary counts them") {
  OrderBook book(LogUuid{1}, {1000, 100});
  Entries none;
  book.save_sessions(none);
  CHECK(none.all.empty());
  storage::SnapshotSummary summary;
  book.count(summary);
  storage::EntryWriter out(storage::FeatureLevel::sale);
  const auto before = std::string(encode(out, summary)).size();
  CHECK(before == 17 * sizeof(std::uint64_t));
  const auto hash = session_hash("ann", "s1");
  Request request;
  request.kind = RequestKind::session;
  request.item = hash[0];
  request.promo = hash[1];
  request.user = "ann";
  request.qty = static_cast<std::uint32_t>(SessionEvent::ended);
  request.valid_until_ms = kUntil;
  const auto decision = book.decide_session(request, kNow * 1000);
  REQUIRE(decision.error == Code::none);
  book.apply_session(decision, 5);
  Entries one;
  book.save_sessions(one);
  CHECK(one.all.at(storage::SnapshotSection::ended_sessions).second == 1);
  book.count(summary);
  CHECK(summary.ended_sessions == 1);
  const std::string bytes(encode(out, summary));
  CHECK(bytes.size() == 26 * sizeof(std::uint64_t));
  storage::EntryReader in(bytes, storage::FeatureLevel::sale);
  storage::SnapshotSummary read;
  REQUIRE(decode(in, read));
  CHECK(read == summary);
  OrderBook copy(LogUuid{1}, {1000, 100});
  const auto& content = one.all.at(storage::SnapshotSection::ended_sessions).first;
  storage::EntryReader entries(content, storage::FeatureLevel::sale);
  REQUIRE(copy.load(storage::SnapshotSection::ended_sessions, entries, 1));
  CHECK(copy.decide_session(request, kNow * 1000).known);
}

TEST_CASE("a session is known by its user and its id together") {
  CHECK(session_hash("ann", "1") == session_hash("ann", "1"));
  CHECK(session_hash("ann", "1") != session_hash("bob", "1"));
  CHECK(session_hash("ann", "1") != session_hash("ann", "2"));
  CHECK(session_hash("ann1", "") != session_hash("ann", "1"));
  // For ever: the log holds them.
  CHECK(session_hash("ann", "s1") == SessionHash{0xccf66de8e69b8997, 0x065afe7b069e9fea});
}
