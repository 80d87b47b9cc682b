#include "test/sim/webapp_process.h"

#include <utility>

#include "test/sim/world.h"

namespace stampede::sim {

using transport::EnvelopeKind;

namespace {

constexpr Time kTick = 20 * kMs;
constexpr Time kIdleTick = 100 * kMs;

actors::WebappSettings settings_of(const World& world, std::uint64_t instance) {
  actors::WebappSettings settings;
  settings.instance = instance;
  settings.waiting_max = world.plan.waiting_max;
  settings.resend_us = world.plan.resend;
  settings.results_max = 64;
  settings.items_refresh_us = world.plan.items_refresh;
  settings.items_max = 2;
  if (world.plan.session_steps > 0)
    settings.login = actors::LoginSettings{.sessions = true, .hash_key = {1, 2}};
  return settings;
}

}  // namespace

WebappProcess::WebappProcess(World& world, std::uint32_t number, std::uint64_t instance)
    : world_(world),
      number_(number),
      instance_(instance),
      core_(settings_of(world, instance), *this,
            [this] {
              return std::array<std::uint64_t, 2>{world_.schedule.next(), world_.schedule.next()};
            }),
      started_(world.queue.now()) {}

void WebappProcess::start() {
  tick();
}

// Nothing held: nothing is due but what may come late.
void WebappProcess::tick() {
  core_.on_tick(world_.queue.now());
  core_.end_of_round(world_.queue.now());
  const auto delay = core_.busy() ? kTick : kIdleTick;
  world_.queue.in(delay, [&world = world_, number = number_, instance = instance_] {
    if (const auto alive = world.webapp(number, instance)) alive->tick();
  });
}

// All that arrives within a moment becomes one batch.
void WebappProcess::plan_round() {
  if (std::exchange(round_planned_, true)) return;
  const auto delay = world_.schedule.between(0, kMs / 2);
  world_.queue.in(delay, [&world = world_, number = number_, instance = instance_] {
    const auto alive = world.webapp(number, instance);
    if (!alive) return;
    alive->round_planned_ = false;
    alive->core_.end_of_round(alive->world_.queue.now());
  });
}

// Who shows no token comes with a key that is trusted.
void WebappProcess::take_request(const actors::ClientAsk& ask, const std::string& token) {
  actors::Credentials who;
  who.token = token;
  who.trusted_key = true;
  core_.shows(who);
  if (ask.request.op == actors::ClientOp::keep_session)
    core_.keep_session(
        ask.client,
        {actors::SessionEvent::opened, ask.request.user, ask.request.id, actors::kTimeMsMax},
        world_.queue.now());
  else if (!token.empty())
    take_session(ask, token);
  else
    core_.on_request(ask, world_.queue.now());
  plan_round();
}

// Its token is looked at at once. What the desk makes of it is what the request hears, too.
void WebappProcess::take_session(const actors::ClientAsk& ask, const std::string& token) {
  const auto now = world_.queue.now();
  auto& desk = *core_.desk();
  actors::Credentials who;
  who.token = token;
  desk.begin();
  auto admission = desk.admit(ask.request, who, now);
  if (admission.waits) {
    for (const auto& one : desk.take_new())
      desk.on_verdict(one.number, SessionUsers::verdict(one.token), 3600 * kSecond, now);
    admission = desk.admit(ask.request, who, now);
  }
  world_.session_users().on_admission(token, number_, instance_, started_, admission.code);
  core_.on_request(ask, now);
}

void WebappProcess::take_broker(const transport::Envelope& envelope, const std::string& body) {
  const actors::BatchHead head{envelope.sender, envelope.number, envelope.epoch};
  const auto now = world_.queue.now();
  if (envelope.kind == EnvelopeKind::hello)
    core_.on_hello({envelope.broker, envelope.epoch, envelope.counter,
                    static_cast<actors::Phase>(envelope.code), envelope.origin},
                   now);
  else if (envelope.kind == EnvelopeKind::result)
    core_.on_result(head, body, now);
  else if (envelope.kind == EnvelopeKind::refusal)
    core_.on_refusal(head, static_cast<actors::Code>(envelope.code), now);
  else if (envelope.kind == EnvelopeKind::news && envelope.code == actors::kSessionNews)
    take_session_news(body);
  else if (envelope.kind == EnvelopeKind::news)
    take_news(envelope.epoch, body);
  plan_round();
}

void WebappProcess::take_news(std::uint64_t epoch, const std::string& body) {
  reader_.open(body);
  for (actors::ItemRow row; reader_.next(row);) core_.on_news(epoch, row);
}

void WebappProcess::take_session_news(const std::string& body) {
  reader_.open(body);
  for (actors::EndedSession session; reader_.next(session);)
    core_.on_session_news(session, world_.queue.now());
}

bool WebappProcess::send_work(std::uint64_t number, std::uint32_t count, std::string_view body) {
  transport::Envelope envelope;
  envelope.kind = EnvelopeKind::work;
  envelope.origin = number_;
  envelope.sender = instance_;
  envelope.number = number;
  envelope.count = count;
  return world_.to_broker_from_webapp(envelope, std::string(body));
}

void WebappProcess::reply(const actors::ClientToken& client, const actors::Reply& reply) {
  if (reply.kind == actors::ReplyKind::session_kept)
    world_.session_users().on_told(client.number(), instance_);
  world_.to_client(client, reply);
}

}  // namespace stampede::sim
