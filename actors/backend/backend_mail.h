#pragma once

// The mail between the actors of a backend. Payloads are shared_ptrs because CAF copies messages;
// each has one reader, who may take it apart.
//
//   start       -> port        StartedMail         the log was read: serve from now on
//   port        -> log         AppendMail          records to be made durable
//   log         -> port        DurableMail         how many of those appends are durable now
//   port        -> lane        LaneWorkMail        one transaction
//   lane        -> port        LaneDoneMail        its outcome
//   claim       -> port        ClaimedMail         the database is ours: lanes may write
//   port        -> lane        ClaimedMail         likewise; an idle lane looks from now on
//   main        -> port        WantedMail          drain

#include <caf/all.hpp>
#include <cstdint>
#include <memory>
#include <vector>

#include "actors/backend/core/backend_core.h"

namespace stampede::actors {

struct BackendStart;

struct StartedMail {
  std::shared_ptr<BackendStart> start;
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
}  // namespace stampede::actors

#define STAMPEDE_BACKEND_MAIL(name) CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stampede::actors::name)
STAMPEDE_BACKEND_MAIL(StartedMail)
STAMPEDE_BACKEND_MAIL(WantedMail)
STAMPEDE_BACKEND_MAIL(AppendMail)
STAMPEDE_BACKEND_MAIL(DurableMail)
STAMPEDE_BACKEND_MAIL(LaneWorkMail)
STAMPEDE_BACKEND_MAIL(LaneDoneMail)
STAMPEDE_BACKEND_MAIL(ClaimedMail)
#undef STAMPEDE_BACKEND_MAIL
