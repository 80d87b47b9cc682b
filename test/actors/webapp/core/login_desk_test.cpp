// Who may ask what: a table of callers and requests; and how tokens become known.

#include "actors/webapp/core/login_desk.h"

#include <doctest/doctest.h>

#include "actors/sale/limits.h"

using namespace stampede::actors;

namespace {

constexpr std::int64_t kSecondUs = 1'000'000;

struct Desk : LoginDesk {
  explicit Desk(LoginSettings settings = {.sessions = true, .hash_key = {1, 2}})
      : LoginDesk(settings) {}

  std::int64_t now = kSecondUs;

  static ClientRequest request(ClientOp op, std::string_view user = {}) {
    ClientRequest made;
    made.op = op;
    made.user = user;
    return made;
  }
  Admission ask(ClientOp op, std::string_view user, const Credentials& who) {
    begin();
    return admit(request(op, user), who, now);
  }
  Admission ask(ClientOp op, std::string_view user, std::string_view token) {
    Credentials who;
    who.token = token;
    return ask(op, user, who);
  }
  // The token is shown, looked at, and found to be this.
  void learn(std::string_view token, Verdict verdict, std::int64_t left_us = 60 * kSecondUs) {
    REQUIRE(ask(ClientOp::get, "", token).waits);
    const auto tokens = take_new();
    REQUIRE(tokens.size() == 1);
    CHECK(tokens[0].token == token);
    on_verdict(tokens[0].number, std::move(verdict), left_us, now);
  }
  void learn_user(std::string_view token, const std::string& user, bool service = false) {
    Verdict verdict{Code::none, {}, {}};
    verdict.session.user = user;
    verdict.session.service = service;
    learn(token, std::move(verdict));
  }
};

Credentials trusted_key() {
  Credentials who;
  who.trusted_key = true;
  return who;
}

Credentials on_connection(std::string_view name, std::string_view token = {},
                          std::uint64_t peer = 1) {
  Credentials who;
  who.connection = name;
  who.token = token;
  who.peer = peer;
  return who;
}

bool may(const Admission& admission, std::string_view user) {
  return admission.code == Code::none && !admission.waits && admission.user == user;
}

bool refused(const Admission& admission, Code code, std::string_view field = {}) {
  return admission.code == code && !admission.waits && admission.field == field;
}

}  // namespace

TEST_CASE("a customer orders, cancels and looks for himself, and nobody else") {
  Desk desk;
  desk.learn_user("ann's", "ann");
  for (const auto op : {ClientOp::order, ClientOp::cancel}) {
    CHECK(may(desk.ask(op, "ann", "ann's"), "ann"));
    CHECK(may(desk.ask(op, "", "ann's"), "ann"));
    CHECK(refused(desk.ask(op, "bob", "ann's"), Code::not_allowed, "user"));
  }
  const auto get = desk.ask(ClientOp::get, "", "ann's");
  CHECK(may(get, "ann"));
  CHECK_FALSE(get.service);
  CHECK(
      may(desk.ask(ClientOp::get, "bob", "ann's"), "ann"));  // it has no user: it is not looked at
  CHECK(refused(desk.ask(ClientOp::pay, "", "ann's"), Code::not_allowed));
}

TEST_CASE("a service speaks for everybody, pays, and orders for itself when it names nobody") {
  Desk desk;
  desk.learn_user("shop's", "shop", true);
  CHECK(may(desk.ask(ClientOp::order, "ann", "shop's"), "ann"));
  CHECK(may(desk.ask(ClientOp::order, "", "shop's"), "shop"));
  CHECK(may(desk.ask(ClientOp::cancel, "ann", "shop's"), "ann"));
  CHECK(may(desk.ask(ClientOp::cancel, "", "shop's"), ""));
  CHECK(may(desk.ask(ClientOp::get, "", "shop's"), ""));
  CHECK(desk.ask(ClientOp::get, "", "shop's").service);
  CHECK(may(desk.ask(ClientOp::pay, "", "shop's"), ""));
}

