#pragma once

// The broker's sockets around BrokerCore: the role of the broker node's one port.

#include <cstdint>
#include <string>

#include "actors/broker/core/broker_core.h"
#include "actors/node/control_link.h"
#include "actors/node/node.h"
#include "transport/port/port.h"

namespace stampede::actors {

class BrokerPort final : public transport::PortRole {
 public:
  explicit BrokerPort(NodeRuntime& node);

  void start(transport::PortControl& port) override;
  caf::message_handler mail(transport::PortControl&) override { return {}; }
  void on_message(transport::PortControl& port, transport::SocketId id,
                  transport::Message& parts) override;
  void on_timer(transport::PortControl& port) override;
  void end_of_round(transport::PortControl& port) override;
  void finish(transport::PortControl& port) override;

 private:
  void open_sockets(transport::PortControl& port);
  void take_work(transport::PortControl& port, transport::Message& parts);
  void take_backend(transport::PortControl& port, transport::Message& parts);
  void take_subscription(transport::PortControl& port, std::string_view frame);

  // Carries effects_ out, those that come up on the way included; `parts` is the message at hand.
  void carry_out(transport::PortControl& port, transport::Message& parts);
  void carry_out(transport::PortControl& port, const BrokerEffect& effect,
                 transport::Message& parts);
  void forward(transport::PortControl& port, const BrokerEffect& effect, transport::Message& parts);
  void publish_news(transport::PortControl& port, const BrokerEffect& effect,
                    transport::Message& parts);
  void tell(transport::PortControl& port, const BrokerEffect& effect);
  // Fills out_ with the topic of a webapp's results.
  void begin_result(std::uint32_t webapp);
  void publish(transport::PortControl& port, const BrokerEffect& effect);

  void close_way(transport::PortControl& port);
  void open_way(transport::PortControl& port);
  void look_for_backend(transport::PortControl& port);
  [[nodiscard]] transport::SocketOptions way_options() const;
  void report(nlohmann::json& out) const;
  void report_metrics(nlohmann::json& out) const;

  NodeRuntime& node_;
  ControlLink control_;
  BrokerCore core_;
  BrokerCore::Effects effects_;
  transport::Message nothing_;  // the message at hand when there is none
  transport::Message out_;      // reused
  transport::SocketId requests_in_ = 0;
  transport::SocketId requests_out_ = 0;  // the way to the backend; 0 while it is being reopened
  transport::SocketId results_in_ = 0;
  transport::SocketId results_out_ = 0;
  transport::MonoTime way_closed_{};
  transport::MonoTime next_tick_{};
  std::uint64_t ticks_ = 0;
};

}  // namespace stampede::actors
