#include "actors/node/actor_list.h"

#include <algorithm>

#include "config/faults/failpoint.h"
#include "config/process/exit_codes.h"

namespace stampede::actors {
namespace {

using LookAtom = caf::atom_constant<caf::atom("look")>;

// Ordinary exit messages queue behind the work; these must not wait for it.
void ask_to_end(const caf::actor& actor, caf::exit_reason reason) {
  caf::anon_send<caf::message_priority::high>(
      actor, caf::exit_msg{caf::actor_addr{}, caf::make_error(reason)});
}

bool has_name(const ActorNames& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// An error without a code has no category to ask for: CAF 0.17 would follow a null pointer.
bool is_exit(const caf::error& reason) {
  return reason && reason.category() == caf::atom("exit");
}

}  // namespace

caf::actor ActorList::enter(ActorNames names, ActorKind kind,
                            const std::function<caf::actor()>& make) {
  caf::actor actor;
  std::uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    actor = make();
    id = ++last_id_;
    entries_.push_back({id, std::move(names), kind, actor});
  }
  // Runs in the thread of the actor that ends, so nothing can go on after a broken actor; at once
  // if it has ended already.
  caf::actor_cast<caf::abstract_actor*>(actor)->attach_functor(
      [this, id](const caf::error& reason) { ended(id, reason); });
  return actor;
}

void ActorList::ended(std::uint64_t id, const caf::error& reason) {
  const auto entry = entry_of(id);
  const bool broken = reason && !is_exit(reason);
  const bool done = entry.kind != ActorKind::lasting && !entry.killed && !reason;
  const bool allowed = done || (ends_expected() && !broken);
  if (allowed) return take_out(id);
  const auto said = message_of(reason);
  const auto how = reason ? system_.render(reason) : entry.killed ? "killed" : "unasked";
  fail_(exit_code_of(reason),
        "actor " + to_text(entry.names) + (said.empty() ? " ended: " + how : " threw: " + said));
}

ActorList::Entry ActorList::entry_of(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  return *std::find_if(entries_.begin(), entries_.end(),
                       [&](const Entry& entry) { return entry.id == id; });
}

void ActorList::take_out(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const Entry& entry) { return entry.id == id; });
  if (entries_.empty()) all_ended_.notify_all();
}

void ActorList::await_none() {
  std::unique_lock lock(mutex_);
  all_ended_.wait(lock, [&] { return entries_.empty(); });
}

std::vector<std::string> ActorList::names() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> all;
  for (const auto& entry : entries_) all.insert(all.end(), entry.names.begin(), entry.names.end());
  return all;
}

bool ActorList::kill(const std::string& name) {
  caf::actor victim;
  std::string deaf;
  {
    const std::lock_guard lock(mutex_);
    for (auto& entry : entries_) {
      if (!has_name(entry.names, name)) continue;
      entry.killed = true;
      victim = entry.actor;
      if (entry.kind == ActorKind::deaf_task) deaf = to_text(entry.names);
    }
  }
  if (!victim) return false;
  if (!deaf.empty()) fail_(kExitInvariant, "actor " + deaf + " ended: killed");
  ask_to_end(victim, caf::exit_reason::kill);
  return true;
}

void ActorList::wake_armed() {
  const std::lock_guard lock(mutex_);
  for (const auto& entry : entries_) {
    const bool armed = std::any_of(
        entry.names.begin(), entry.names.end(),
        [](const std::string& name) { return config::failpoint_armed("actor:" + name); });
    if (armed) caf::anon_send<caf::message_priority::high>(entry.actor, LookAtom::value);
  }
}

// Holding the lock makes this exact: an actor is counted by CAF after the lock was taken for its
// entry, and CAF forgets it before its entry is taken out (caf::local_actor::cleanup).
void ActorList::check() const {
  std::size_t strays = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto running = system_.registry().running();
    strays = running - std::min(running, entries_.size());
  }
  if (strays > 0) fail_(kExitInvariant, std::to_string(strays) + " actors run that nobody watches");
}

void ActorList::ask_all_to_end() {
  std::vector<caf::actor> actors;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& entry : entries_) actors.push_back(entry.actor);
  }
  for (auto it = actors.rbegin(); it != actors.rend(); ++it)
    ask_to_end(*it, caf::exit_reason::user_shutdown);
}

}  // namespace stampede::actors