TEST_CASE("a trusted key is a service, whatever it shows no token for") {
  Desk desk;
  CHECK(may(desk.ask(ClientOp::order, "ann", trusted_key()), "ann"));
  CHECK(refused(desk.ask(ClientOp::order, "", trusted_key()), Code::bad_request, "user"));
  CHECK(may(desk.ask(ClientOp::get, "", trusted_key()), ""));
  CHECK(may(desk.ask(ClientOp::pay, "", trusted_key()), ""));
  desk.learn_user("ann's", "ann");
  auto who = trusted_key();
  who.token = "ann's";  // what is shown counts
  CHECK(refused(desk.ask(ClientOp::order, "bob", who), Code::not_allowed, "user"));
  CHECK(refused(desk.ask(ClientOp::pay, "", who), Code::not_allowed));
}

TEST_CASE("items and pings are for everybody; without a session nothing else is") {
  Desk desk;
  for (const auto op : {ClientOp::items, ClientOp::ping})
    CHECK(desk.ask(op, "", Credentials{}).code == Code::none);
  for (const auto op : {ClientOp::order, ClientOp::cancel, ClientOp::get, ClientOp::pay})
    CHECK(refused(desk.ask(op, "ann", Credentials{}), Code::not_logged_in));
  CHECK(desk.take_new().empty());
}

TEST_CASE("without sessions only payments are looked at, and who gives back an order of nobody") {
  Desk desk({.sessions = false});
  for (const auto op : {ClientOp::order, ClientOp::cancel, ClientOp::items, ClientOp::ping})
    CHECK(may(desk.ask(op, "ann", "any token"), "ann"));
  const auto get = desk.ask(ClientOp::get, "ann", "any token");
  CHECK((may(get, "") && get.service));
  CHECK(refused(desk.ask(ClientOp::pay, "", "any token"), Code::not_allowed));
  CHECK(may(desk.ask(ClientOp::pay, "", trusted_key()), ""));
  CHECK(refused(desk.ask(ClientOp::cancel, "", "any token"), Code::not_allowed, "user"));
  CHECK(may(desk.ask(ClientOp::cancel, "", trusted_key()), ""));
  const Session* session = nullptr;
  CHECK(desk.log_in(on_connection("c", "t"), desk.now, session).code == Code::unknown_op);
}

TEST_CASE(
    "a refused token is refused with its code, naming it, and looked at again after a while") {
  Desk desk;
  desk.learn("bad", {Code::not_logged_in, "signature", {}});
  desk.learn("old", {Code::session_expired, "expired", {}});
  for (int n = 0; n < 3; ++n) {
    CHECK(refused(desk.ask(ClientOp::order, "ann", "bad"), Code::not_logged_in, "token"));
    CHECK(refused(desk.ask(ClientOp::order, "ann", "old"), Code::session_expired, "token"));
  }
  CHECK(desk.take_new().empty());
  desk.now += LoginDesk::kRefusalUs;
  CHECK(desk.ask(ClientOp::order, "ann", "bad").waits);
  CHECK(desk.take_new().size() == 1);
}

TEST_CASE("a session ends when its time is over and is looked at anew") {
  Desk desk;
  Verdict ann{Code::none, {}, {}};
  ann.session.user = "ann";
  desk.learn("ann's", ann, 10 * kSecondUs);
  desk.now += 10 * kSecondUs - 1;
  CHECK(may(desk.ask(ClientOp::order, "", "ann's"), "ann"));
  desk.now += 1;
  CHECK(desk.ask(ClientOp::order, "", "ann's").waits);
}

TEST_CASE("a token that many messages show is given out once, and each waits for it") {
  Desk desk;
  CHECK(desk.ask(ClientOp::order, "", "a").waits);
  const auto first = desk.awaited();
  CHECK(desk.ask(ClientOp::order, "", "a").waits);
  CHECK(desk.awaited() == first);
  desk.begin();
  for (const char* token : {"b", "a", "b", "a"}) {
    Credentials who;
    who.token = token;
    CHECK(desk.admit(Desk::request(ClientOp::get), who, desk.now).waits);
  }
  CHECK(desk.awaited().size() == 2);
  CHECK(desk.take_new().size() == 2);
  CHECK(desk.take_new().empty());
}

