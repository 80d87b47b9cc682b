#pragma once

// The mail between the actors of a backend. Payloads are shared_ptrs because CAF copies messages;
// each has one reader, who may take it apart.
//
//   port        -> core        WorkMail            requests, one mail per round
//   port        -> core        ControlMail         a supervisor's command
//   port        -> core        WantedMail          serve or drain
//   core        -> log         AppendMail          records to be made durable
//   log         -> core        DurableMail         how many of those appends are durable now
//   core        -> lane        LaneWorkMail        one transaction
//   lane        -> core        LaneDoneMail        its outcome
//   claim       -> core        ClaimedMail         the database is ours: lanes may write
//   core        -> port        ReplyMail           results, control answers, news; opens the intake

#include <caf/all.hpp>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "actors/backend_core.h"
#include "transport/frame.h"

namespace stampede::actors {

struct Work {
  transport::Envelope envelope;
  transport::Frame body;
};

struct WorkMail {
  std::shared_ptr<std::vector<Work>> work;
};
struct ControlMail {
  std::uint64_t number = 0;
  std::shared_ptr<nlohmann::json> command;
};
struct WantedMail {
  Phase phase = Phase::serving;
};
struct AppendMail {
  std::vector<AppendPtr> appends;
};
struct DurableMail {
  std::uint64_t appends = 0;
};
struct LaneWorkMail {
  std::shared_ptr<LaneWork> work;
};
struct LaneDoneMail {
  std::uint32_t lane = 0;
  std::shared_ptr<std::vector<FailedCommand>> failed;
};
struct ClaimedMail {};
struct Replies {
  std::vector<ResultMessage> results;
  std::vector<std::pair<std::uint64_t, nlohmann::json>> controls;
  std::string news;
  std::uint32_t news_count = 0;
  bool open_intake = false;  // serving from now on
  bool drained = false;      // nothing open any more: the node may stop
};
struct ReplyMail {
  std::shared_ptr<Replies> replies;
};

}  // namespace stampede::actors

#define STAMPEDE_BACKEND_MAIL(name) CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stampede::actors::name)
STAMPEDE_BACKEND_MAIL(WorkMail)
STAMPEDE_BACKEND_MAIL(ControlMail)
STAMPEDE_BACKEND_MAIL(WantedMail)
STAMPEDE_BACKEND_MAIL(AppendMail)
STAMPEDE_BACKEND_MAIL(DurableMail)
STAMPEDE_BACKEND_MAIL(LaneWorkMail)
STAMPEDE_BACKEND_MAIL(LaneDoneMail)
STAMPEDE_BACKEND_MAIL(ClaimedMail)
STAMPEDE_BACKEND_MAIL(ReplyMail)
#undef STAMPEDE_BACKEND_MAIL
