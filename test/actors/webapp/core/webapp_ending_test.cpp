// Sessions that end on their way: what the backend is told and asked, what is told to whom, and
// what a webapp does that was told nothing yet.

#include <doctest/doctest.h>

#include "test/actors/webapp/core/webapp_fixture.h"

using namespace stampede::actors;

namespace {

WebappSettings with_sessions() {
  WebappSettings settings;
  settings.login = LoginSettings{.sessions = true, .hash_key = {1, 2}};
  return settings;
}

struct Ending : WebappFixture {
  Ending() : WebappFixture(with_sessions()) {}

  void show(std::string_view token) {
    Credentials who;
    who.token = token;
    core.shows(who);
  }
  void learn(std::string_view token, const std::string& user, const std::string& id) {
    show(token);
    CHECK_FALSE(take(get("nobody's")));
    for (const auto& one : core.desk()->take_new()) {
      Verdict verdict{Code::none, "", {}};
      verdict.session.user = user;
      verdict.session.id = id;
      verdict.session.hash = session_hash(user, id);
      verdict.session.expires_ms = 1'000'000;
      core.desk()->on_verdict(one.number, verdict, 3'600'000'000, now);
    }
  }
  // The questions about sessions in the batch that was sent last.
  std::vector<Request> asked(RequestKind kind) {
    std::vector<Request> found;
    if (sent.empty()) return found;
    reader_.open(sent.back().body);
    for (Request request; reader_.next(request);)
      if (request.kind == kind) found.push_back(request);
    CHECK_FALSE(reader_.bad());
    return found;
  }
  static std::string page(const EndedSessionsPage& page) {
    std::string body;
    append_ended_sessions(body, page);
    return body;
  }
  static std::string kept(const EndedSession& session) {
    std::string body;
    append_session_kept(body, session);
    return body;
  }
  static ClientAsk end() {
    ClientAsk ask{http(1), {}};
    ask.request.op = ClientOp::end_session;
    return ask;
  }
  void know_none() {
    hello();
    result(sent.back().number, page({}));
  }

 private:
  BodyReader reader_;
};

}  // namespace

TEST_CASE("a webapp asks first of all which sessions have ended, page by page") {
  Ending webapp;
  CHECK(webapp.core.state() == "no_backend");
  webapp.hello();
  auto asked = webapp.asked(RequestKind::ended_sessions);
  REQUIRE(asked.size() == 1);
  CHECK((asked[0].item == 0 && asked[0].qty == kEndedSessionsPageMax));
  CHECK(webapp.core.state() == "replaying");
  CHECK_FALSE(webapp.core.busy());
  const auto one = session_hash("ann", "s1");
  webapp.result(1, Ending::page({70, true, {{one, SessionEvent::ended, 60'000}}}));
  webapp.round();
  asked = webapp.asked(RequestKind::ended_sessions);
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].item == 70);
  webapp.result(2, Ending::page({90, false, {}}));
  CHECK(webapp.core.state() == "ready");
  CHECK(webapp.core.desk()->ends().find(one) == SessionEvent::ended);
  webapp.sent.clear();
  webapp.pass(600);
  asked = webapp.asked(RequestKind::ended_sessions);
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].item == 90);
}

TEST_CASE("a webapp that was told nothing yet takes no session that may have ended") {
  Ending webapp;
  webapp.hello();
  webapp.learn("ann's", "ann", "s1");
  webapp.show("ann's");
  CHECK(webapp.take(Ending::order("a")));
  const auto refusal = webapp.only_reply();
  CHECK((refusal.code == Code::overloaded && refusal.id == "a"));
  webapp.result(1, Ending::error(Code::replaying));  // it is asked again
  webapp.pass(600);
  REQUIRE(webapp.asked(RequestKind::ended_sessions).size() == 1);
  webapp.result(webapp.sent.back().number, Ending::page({}));
  CHECK(webapp.take(Ending::order("a")));
  CHECK(webapp.replies().empty());
}

TEST_CASE("a question that nobody answers is given up, and asked again") {
  Ending webapp;
  webapp.hello();
  webapp.pass(7000);
  CHECK_FALSE(webapp.core.busy());
  CHECK_FALSE(webapp.core.desk()->ends().known(webapp.now));
  webapp.result(webapp.sent.back().number, Ending::page({}));  // late: it is asked once more
  CHECK(webapp.core.desk()->ends().begun());
  webapp.pass(10);
  webapp.result(webapp.sent.back().number, Ending::page({}));
  CHECK(webapp.core.desk()->ends().known(webapp.now));
}

TEST_CASE("who ends his session hears of it when the backend has it, and is refused from then on") {
  Ending webapp;
  webapp.know_none();
  webapp.learn("ann's", "ann", "s1");
  webapp.show("ann's");
  CHECK(webapp.take(Ending::end()));
  webapp.round();
  CHECK(webapp.replies().empty());
  const auto asked = webapp.asked(RequestKind::session);
  REQUIRE(asked.size() == 1);
  const auto hash = session_hash("ann", "s1");
  CHECK((asked[0].item == hash[0] && asked[0].promo == hash[1] && asked[0].user == "ann"));
  CHECK(asked[0].qty == static_cast<std::uint32_t>(SessionEvent::ended));
  CHECK(asked[0].valid_until_ms == 1'000'000 + kSessionKnownMs);
  CHECK(webapp.take(Ending::order("a")));  // it may be on its way
  CHECK(webapp.replies().empty());
  webapp.result(webapp.sent.back().number, Ending::kept({hash, SessionEvent::ended, 60'000}));
  const auto told = webapp.only_reply();
  CHECK((told.kind == ReplyKind::session_kept && told.client == Ending::http(1)));
  CHECK(webapp.take(Ending::order("b")));
  CHECK(webapp.only_reply().code == Code::not_logged_in);
  CHECK(webapp.take(Ending::end()));
  CHECK(webapp.only_reply().code == Code::not_logged_in);
}

TEST_CASE("what the backend refuses is told, and the session goes on") {
  Ending webapp;
  webapp.know_none();
  webapp.learn("ann's", "ann", "s1");
  webapp.show("ann's");
  CHECK(webapp.take(Ending::end()));
  webapp.round();
  webapp.result(webapp.sent.back().number, Ending::error(Code::overloaded, limit::kRevoked));
  CHECK(webapp.only_reply().code == Code::overloaded);
  CHECK(webapp.take(Ending::order("a")));
  CHECK(webapp.replies().empty());
}

TEST_CASE("news are believed whatever the epoch, and another backend is asked for all") {
  Ending webapp;
  webapp.know_none();
  webapp.learn("ann's", "ann", "s1");
  webapp.core.on_session_news({session_hash("ann", "s1"), SessionEvent::replaced, 60'000},
                              webapp.now);
  webapp.show("ann's");
  CHECK(webapp.take(Ending::order("a")));
  CHECK(webapp.only_reply().code == Code::session_replaced);
  webapp.sent.clear();
  webapp.hello(1, 2);
  webapp.pass(20);
  auto asked = webapp.asked(RequestKind::ended_sessions);
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].item == 0);
  CHECK(webapp.take(Ending::order("b")));
  CHECK(webapp.only_reply().code == Code::session_replaced);
}

TEST_CASE("a question whose answer was lost is asked anew when that could say nothing any more") {
  Ending webapp;
  webapp.hello();
  webapp.sent.clear();
  webapp.pass(900);
  CHECK(webapp.asked(RequestKind::ended_sessions).empty());
  webapp.pass(200);
  CHECK(webapp.asked(RequestKind::ended_sessions).size() == 1);
  CHECK(webapp.sent.back().number == 2);
}

TEST_CASE("a session that was opened is told to the backend, and answered once it is durable") {
  Ending webapp;
  webapp.know_none();
  const SessionNotice notice{SessionEvent::opened, "ann", "s2", kTimeMsMax};
  webapp.core.keep_session(Ending::http(3), notice, webapp.now);
  webapp.round();
  const auto asked = webapp.asked(RequestKind::session);
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].qty == static_cast<std::uint32_t>(SessionEvent::opened));
  CHECK(asked[0].valid_until_ms == kTimeMsMax);
  const auto hash = session_hash("ann", "s2");
  webapp.result(webapp.sent.back().number, Ending::kept({hash, SessionEvent::opened, 60'000}));
  CHECK(webapp.only_reply().kind == ReplyKind::session_kept);
  CHECK(webapp.core.desk()->ends().size() == 0);
  // No answer is no session: the login hears so.
  webapp.core.keep_session(Ending::http(4), notice, webapp.now);
  webapp.pass(6000);
  CHECK(webapp.only_reply().code == Code::deadline_passed);
  webapp.core.drain();
  webapp.core.keep_session(Ending::http(5), notice, webapp.now);
  CHECK(webapp.only_reply().code == Code::draining);
}

TEST_CASE("without sessions nothing is asked of them") {
  WebappFixture webapp;
  webapp.hello();
  webapp.pass(2000);
  CHECK(webapp.sent.empty());
}
