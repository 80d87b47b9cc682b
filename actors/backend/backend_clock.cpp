#include "actors/backend/backend_clock.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>

#include "actors/backend/backend_report.h"
#include "actors/node/small_file.h"
#include "config/process/wall_clock.h"

namespace stampede::actors {

using nlohmann::json;

namespace {

constexpr Micros kLookedMax = 100 * kMillis;  // by ticks it is half of that

// Of the machine, until it is started anew; the monotonic clock counts from there.
std::string boot_id() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(in, id);
  return id;
}

// Files of earlier versions lack it.
std::int64_t number(const json& kept, const char* name, std::int64_t otherwise) {
  const auto found = kept.find(name);
  return found != kept.end() && found->is_number_integer() ? found->get<std::int64_t>() : otherwise;
}

}  // namespace

BackendClock::BackendClock(std::filesystem::path file, BackendStatus& status)
    : file_(std::move(file)), status_(status), agent_(*this) {
  tell();
}

void BackendClock::look() {
  looked_us_ = monotonic_us();
  agent_.look();
  tell();
}

std::int64_t BackendClock::round_began_us() {
  const auto now = monotonic_us();
  if (now - looked_us_ > kLookedMax) look();
  return agent_.now_us(now);
}

json BackendClock::accept(std::string_view request_id) {
  const auto accepted = agent_.believe(request_id);
  tell();
  if (accepted.changed)
    spdlog::warn("the operator accepts the wall clock: {:.3f} s ahead of what the sale went by",
                 static_cast<double>(accepted.stepped_us) / 1e6);
  return {{"ok", true},
          {"changed", accepted.changed},
          {"stepped_s", static_cast<double>(accepted.stepped_us) / 1e6}};
}

void BackendClock::tell() {
  status_.clock_ahead_us.store(agent_.ahead());
}

ClockReading BackendClock::clocks() {
  const auto now = config::both_clocks();
  return {now.steady_us, now.wall_us};
}

std::optional<KeptClock> BackendClock::kept() {
  std::ifstream in(file_);
  const auto kept = json::parse(in, nullptr, false);
  const bool whole = kept.is_object() && kept.contains("boot") && kept.contains("offset_us") &&
                     kept.contains("accepted") && kept.contains("stepped_us") &&
                     kept.at("boot").is_string() && kept.at("offset_us").is_number_integer() &&
                     kept.at("accepted").is_string() && kept.at("stepped_us").is_number_integer();
  if (!whole || kept.at("boot").get<std::string>() != boot_id()) return std::nullopt;
  const auto offset_us = kept.at("offset_us").get<std::int64_t>();
  return KeptClock{
      offset_us, kept.at("accepted").get<std::string>(), kept.at("stepped_us").get<std::int64_t>(),
      std::min(offset_us, number(kept, "anchor_us", offset_us)), number(kept, "looked_us", 0)};
}

void BackendClock::keep(const KeptClock& clock) {
  const json kept{{"boot", boot_id()},
                  {"offset_us", clock.offset_us},
                  {"accepted", clock.accepted},
                  {"stepped_us", clock.stepped_us},
                  {"anchor_us", clock.anchor_us},
                  {"looked_us", clock.looked_us}};
  if (!replace_file(file_, kept.dump() + "\n"))
    spdlog::warn("cannot write {}: the next process will believe whatever the wall clock says",
                 file_.string());
}

void BackendClock::alarm(Micros ahead) {
  spdlog::error("{}", clock_note(ahead));
}

void BackendClock::alarm_is_over() {
  spdlog::info("the sale goes by the wall clock again");
}

}  // namespace stampede::actors
