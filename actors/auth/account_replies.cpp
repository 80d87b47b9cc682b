#include "actors/auth/account_replies.h"

#include <utility>

#include "actors/auth/core/account_desk.h"
#include "config/process/wall_clock.h"

namespace stampede::actors {

bool waited_too_long(const AccountWork& work) {
  return config::steady_us() - work.asked_us > AccountDesk::kWaitUs;
}

void send_reply(const AccountWork& work, LoginReply reply) {
  caf::anon_send(work.from, LoginReplyPtr(std::make_shared<LoginReply>(std::move(reply))));
}

void send_reply(const AccountWork& work, SignUpReply reply) {
  caf::anon_send(work.from, SignUpReplyPtr(std::make_shared<SignUpReply>(std::move(reply))));
}

void refuse_taken(const AccountWork& work, std::string field) {
  SignUpReply reply;
  reply.number = std::get<SignUpAsk>(work.ask).number;
  reply.code = Code::user_exists;
  reply.field = std::move(field);
  send_reply(work, std::move(reply));
}

void refuse_overloaded(const AccountWork& work, std::string why) {
  const auto refuse = [&](auto reply, std::uint64_t number) {
    reply.number = number;
    reply.code = Code::overloaded;
    reply.detail = std::move(why);
    send_reply(work, std::move(reply));
  };
  if (const auto* ask = std::get_if<LoginAsk>(&work.ask)) return refuse(LoginReply{}, ask->number);
  refuse(SignUpReply{}, std::get<SignUpAsk>(work.ask).number);
}

void refuse_too_late(const AccountWork& work) {
  static_assert(AccountDesk::kWaitUs == 10'000'000);
  refuse_overloaded(work, "too many log-ins and sign-ups came before: it has waited for 10 s");
}

}  // namespace stampede::actors
