#include "actors/broker/broker.h"

#include <memory>
#include <utility>

#include "actors/broker/broker_port.h"

namespace stampede::actors {

int run_broker(NodeOptions options) {
  return run_node(
      std::move(options),
      [](NodeRuntime& node) {
        node.spawn_actor<transport::PortActor>({"port"}, &node.context(),
                                               std::make_unique<BrokerPort>(node));
      },
      [](NodeRuntime& node) { node.request_stop(); });  // nothing to drain
}

}  // namespace stampede::actors
