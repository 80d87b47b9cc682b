#include "actors/node/core/command_inbox.h"

#include <algorithm>
#include <utility>

namespace stampede::actors {

using nlohmann::json;

bool CommandInbox::on_supervisor(std::uint64_t supervisor, std::int64_t began_us) {
  if (supervisor == supervisor_) return true;
  if (began_us != 0 && began_us < began_us_) return false;
  supervisor_ = supervisor;
  began_us_ = began_us;
  last_number_ = 0;
  commands_.clear();
  carried_out_.clear();
  return true;
}

std::optional<std::uint64_t> CommandInbox::on_command(std::uint64_t number) {
  const auto known = commands_.find(number);
  if (known != commands_.end()) {
    known->second.to_tell = !known->second.answer.is_null();
    return std::nullopt;
  }
  if (number <= last_number_ || commands_.size() >= kKept) return std::nullopt;
  last_number_ = number;
  commands_.emplace(number, Command{++last_ticket_, nullptr});
  carried_out_.emplace(last_ticket_, number);
  return last_ticket_;
}

void CommandInbox::keep_only(const std::set<std::uint64_t>& numbers) {
  std::erase_if(commands_, [&](const auto& entry) {
    return !entry.second.answer.is_null() && !numbers.contains(entry.first);
  });
}

bool CommandInbox::on_answer(std::uint64_t ticket, json answer) {
  const auto found = carried_out_.find(ticket);
  if (found == carried_out_.end()) return false;
  Command& command = commands_.at(found->second);
  carried_out_.erase(found);
  command.answer = std::move(answer);
  command.to_tell = true;
  return true;
}

bool CommandInbox::has_replies() const {
  return std::any_of(commands_.begin(), commands_.end(),
                     [](const auto& entry) { return entry.second.to_tell; });
}

json CommandInbox::replies() const {
  json list = json::array();
  for (const auto& [number, command] : commands_) {
    if (!command.to_tell) continue;
    list.push_back({{"supervisor", supervisor_}, {"number", number}, {"reply", command.answer}});
  }
  return list;
}

void CommandInbox::on_replies_sent() {
  for (auto& [number, command] : commands_) command.to_tell = false;
}

}  // namespace stampede::actors