TEST_CASE("who may wait no longer, or finds too many waiting, is told to come again") {
  Desk desk;
  Credentials who;
  who.token = "a";
  who.waits = false;
  CHECK(refused(desk.ask(ClientOp::order, "", who), Code::overloaded, limit::kTokens));
  CHECK(desk.take_new().empty());
  std::size_t own = 0;
  while (desk.ask(ClientOp::order, "", "t" + std::to_string(own)).waits) ++own;
  CHECK(own >= 1000);  // an array
  CHECK(refused(desk.ask(ClientOp::order, "", "one more"), Code::overloaded, limit::kTokens));
  CHECK(desk.ask(ClientOp::order, "", "t0").waits);
  const auto tokens = desk.take_new();
  REQUIRE(tokens.size() == own);
  desk.on_verdict(tokens[7].number, {Code::not_logged_in, "no token", {}}, 0, desk.now);
  CHECK(desk.ask(ClientOp::order, "", "one more").waits);
  desk.on_verdict(tokens[7].number, {Code::none, {}, {}}, 1, desk.now);  // twice: not heard
  CHECK(refused(desk.ask(ClientOp::order, "", "t7"), Code::not_logged_in, "token"));
}

TEST_CASE("who shows ever new tokens has a share of those that are looked at") {
  Desk desk;
  const auto shows = [&](std::uint16_t slot, const std::string& token) {
    Credentials who;
    who.token = token;
    who.slot = slot;
    return desk.ask(ClientOp::order, "", who);
  };
  for (std::uint16_t slot = 0; slot < 100; ++slot)
    for (int n = 0; n < 1536; ++n) (void)shows(slot, std::to_string(slot * 10'000 + n));
  CHECK(refused(shows(0, "one more"), Code::overloaded, limit::kTokens));
  CHECK(shows(200, "ann's").waits);
  // Its share comes back, whoever waits for the token beside it.
  CHECK(shows(201, "0").waits);
  for (const auto& token : desk.take_new())
    desk.on_verdict(token.number, {Code::not_logged_in, "no token", {}}, 0, desk.now);
  CHECK(shows(0, "one more").waits);
}

TEST_CASE("a connection logs in once; what it shows for itself counts more") {
  Desk desk;
  const Session* session = nullptr;
  desk.begin();
  CHECK(desk.log_in(on_connection("c", "ann's"), desk.now, session).waits);
  // What follows waits for the same token, whoever else logs in meanwhile.
  const auto awaited = desk.awaited();
  CHECK(desk.ask(ClientOp::order, "", on_connection("c")).waits);
  CHECK(desk.awaited() == awaited);
  CHECK(refused(desk.ask(ClientOp::order, "", on_connection("d")), Code::not_logged_in));
  Verdict ann{Code::none, {}, {}};
  ann.session.user = "ann";
  desk.on_verdict(desk.take_new().at(0).number, ann, 10 * kSecondUs, desk.now);
  CHECK(desk.log_in(on_connection("c", "ann's"), desk.now, session).code == Code::none);
  REQUIRE(session != nullptr);
  CHECK(session->user == "ann");
  CHECK(may(desk.ask(ClientOp::order, "", on_connection("c")), "ann"));
  CHECK(refused(desk.ask(ClientOp::order, "bob", on_connection("c")), Code::not_allowed, "user"));
  CHECK(refused(desk.ask(ClientOp::order, "", on_connection("d")), Code::not_logged_in));
  desk.learn_user("bob's", "bob");
  CHECK(may(desk.ask(ClientOp::order, "", on_connection("c", "bob's")), "bob"));
  CHECK(may(desk.ask(ClientOp::order, "", on_connection("c")), "ann"));
  desk.now += 10 * kSecondUs;
  CHECK(refused(desk.ask(ClientOp::order, "", on_connection("c")), Code::session_expired));
}

TEST_CASE("a log-in that fails leaves the connection without a session") {
  Desk desk;
  desk.learn_user("ann's", "ann");
  desk.learn("bad", {Code::not_logged_in, "signature", {}});
  const Session* session = nullptr;
  CHECK(desk.log_in(on_connection("c", "ann's"), desk.now, session).code == Code::none);
  CHECK(refused(desk.log_in(on_connection("c", "bad"), desk.now, session), Code::not_logged_in,
                "token"));
  CHECK(refused(desk.ask(ClientOp::order, "", on_connection("c")), Code::not_logged_in));
}

TEST_CASE("the session of a connection goes with it") {
  Desk desk;
  desk.learn_user("ann's", "ann");
  const Session* session = nullptr;
  CHECK(desk.log_in(on_connection("c", "ann's", 1), desk.now, session).code == Code::none);
  CHECK(desk.log_in(on_connection("d", "ann's", 2), desk.now, session).code == Code::none);
  desk.drop_connections([](std::uint64_t peer) { return peer == 2; });
  CHECK(desk.connections() == 1);
  CHECK(refused(desk.ask(ClientOp::order, "", on_connection("c")), Code::not_logged_in));
  CHECK(may(desk.ask(ClientOp::order, "", on_connection("d")), "ann"));
}

namespace {

// A desk that knows which sessions have ended: none so far.
struct EndingDesk : Desk {
  static constexpr std::int64_t kOpenedMs = 1000;
  EndingDesk() {
    ends().ask(now);
    ends().on_answer({}, now);
    learn_session("ann's", "ann", "s1");
  }
  static Session session(const std::string& user, const std::string& id) {
    Session made;
    made.user = user;
    made.id = id;
    made.opened_ms = kOpenedMs;
    if (!id.empty()) made.hash = session_hash(user, id), made.bar = bar_hash(user);
    return made;
  }
  void learn_session(std::string_view token, const std::string& user, const std::string& id,
                     bool service = false) {
    Verdict verdict{Code::none, {}, session(user, id)};
    verdict.session.service = service;
    learn(token, std::move(verdict));
  }
  void hear_bar(const std::string& user, std::int64_t opened_ms) {
    ends().take({bar_hash(user), SessionEvent::barred, 60'000, opened_ms}, now);
  }
  void hear(SessionEvent what, const std::string& user, const std::string& id) {
    ends().take({session_hash(user, id), what, 60'000}, now);
  }
};

constexpr ClientOp kAllOps[] = {ClientOp::order, ClientOp::cancel, ClientOp::get, ClientOp::ticket,
                                ClientOp::end_session};

}  // namespace

TEST_CASE("a session that has ended is refused, whatever it asks, and nobody else's") {
  EndingDesk desk;
  desk.learn_session("bob's", "bob", "s1");  // the same id, of another user
  desk.learn_session("ann's other", "ann", "s2");
  desk.hear(SessionEvent::ended, "ann", "s1");
  for (const auto op : kAllOps) {
    CHECK(refused(desk.ask(op, "", "ann's"), Code::not_logged_in, "token"));
    CHECK(desk.ask(op, "", "bob's").code == Code::none);
    CHECK(desk.ask(op, "", "ann's other").code == Code::none);
  }
  desk.hear(SessionEvent::replaced, "ann", "s2");
  for (const auto op : kAllOps)
    CHECK(refused(desk.ask(op, "", "ann's other"), Code::session_replaced, "token"));
}

TEST_CASE("a bar ends all sessions of its user that were opened before, and none that was behind") {
  EndingDesk desk;
  desk.learn_session("ann's other", "ann", "s2");
  desk.learn_session("bob's", "bob", "s1");
  desk.learn_session("shop's", "ann", "s3", true);
  const Session* session = nullptr;
  REQUIRE(desk.log_in(on_connection("c", "ann's"), desk.now, session).code == Code::none);
  desk.hear_bar("ann", EndingDesk::kOpenedMs - 1);
  CHECK(desk.ask(ClientOp::order, "", "ann's").code == Code::none);
  desk.hear_bar("ann", EndingDesk::kOpenedMs);
  for (const auto op : kAllOps) {
    for (const auto* token : {"ann's", "ann's other"})
      CHECK(refused(desk.ask(op, "", token), Code::not_logged_in, "token"));
    CHECK(desk.ask(op, "", "bob's").code == Code::none);
  }
  CHECK(refused(desk.ask(ClientOp::order, "", on_connection("c")), Code::not_logged_in));
  CHECK(desk.ask(ClientOp::order, "ann", "shop's").code == Code::none);  // a service is nobody's
}

TEST_CASE("a connection that was bound to a session ends with it") {
  EndingDesk desk;
  const Session* session = nullptr;
  CHECK(desk.log_in(on_connection("c", "ann's"), desk.now, session).code == Code::none);
  CHECK(may(desk.ask(ClientOp::order, "", on_connection("c")), "ann"));
  desk.hear(SessionEvent::replaced, "ann", "s1");
  CHECK(refused(desk.ask(ClientOp::order, "", on_connection("c")), Code::session_replaced));
  CHECK(refused(desk.log_in(on_connection("d", "ann's"), desk.now, session), Code::session_replaced,
                "token"));
  CHECK(refused(desk.ask(ClientOp::order, "", on_connection("d")), Code::not_logged_in));
  // A new session on it is one.
  desk.learn_session("ann's new", "ann", "s9");
  CHECK(desk.log_in(on_connection("c", "ann's new"), desk.now, session).code == Code::none);
  CHECK(may(desk.ask(ClientOp::order, "", on_connection("c")), "ann"));
}

TEST_CASE("before it is known which have ended, none that may have is taken") {
  Desk desk;
  Verdict ann{Code::none, {}, EndingDesk::session("ann", "s1")};
  desk.learn("ann's", ann);
  Verdict plain{Code::none, {}, EndingDesk::session("bob", "")};
  desk.learn("bob's", plain);
  Verdict shop{Code::none, {}, EndingDesk::session("shop", "s1")};
  shop.session.service = true;
  desk.learn("shop's", shop);
  const Session* session = nullptr;
  CHECK(refused(desk.ask(ClientOp::order, "", "ann's"), Code::overloaded, limit::kSessionEnds));
  CHECK(refused(desk.log_in(on_connection("c", "ann's"), desk.now, session), Code::overloaded,
                limit::kSessionEnds));
  CHECK(may(desk.ask(ClientOp::order, "", "bob's"), "bob"));    // it cannot end
  CHECK(may(desk.ask(ClientOp::order, "", "shop's"), "shop"));  // nor can a service
  CHECK(desk.ask(ClientOp::items, "", "ann's").code == Code::none);
  // What came behind the log-in may be tried again, like the log-in.
  CHECK(refused(desk.ask(ClientOp::order, "", on_connection("c")), Code::overloaded,
                limit::kSessionEnds));
  desk.ends().ask(desk.now);
  desk.ends().on_answer({}, desk.now);
  CHECK(may(desk.ask(ClientOp::order, "", "ann's"), "ann"));
  CHECK(may(desk.ask(ClientOp::order, "", on_connection("c")), "ann"));
}

TEST_CASE("what was asked a second ago is not known any more, however late it is answered") {
  EndingDesk desk;
  desk.now += EndedSessions::kKnownForUs - 1;
  CHECK(may(desk.ask(ClientOp::order, "", "ann's"), "ann"));
  desk.now += 1;
  CHECK(refused(desk.ask(ClientOp::order, "", "ann's"), Code::overloaded, limit::kSessionEnds));
  desk.ends().ask(desk.now);
  desk.now += EndedSessions::kKnownForUs;
  desk.ends().on_answer({}, desk.now);
  CHECK(refused(desk.ask(ClientOp::order, "", "ann's"), Code::overloaded, limit::kSessionEnds));
  CHECK(desk.ends().due(desk.now));
  desk.ends().ask(desk.now);
  desk.ends().on_answer({}, desk.now);
  CHECK(may(desk.ask(ClientOp::order, "", "ann's"), "ann"));
}

TEST_CASE("only a session with an id ends, and no service") {
  EndingDesk desk;
  const auto own = desk.ask(ClientOp::end_session, "", "ann's");
  CHECK(own.code == Code::none);
  REQUIRE(own.session != nullptr);
  CHECK((own.session->user == "ann" && own.session->id == "s1"));
  desk.learn_session("bob's", "bob", "");
  CHECK(refused(desk.ask(ClientOp::end_session, "", "bob's"), Code::bad_request, "token"));
  desk.learn_session("shop's", "shop", "s1", true);
  CHECK(refused(desk.ask(ClientOp::end_session, "", "shop's"), Code::not_allowed));
  CHECK(refused(desk.ask(ClientOp::end_session, "", Credentials{}), Code::not_logged_in));
  CHECK(refused(desk.ask(ClientOp::end_session, "", trusted_key()), Code::not_logged_in));
}
