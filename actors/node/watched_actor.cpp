#include "actors/node/watched_actor.h"

#include <pthread.h>

#include "config/faults/failpoint.h"
#include "config/process/exit_codes.h"

namespace stampede::actors {
namespace {

constexpr std::size_t kThreadNameMax = 15;  // pthread_setname_np(3)

}  // namespace

std::string to_text(const ActorNames& names) {
  std::string text = names.front();
  for (std::size_t i = 1; i < names.size(); ++i) text += " (" + names[i] + ")";
  return text;
}

void name_thread(const std::string& name) {
  ::pthread_setname_np(::pthread_self(), name.substr(0, kThreadNameMax).c_str());
}

std::string thread_name() {
  char name[kThreadNameMax + 1] = "";
  ::pthread_getname_np(::pthread_self(), name, sizeof name);
  return name;
}

std::string message_of(const caf::error& error) {
  const auto& context = error.context();
  return error && context.match_elements<std::string>() ? context.get_as<std::string>(0) : "";
}

int exit_code_of(const caf::error& error) {
  return error && error == caf::sec::cannot_open_port ? kExitPortTaken : kExitInvariant;
}

void pass_actor_points(const ActorNames& names) {
  for (const auto& name : names) config::failpoint("actor", [&] { return name; });
}

bool LoopActor::go_on() {
  while (has_next_message()) {
    const caf::mailbox_element_ptr mail = dequeue();
    if (mail->content().match_elements<caf::exit_msg>()) return false;
  }
  return true;
}

}  // namespace stampede::actors
