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

void refuse(const AccountWork& work, Code code, std::string field) {
  if (const auto* ask = std::get_if<LoginAsk>(&work.ask)) {
    LoginReply reply;
    reply.number = ask->number;
    reply.code = code;
    return send_reply(work, std::move(reply));
  }
  SignUpReply reply;
  reply.number = std::get<SignUpAsk>(work.ask).number;
  reply.code = code;
  reply.field = std::move(field);
  send_reply(work, std::move(reply));
}

}  // namespace stampede::actors
