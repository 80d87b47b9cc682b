#include "test/sim/session_users.h"

#include "test/sim/clients.h"
#include "test/sim/violation.h"
#include "test/sim/world.h"

namespace stampede::sim {

using actors::Code;
using actors::ReplyKind;
using actors::SessionEvent;

SessionUsers::SessionUsers(World& world, std::uint64_t seed)
    : world_(world), random_(seed, "who has sessions") {
  const auto users = world.plan.session_steps == 0 ? 0 : 1 + random_.below(3);
  for (std::uint64_t i = 0; i < users; ++i) users_.push_back({});
  for (auto& user : users_) user.steps = world.plan.session_steps;
  open_ = static_cast<std::uint32_t>(users_.size());
}

void SessionUsers::start() {
  for (std::uint32_t user = 0; user < users_.size(); ++user)
    world_.queue.in(random_.between(0, 50 * kMs), [this, user] { next_step(user); });
}

actors::Verdict SessionUsers::verdict(std::string_view token) {
  const auto slash = token.find('/');
  actors::Verdict verdict{Code::none, {}, {}};
  auto& session = verdict.session;
  session.user = token.substr(0, slash);
  session.id = token.substr(slash + 1);
  session.hash = actors::session_hash(session.user, session.id);
  session.expires_ms = actors::kTimeMsMax;
  return verdict;
}

void SessionUsers::next_step(std::uint32_t number) {
  auto& user = users_[number];
  if (user.steps == 0) {
    --open_;
    return;
  }
  --user.steps;
  user.wish = !user.logged_in || random_.chance(0.3) ? Wish::open
              : random_.chance(0.4)                  ? Wish::end
                                                     : Wish::show;
  if (user.wish == Wish::open) {
    Session session;
    session.user = number;
    session.name = "session-user-" + std::to_string(number);
    session.id = "s" + std::to_string(sessions_.size());
    by_token_[session.token()] = static_cast<std::uint32_t>(sessions_.size());
    // Its step: what is shown until it is answered is the one before.
    if (user.logged_in) sessions_[user.session].ending = true;
    sessions_.push_back(std::move(session));
  }
  if (user.wish == Wish::end) sessions_[user.session].ending = true;
  attempt(number, ++user.asked);
}

// Until the step is answered.
void SessionUsers::attempt(std::uint32_t number, std::uint32_t step) {
  const auto& user = users_[number];
  if (user.asked != step) return;
  auto session = user.session;
  if (user.wish == Wish::open)
    for (session = static_cast<std::uint32_t>(sessions_.size()) - 1;
         sessions_[session].user != number;)
      --session;
  send({number, session, step, user.wish});
  show_an_old_one();
  const auto patience = world_.plan.client_timeout;
  world_.queue.in(random_.between(patience / 2, patience * 2),
                  [this, number, step] { attempt(number, step); });
}

// Of what has ended nobody waits for an answer: a webapp says what it makes of it.
void SessionUsers::show_an_old_one() {
  if (sessions_.empty() || random_.chance(0.3)) return;
  const auto session = static_cast<std::uint32_t>(random_.below(sessions_.size()));
  if (sessions_[session].ended != 0) send({sessions_[session].user, session, 0, Wish::show});
}

void SessionUsers::send(const Sent& sent) {
  const auto& session = sessions_[sent.session];
  actors::ClientAsk ask;
  ask.client =
      actors::ClientToken::numbered(actors::ClientToken::Kind::http, kSessionSerial + sent_.size());
  sent_.push_back(sent);
  ask.request.deadline_ms = world_.plan.client_timeout * 2 / kMs;
  ask.request.id = "nobody's";
  ask.request.op = actors::ClientOp::get;
  std::string token = session.token();
  if (sent.wish == Wish::end) ask.request.op = actors::ClientOp::end_session;
  if (sent.wish == Wish::open) {  // as a login does that has looked at a password
    ask.request.op = actors::ClientOp::keep_session;
    ask.request.user = session.name;
    ask.request.id = session.id;
    token.clear();
  }
  world_.trace.note("session", {sent.user, sent.session, static_cast<std::uint64_t>(sent.wish)});
  world_.to_webapp_from_client(random_, ask, token);
}

void SessionUsers::on_admission(std::string_view token, std::uint32_t webapp,
                                std::uint64_t instance, Time since, Code code) {
  const auto& session = sessions_[by_token_.find(token)->second];
  world_.trace.note("admission", {webapp, static_cast<std::uint64_t>(code)});
  const bool refused = code == Code::not_logged_in || code == Code::session_replaced;
  require(!refused || session.ending || session.ended != 0, "S22",
          "a session that nobody has ended was refused");
  require(code != Code::none || session.ended == 0 || since <= session.ended, "S22",
          "a webapp that was started since took a session that had ended");
  require(code != Code::none || session.ended == 0 || instance != session.told_by, "S22",
          "a webapp took a session that it had told as ended");
}

void SessionUsers::on_told(std::uint64_t serial, std::uint64_t instance) {
  const auto& sent = sent_.at(serial - kSessionSerial);
  auto& session = sessions_[sent.session];
  const auto hash = actors::session_hash(session.name, session.id);
  const auto what = sent.wish == Wish::open ? SessionEvent::opened : SessionEvent::ended;
  require(world_.log.durably_kept(hash, what), "S7", "a session is kept before it is durable");
  if (sent.wish == Wish::end) return end(session, instance);
  // It replaces the one before, which other webapps may hear of a little later.
  for (std::uint32_t before = 0; before < sent.session; ++before)
    if (sessions_[before].user == sent.user) end(sessions_[before], 0);
}

void SessionUsers::end(Session& session, std::uint64_t told_by) {
  session.ending = true;
  if (session.ended != 0) return;
  session.ended = world_.queue.now();
  session.told_by = told_by;
}

void SessionUsers::on_reply(std::uint64_t serial, const SeenAnswer& seen) {
  const auto sent = sent_.at(serial - kSessionSerial);
  world_.trace.note("session reply", {sent.session, static_cast<std::uint64_t>(seen.code)});
  if (sent.step != users_[sent.user].asked) return;  // an old one, or a late answer
  if (seen.kind == ReplyKind::session_kept) return finish_step(sent);
  require(seen.kind == ReplyKind::refused, "S15", "a reply of the wrong kind");
  switch (seen.code) {
    case Code::replaying:
    case Code::draining:
    case Code::no_backend:
    case Code::deadline_passed:
    case Code::overloaded:
      return;
    case Code::unknown_request:
      require(sent.wish == Wish::show, "S22", "a session was answered like a get");
      return finish_step(sent);
    case Code::not_logged_in:
      // Its end was heard of before its answer came, which was lost.
      require(sent.wish == Wish::end, "S22", "a session that is needed was refused");
      return finish_step(sent);
    default:
      throw Violation{"S22", "a session was refused with " + std::string(info(seen.code).text)};
  }
}

void SessionUsers::finish_step(const Sent& sent) {
  auto& user = users_[sent.user];
  ++user.asked;
  if (sent.wish == Wish::open) {
    user.session = sent.session;
    user.logged_in = true;
  }
  if (sent.wish == Wish::end) user.logged_in = false;
  const auto number = sent.user;
  world_.queue.in(random_.between(1, 100 * kMs), [this, number] { next_step(number); });
}

bool SessionUsers::knows_all(const actors::WebappCore& webapp) const {
  for (const auto& session : sessions_)
    if (session.ended != 0 && webapp.desk()->ends().find(actors::session_hash(
                                  session.name, session.id)) == SessionEvent::invalid)
      return false;
  return true;
}

}  // namespace stampede::sim
