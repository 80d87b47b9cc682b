#include "tools/ask/curve_keys.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <variant>

#include "transport/zmq/curve.h"

namespace stampede::tools {

int run_keys_new(const ToolOptions& options, const std::string& file) {
  const auto made = transport::make_key_file(file);
  if (const auto* problem = std::get_if<std::string>(&made)) {
    std::fprintf(stderr, "stampede keys: %s\n", problem->c_str());
    return kExitFailure;
  }
  const auto& key = std::get<transport::KeyPair>(made).public_key;
  const std::string report =
      options.json ? nlohmann::json{{"file", file}, {"public_key", key}}.dump() : key;
  std::printf("%s\n", report.c_str());
  return kExitDone;
}

}  // namespace stampede::tools
