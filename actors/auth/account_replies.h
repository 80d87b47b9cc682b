#pragma once

// How those who work on an ask about accounts answer it. Any thread; nothing blocks.

#include <string>

#include "actors/auth/account_mail.h"

namespace stampede::actors {

[[nodiscard]] bool waited_too_long(const AccountWork& work);

void send_reply(const AccountWork& work, LoginReply reply);
void send_reply(const AccountWork& work, SignUpReply reply);
// Whatever was asked. `field`: of a sign-up.
void refuse(const AccountWork& work, Code code, std::string field = {});

}  // namespace stampede::actors
