// What a webapp knows of sessions that have ended: when it asks, what it takes, what it forgets.

#include "actors/webapp/core/ended_sessions.h"

#include <doctest/doctest.h>

using namespace stampede::actors;

namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr SessionHash kOne{1, 2};
constexpr SessionHash kOther{3, 4};

EndedSession ended(const SessionHash& session, SessionEvent what = SessionEvent::ended,
                   std::int64_t left_ms = 60'000) {
  return {session, what, left_ms};
}

}  // namespace

TEST_CASE("it asks at once, one question at a time, and again four times a second") {
  EndedSessions ends;
  CHECK(ends.due(0));
  CHECK(ends.ask(0) == 0);
  CHECK_FALSE(ends.due(9 * kSecondUs));
  ends.on_answer({77, false, {}}, 1000);
  CHECK_FALSE(ends.due(EndedSessions::kRefreshUs - 1));
  CHECK(ends.due(EndedSessions::kRefreshUs));
  CHECK(ends.ask(EndedSessions::kRefreshUs) == 77);
  ends.not_answered();
  CHECK(ends.due(2 * EndedSessions::kRefreshUs));
}

TEST_CASE("nothing is known before the first whole answer") {
  EndedSessions ends;
  ends.take(ended(kOne), 0);
  CHECK_FALSE(ends.known(0));
  ends.ask(0);
  ends.on_answer({5, true, {ended(kOther)}}, 0);
  CHECK_FALSE(ends.known(0));
  CHECK(ends.due(0));
  CHECK(ends.ask(0) == 5);
  ends.on_answer({9, false, {}}, 0);
  CHECK(ends.known(0));
  CHECK(ends.known(EndedSessions::kKnownForUs - 1));
  CHECK_FALSE(ends.known(EndedSessions::kKnownForUs));
  CHECK(ends.begun());
  CHECK(ends.find(kOne) == SessionEvent::ended);
  CHECK(ends.find(kOther) == SessionEvent::ended);
  CHECK(ends.find({1, 3}) == SessionEvent::invalid);
}

TEST_CASE("another backend is asked for all of them, and what is known stays known") {
  EndedSessions ends;
  ends.ask(0);
  ends.on_answer({50, false, {ended(kOne)}}, 0);
  ends.ask(kSecondUs);
  ends.ask_anew();
  ends.on_answer({60, false, {ended(kOther, SessionEvent::replaced)}},
                 kSecondUs);  // of the old one
  CHECK(ends.known(kSecondUs - 1));
  CHECK(ends.find(kOther) == SessionEvent::replaced);
  REQUIRE(ends.due(kSecondUs));
  CHECK(ends.ask(kSecondUs) == 0);
  ends.on_answer({7, false, {}}, kSecondUs);
  CHECK(ends.find(kOne) == SessionEvent::ended);
  CHECK(ends.ask(9 * kSecondUs) == 7);
}

TEST_CASE("a session is known for as long as was said, and then forgotten") {
  EndedSessions ends;
  ends.take(ended(kOne, SessionEvent::ended, 2000), 0);
  ends.take(ended(kOne, SessionEvent::replaced, 9000), kSecondUs);  // the first word counts
  CHECK(ends.find(kOne) == SessionEvent::ended);
  ends.ask(0);
  ends.on_answer({}, 2 * kSecondUs - 1);
  CHECK(ends.size() == 1);
  ends.ask(2 * kSecondUs);
  ends.on_answer({}, 2 * kSecondUs);
  CHECK(ends.size() == 0);
  CHECK(ends.find(kOne) == SessionEvent::invalid);
}

TEST_CASE("of bars of a user the latest moment counts, in whatever order they are heard") {
  EndedSessions ends;
  const auto bar = [](std::int64_t opened_ms, std::int64_t left_ms) {
    return EndedSession{kOne, SessionEvent::barred, left_ms, opened_ms};
  };
  CHECK_FALSE(ends.barred(kOne, 0));
  ends.take(bar(500, 1000), 0);
  CHECK((ends.barred(kOne, 0) && ends.barred(kOne, 500)));
  CHECK_FALSE(ends.barred(kOne, 501));
  CHECK_FALSE(ends.barred(kOther, 0));
  ends.take(bar(900, 3000), 0);
  ends.take(bar(500, 1000), 0);
  CHECK(ends.barred(kOne, 900));
  CHECK(ends.size() == 1);
  ends.ask(0);
  ends.on_answer({}, 2 * kSecondUs);  // the first would be over
  CHECK(ends.barred(kOne, 900));
  ends.ask(2 * kSecondUs);
  ends.on_answer({}, 3 * kSecondUs);
  CHECK_FALSE(ends.barred(kOne, 0));
  CHECK(ends.size() == 0);
}

TEST_CASE("of a session that was opened, or is over, nothing follows") {
  EndedSessions ends;
  ends.take(ended(kOne, SessionEvent::opened), 0);
  ends.take(ended(kOther, SessionEvent::ended, 0), 0);
  CHECK(ends.size() == 0);
}
