#pragma once

// One life of a webapp: the real WebappCore; the shell does what actors/webapp/webapp_port.cpp
// does.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "actors/protocol/envelope.h"
#include "actors/webapp/core/webapp_core.h"
#include "test/sim/event_queue.h"
#include "test/sim/random.h"

namespace stampede::sim {

class World;

class WebappProcess : private actors::WebappOutput {
 public:
  WebappProcess(World& world, std::uint32_t number, std::uint64_t instance);
  void start();
  void take_request(const actors::ClientAsk& ask, const std::string& token);
  void take_broker(const transport::Envelope& envelope, const std::string& body);

  [[nodiscard]] std::uint64_t instance() const { return instance_; }
  [[nodiscard]] const actors::WebappCore& core() const { return core_; }

 private:
  bool send_work(std::uint64_t number, std::uint32_t count, std::string_view body) override;
  void reply(const actors::ClientToken& client, const actors::Reply& reply) override;
  // Simulated clients send no arrays.
  void open_array(const actors::ClientToken&, std::uint32_t) override {}
  void close_array(const actors::ClientToken&) override {}
  void drop_array() override {}
  void take_news(std::uint64_t epoch, const std::string& body);
  void take_session_news(const std::string& body);
  void take_session(const actors::ClientAsk& ask, const std::string& token);
  void tick();
  void plan_round();

  World& world_;
  std::uint32_t number_;
  std::uint64_t instance_;
  actors::WebappCore core_;
  actors::BodyReader reader_;
  bool round_planned_ = false;
  Time started_;
};

}  // namespace stampede::sim
