#include "actors/supervisor/recovery_file.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "actors/node/small_file.h"

namespace stampede::actors {
namespace {

using nlohmann::json;

constexpr std::size_t kFileBytesMax = std::size_t{1} << 20;
constexpr std::size_t kCauseBytesMax = 4096;

std::filesystem::path file_in(const std::filesystem::path& run_dir) {
  return run_dir / "recoveries.json";
}

std::optional<std::string> text_of(const json& entry, const char* name) {
  const auto found = entry.find(name);
  if (found == entry.end() || !found->is_string()) return std::nullopt;
  auto text = found->get<std::string>();
  return text.size() <= kCauseBytesMax ? std::optional(std::move(text)) : std::nullopt;
}

// Absent, or no number: -1.
std::int64_t number_of(const json& entry, const char* name) {
  const auto found = entry.find(name);
  if (found == entry.end() || !found->is_number_integer()) return -1;
  return std::max<std::int64_t>(found->get<std::int64_t>(), -1);
}

std::optional<Recovery> recovery_of(const json& entry) {
  if (!entry.is_object()) return std::nullopt;
  auto node = text_of(entry, "node");
  auto cause = text_of(entry, "cause");
  const auto ended_ms = number_of(entry, "ended_ms");
  if (!node || !cause || ended_ms < 0) return std::nullopt;
  const auto asked = number_of(entry, "asked_again");
  return Recovery{std::move(*node),
                  std::move(*cause),
                  ended_ms,
                  number_of(entry, "duration_ms"),
                  number_of(entry, "replay_ms"),
                  static_cast<std::uint64_t>(std::max<std::int64_t>(asked, 0))};
}

}  // namespace

std::string recoveries_text(const std::deque<Recovery>& recoveries) {
  json list = json::array();
  for (const auto& one : recoveries)
    list.push_back({{"node", one.node},
                    {"cause", one.cause.substr(0, kCauseBytesMax)},
                    {"ended_ms", one.ended_ms},
                    {"duration_ms", one.duration_ms},
                    {"replay_ms", one.replay_ms},
                    {"asked_again", one.asked_again}});
  return list.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::deque<Recovery> parse_recoveries(std::string_view text) {
  std::deque<Recovery> recoveries;
  const auto list = json::parse(text, nullptr, false);
  if (!list.is_array()) return recoveries;
  for (const auto& entry : list) {
    if (auto recovery = recovery_of(entry)) recoveries.push_back(std::move(*recovery));
    if (recoveries.size() > RecoveryList::kKept) recoveries.pop_front();
  }
  return recoveries;
}

std::deque<Recovery> read_recoveries(const std::filesystem::path& run_dir) {
  const auto file = file_in(run_dir);
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) return {};
  std::ifstream in(file, std::ios::binary);
  std::string text(kFileBytesMax, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return parse_recoveries(text);
}

bool write_recoveries(const std::filesystem::path& run_dir,
                      const std::deque<Recovery>& recoveries) {
  return replace_file(file_in(run_dir), recoveries_text(recoveries));
}

}  // namespace stampede::actors
