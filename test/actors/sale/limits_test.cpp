#include "actors/sale/limits.h"

#include <doctest/doctest.h>

using namespace stampede::actors;

TEST_CASE("every limit has a sentence with its name and value, and what helps") {
  const LimitTexts texts({1, 22, 333, 4444});
  const auto says = [&](std::string_view limit, std::string_view words) {
    INFO(limit);
    return texts.text(limit).find(words) != std::string_view::npos;
  };
  CHECK(says(limit::kWaiting, "webapp.waiting_max = 1 "));
  CHECK(says(limit::kShare, "webapp.waiting_max = 1,"));
  CHECK(says(limit::kInFlight, "broker.inflight_max = 22 "));
  CHECK(says(limit::kBacklog, "log.backlog_commands_max = 333 "));
  CHECK(says(limit::kOrders, "backend.orders_max = 4444 "));
  CHECK(says(limit::kLogRoom, "log.dir"));
  for (const auto again : {limit::kWaiting, limit::kShare, limit::kPages, limit::kInFlight,
                           limit::kBacklog, limit::kLogRoom})
    CHECK(says(again, "try again"));
  for (const auto final : {limit::kOrders, limit::kItems})
    CHECK(says(final, "trying again does not help"));
  CHECK(texts.text("qty").empty());
  CHECK(texts.text({}).empty());
}

TEST_CASE("a standstill is told by the limit behind it") {
  CHECK(limit_of(Standstill::log_room) == limit::kLogRoom);
  CHECK(limit_of(Standstill::backlog) == limit::kBacklog);
  CHECK(limit_of(Standstill::none).empty());
  CHECK(limit_of(Standstill{77}).empty());
}
