#pragma once

// One life of a broker: the real BrokerCore; the shell does what actors/broker/broker_port.cpp does
// with its sockets.

#include <cstdint>
#include <memory>
#include <string>

#include "actors/broker/core/broker_core.h"
#include "actors/protocol/envelope.h"

namespace stampede::sim {

class World;

class BrokerProcess {
 public:
  BrokerProcess(World& world, std::uint64_t instance);
  void start();

  void take_work(const transport::Envelope& envelope, const std::string& body);
  void take_backend(const transport::Envelope& envelope, const std::string& body);
  void take_subscription(std::uint32_t webapp, bool subscribed);
  void look_for_backend();

  [[nodiscard]] std::uint64_t instance() const { return instance_; }
  [[nodiscard]] std::uint64_t way() const { return way_; }

 private:
  void tick();
  void carry_out(const std::string& body);
  void carry_out(const actors::BrokerEffect& effect, const std::string& body);

  World& world_;
  std::uint64_t instance_;
  actors::BrokerCore core_;
  actors::BrokerCore::Effects effects_;
  bool way_open_ = true;
  std::uint64_t way_ = 1;  // the socket to the backend: what is queued in one goes with it
};

}  // namespace stampede::sim
