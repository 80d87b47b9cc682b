#pragma once

// What a node keeps of the commands that supervisors gave it: each is carried out once in the life
// of the supervisor that gave it, and its answer is told until that one has heard it. Pure.
//
// A supervisor numbers its commands from 1, its successor does so again. So inside the node a
// command goes by a ticket that is never given twice, and an answer goes out with the instance of
// the supervisor that asked: what is answered after its asker's end is heard by nobody.
//
// Owner: a node's control link; one thread.

#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

namespace stampede::actors {

class CommandInbox {
 public:
  // As many as a supervisor has open at once; further ones are not taken, and come again with the
  // next wanted message.
  static constexpr std::size_t kKept = 1'000;

  // `supervisor` speaks, which began at `began_us` of this machine's steady clock (0: it does not
  // say). A later one than before: the commands of its predecessor are forgotten. False: a
  // predecessor's last words, which came late; they mean nothing any more. The time tells them
  // apart even to a node that never heard the predecessor while it lived.
  [[nodiscard]] bool on_supervisor(std::uint64_t supervisor, std::int64_t began_us);

  // A command of the present supervisor. The ticket under which to carry it out; nullopt when that
  // was begun before (an answer that is there is told again, one that was heard is not), or when
  // there is no room. A supervisor names all that is open in each message, in the order of its
  // numbers, so an unknown number below the highest is of a message that came late.
  std::optional<std::uint64_t> on_command(std::uint64_t number);

  // The present supervisor's open commands are these and no others: it has heard the answers to the
  // rest, which are forgotten. What is still being carried out is kept.
  void keep_only(const std::set<std::uint64_t>& numbers);

  // False: whoever asked is gone, and so is the answer.
  bool on_answer(std::uint64_t ticket, nlohmann::json answer);

  [[nodiscard]] bool has_replies() const;
  // [{supervisor, number, reply}], what was not told since it was last asked for.
  [[nodiscard]] nlohmann::json replies() const;
  // They are on their way.
  void on_replies_sent();

 private:
  struct Command {
    std::uint64_t ticket;
    nlohmann::json answer;  // null while it is being carried out
    bool to_tell = false;
  };

  std::uint64_t supervisor_ = 0;
  std::int64_t began_us_ = 0;      // the present supervisor
  std::uint64_t last_number_ = 0;  // of the present supervisor's commands
  std::uint64_t last_ticket_ = 0;
  std::map<std::uint64_t, Command> commands_;           // by number; the present supervisor's
  std::map<std::uint64_t, std::uint64_t> carried_out_;  // ticket -> number, until it is answered
};

}  // namespace stampede::actors
