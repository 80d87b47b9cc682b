#include "actors/supervisor/core/command_desk.h"

namespace stampede::actors {

using nlohmann::json;

void CommandDesk::open(const std::string& node, std::uint64_t instance, json command, Ms deadline,
                       Respond respond) {
  if (open_.size() >= kOpenMax) {
    const auto open = std::to_string(kOpenMax) + " commands are open; try again";
    respond({{"error", "overloaded"}, {"message", open}, {"exit", 1}});
    return;
  }
  open_.emplace(++last_number_,
                Command{node, instance, std::move(command), deadline, std::move(respond)});
}

json CommandDesk::commands_for(const std::string& node, std::uint64_t instance) const {
  json list = json::array();
  for (const auto& [number, entry] : open_) {
    if (entry.node != node) continue;
    if (entry.instance != 0 && entry.instance != instance) continue;
    list.push_back({{"number", number}, {"command", entry.command}});
    if (list.size() == kToldMax) break;
  }
  return list;
}

bool CommandDesk::has_commands(const std::string& node) const {
  for (const auto& [number, entry] : open_)
    if (entry.node == node) return true;
  return false;
}

void CommandDesk::answered(const std::string& node, std::uint64_t number, const json& answer) {
  const auto entry = open_.find(number);
  if (entry != open_.end() && entry->second.node == node) close(entry, answer);
}

void CommandDesk::process_ended(const std::string& node, std::uint64_t instance) {
  for (auto entry = open_.begin(); entry != open_.end();) {
    const auto here = entry++;
    const bool bound = here->second.instance != 0 && here->second.instance == instance;
    if (bound && here->second.node == node) close(here, {{"ok", true}});
  }
}

void CommandDesk::expire(Ms now) {
  for (auto entry = open_.begin(); entry != open_.end();) {
    const auto here = entry++;
    if (now < here->second.deadline) continue;
    close(here, {{"error", "timed_out"},
                 {"message", here->second.node +
                                 " did not answer in time; it may still do it: ask again with the "
                                 "same request id"},
                 {"exit", 5}});
  }
}

void CommandDesk::close(std::map<std::uint64_t, Command>::iterator entry, const json& answer) {
  const Respond respond = std::move(entry->second.respond);
  open_.erase(entry);
  respond(answer);
}

}  // namespace stampede::actors
