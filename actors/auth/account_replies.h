#pragma once

// How those who work on an ask about accounts answer it. Any thread; nothing blocks.

#include <string>

#include "actors/auth/account_mail.h"

namespace stampede::actors {

[[nodiscard]] bool waited_too_long(const AccountWork& work);

void send_reply(const AccountWork& work, LoginReply reply);
void send_reply(const AccountWork& work, SignUpReply reply);
void refuse_taken(const AccountWork& work, std::string field);  // a sign-up
// Whatever was asked; `why` for people.
void refuse_overloaded(const AccountWork& work, std::string why);
void refuse_too_late(const AccountWork& work);

}  // namespace stampede::actors
