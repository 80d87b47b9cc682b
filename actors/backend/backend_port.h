#pragma once

// The backend's side of the sockets: work in from the broker, results and news out, hello and
// heartbeats. Part of the backend's port actor and used by its thread only. Decides nothing.

#include <deque>
#include <functional>
#include <string>

#include "actors/backend/backend_status.h"
#include "actors/backend/core/backend_core.h"
#include "actors/node/control_link.h"
#include "actors/node/node.h"
#include "transport/port/port.h"

namespace stampede::actors {

struct BackendHandlers {
  // A work message that keeps the bounds; the body is valid during the call only.
  std::function<void(const transport::Envelope& envelope, std::string_view body)> work;
  std::function<void(Phase wanted)> wanted;
  std::function<void(std::uint64_t number, const nlohmann::json& command)> command;
  std::function<void(bool refused)> orders_refused;  // as in ControlHandlers
};

class BackendPort {
 public:
  BackendPort(NodeRuntime& node, BackendStatus& status, BackendHandlers handlers);

  void start(transport::PortControl& port);
  // Says hello with the epoch and asks the broker for work: the backend serves from now on.
  void open_intake(transport::PortControl& port);
  void on_message(transport::PortControl& port, transport::SocketId id, transport::Message& parts);
  void on_timer(transport::PortControl& port);
  // Results and news wait until send() when the broker does not take them; see kOutgoingMax.
  void queue(ResultMessage&& result);
  void queue_news(std::uint32_t count, std::string body);
  void queue_session_news(std::uint32_t count, std::string body);
  void reply(std::uint64_t number, nlohmann::json answer) {
    link_.reply(number, std::move(answer));
  }
  // Sends what waits, and a hello when the phase has changed. Call once per round.
  void send(transport::PortControl& port);
  // What waits, and that this backend is there no more. Call it from PortRole::finish.
  void finish(transport::PortControl& port);

 private:
  void queue(const transport::Envelope& envelope, std::string body);
  void send_queued(transport::PortControl& port);
  void hello(transport::PortControl& port);
  void say(transport::PortControl& port, Phase phase);  // to the broker
  void report(nlohmann::json& out) const;

  NodeRuntime& node_;
  BackendStatus& status_;
  BackendHandlers handlers_;
  ControlLink link_;
  transport::SocketId results_ = 0;
  transport::SocketId requests_ = 0;
  std::deque<transport::Message> outgoing_;  // bounded by kOutgoingMax
  transport::MonoTime next_hello_{};
  std::uint64_t answered_ = 0;  // of the last result sent, for hello
  std::uint64_t broker_ = 0;
  std::uint64_t malformed_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace stampede::actors
