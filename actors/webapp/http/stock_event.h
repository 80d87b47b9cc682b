#pragma once

// What the HTTP actor and the webapp's port tell each other about the stock of items that somebody
// watches over /v1/events. Values; a mail is not touched after it was sent.

#include <caf/all.hpp>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace stampede::actors {

struct StockEvent {
  enum class Kind : std::uint8_t {
    value,
    absent,  // there is no such item
    full     // it cannot be watched: too much is
  };
  Kind kind = Kind::value;
  std::uint64_t item = 0;
  std::uint64_t seq = 0;
  std::int64_t left = 0;
  std::string_view state{};  // a literal
  std::int64_t ts_ms = 0;    // since 1970
};
using StockEventsPtr = std::shared_ptr<const std::vector<StockEvent>>;

struct StockWatch {  // from now on, or no longer
  std::uint64_t item = 0;
  bool on = false;
};
struct StockWatches {
  caf::actor from;  // who is to hear of them
  std::vector<StockWatch> watches;
};
using StockWatchesPtr = std::shared_ptr<const StockWatches>;

}  // namespace stampede::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stampede::actors::StockEventsPtr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stampede::actors::StockWatchesPtr)
