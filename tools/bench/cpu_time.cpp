#include "tools/bench/cpu_time.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <variant>

#include "tools/ask/admin_client.h"

namespace stampede::tools {
namespace {

constexpr int kStatusMs = 5000;

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// proc(5), /proc/pid/stat: utime and stime are the 12th and 13th value after the name in brackets.
std::optional<double> cpu_seconds_of(long pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(file, text) || text.rfind(')') == std::string::npos) return std::nullopt;
  std::istringstream values(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) values >> skipped;
  double user = 0, system = 0;
  if (!(values >> user >> system)) return std::nullopt;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

double own_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::map<std::string, double> system_cpu_seconds(const config::Config& config) {
  std::map<std::string, double> used;
  const auto note = [&](const std::string& name, long pid) {
    if (const auto cpu = pid > 0 ? cpu_seconds_of(pid) : std::nullopt) used[name] = *cpu;
  };
  const auto answer = ask_admin_or_fail(config, {{"do", "status"}}, kStatusMs);
  if (const auto* status = std::get_if<nlohmann::json>(&answer);
      status && status->contains("nodes"))
    for (const auto& node : status->at("nodes"))
      if (node.contains("pid") && node.at("pid").is_number())
        note(node.value("node", std::string("?")), node.at("pid").get<long>());
  std::ifstream database(config.run_dir / "db" / "server.pid");
  if (long pid = 0; database >> pid) note("database", pid);
  return used;
}

}  // namespace stampede::tools
