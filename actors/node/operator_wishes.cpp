#include "actors/node/operator_wishes.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "actors/node/small_file.h"

namespace stampede::actors {
namespace {

using nlohmann::json;

std::filesystem::path wishes_file(const std::filesystem::path& run_dir) {
  return run_dir / "operator.json";
}

}  // namespace

OperatorWishes read_operator_wishes(const std::filesystem::path& run_dir) {
  OperatorWishes wishes;
  std::ifstream in(wishes_file(run_dir));
  const auto map = json::parse(in, nullptr, false);
  if (!map.is_object()) return wishes;
  if (const auto at = map.find("drained_ms"); at != map.end() && at->is_number_integer())
    wishes.drained_ms = at->get<std::int64_t>();
  for (const json& node : map.value("stopped", json::array()))
    if (node.is_string()) wishes.stopped.insert(node.get<std::string>());
  if (const auto count = map.find("webapps"); count != map.end() && count->is_number_unsigned())
    wishes.webapps = count->get<int>();
  return wishes;
}

bool write_operator_wishes(const std::filesystem::path& run_dir, const OperatorWishes& wishes) {
  if (!wishes.any()) {
    std::error_code error;
    std::filesystem::remove(wishes_file(run_dir), error);
    return !error;
  }
  json map = {{"drained_ms", wishes.drained_ms}, {"stopped", wishes.stopped}};
  if (wishes.webapps) map["webapps"] = *wishes.webapps;
  return replace_file(wishes_file(run_dir), map.dump() + "\n");
}

}  // namespace stampede::actors
