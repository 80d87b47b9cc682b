#pragma once

// The backend's side of the sockets: work in from the broker, results and news out, hello and
// heartbeats. Used by the port's thread only. Decides nothing.

#include <caf/all.hpp>
#include <deque>
#include <memory>

#include "actors/backend_mail.h"
#include "actors/backend_status.h"
#include "actors/control_link.h"
#include "actors/node.h"
#include "transport/port.h"

namespace stampede::actors {

class BackendPort : public transport::PortRole {
 public:
  BackendPort(NodeRuntime& node, BackendStatus& status, caf::actor core);

  void start(transport::PortControl& port) override;
  caf::message_handler mail(transport::PortControl& port) override;
  void on_message(transport::PortControl& port, transport::SocketId id,
                  transport::Message& parts) override;
  void on_timer(transport::PortControl& port) override;
  void end_of_round(transport::PortControl& port) override;

 private:
  void take_replies(transport::PortControl& port, Replies& replies);
  void open_intake(transport::PortControl& port);
  void queue(transport::Envelope envelope, std::string body);
  void send_queued(transport::PortControl& port);
  void hello(transport::PortControl& port);
  void report(nlohmann::json& out) const;

  NodeRuntime& node_;
  BackendStatus& status_;
  caf::actor core_;
  ControlLink link_;
  transport::SocketId results_ = 0;
  transport::SocketId requests_ = 0;
  bool intake_open_ = false;
  std::shared_ptr<std::vector<Work>> round_;  // requests taken in this round
  std::deque<transport::Message> outgoing_;   // bounded by kOutgoingMax
  transport::MonoTime next_hello_{};
  std::uint64_t answered_ = 0;  // of the last result sent, for hello
  std::uint64_t broker_ = 0;
  std::uint64_t malformed_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace stampede::actors
