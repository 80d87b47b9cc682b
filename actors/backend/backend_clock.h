#pragma once

// The sale's clock of this process: a ClockAgent on the machine's clocks, which remembers in
// `<run>/<node>.clock` and tells status and log. Owned by the backend's port actor and used in its
// thread only; blocks for a small write now and then.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "actors/backend/agents/clock_agent.h"
#include "actors/backend/backend_status.h"
#include "actors/backend/monotonic.h"

namespace stampede::actors {

class BackendClock final : private ClockOutlet {
 public:
  BackendClock(std::filesystem::path file, BackendStatus& status);

  void look();  // call it every 50 ms or so while orders are decided
  [[nodiscard]] std::int64_t now_us() const { return agent_.now_us(monotonic_us()); }
  // The same for a round of requests, which may be the first one after a rest: looks before it.
  [[nodiscard]] std::int64_t round_began_us();
  // The answer to `stampede clock accept`.
  nlohmann::json accept(std::string_view request_id);

 private:
  ClockReading clocks() override;
  std::optional<KeptClock> kept() override;
  void keep(const KeptClock& clock) override;
  void alarm(Micros ahead) override;
  void alarm_is_over() override;
  void tell();

  std::filesystem::path file_;
  BackendStatus& status_;
  ClockAgent agent_;
  Micros looked_us_ = 0;  // monotonic
};

}  // namespace stampede::actors
