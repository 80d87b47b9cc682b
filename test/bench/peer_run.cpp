#include "test/bench/peer_run.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace stampede::bench {

namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

// proc(5): user and system time are the 12th and 13th value after the name in brackets.
double seconds_of_process(long pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(file, text) || text.rfind(')') == std::string::npos) return 0;
  std::istringstream values(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) values >> skipped;
  double user = 0, system = 0;
  values >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Arguments::Arguments(int count, char** words) {
  for (int i = 1; i < count; i += 2) {
    const std::string name = words[i];
    if (!name.starts_with("--") || i + 1 == count)
      throw std::runtime_error("'" + name + "' is no '--name value'");
    given_[name.substr(2)] = words[i + 1];
  }
}

std::string Arguments::text(const std::string& name) const {
  const auto found = given_.find(name);
  return found == given_.end() ? std::string{} : found->second;
}

std::uint64_t Arguments::number(const std::string& name, std::uint64_t otherwise) const {
  const auto found = given_.find(name);
  if (found == given_.end()) return otherwise;
  char* end = nullptr;
  const auto value = std::strtoull(found->second.c_str(), &end, 10);
  if (*end != '\0' || value == 0)
    throw std::runtime_error("--" + name + " is a number from 1 on, not '" + found->second + "'");
  return value;
}

CpuMeter::CpuMeter(const std::string& server_pids) {
  std::istringstream words(server_pids);
  for (std::string word; std::getline(words, word, ',');) pids_.push_back(std::stol(word));
  before_ = used();
}

double CpuMeter::seconds() const {
  return used() - before_;
}

double CpuMeter::used() const {
  rusage own{};
  ::getrusage(RUSAGE_SELF, &own);
  double sum = seconds_of(own.ru_utime) + seconds_of(own.ru_stime);
  for (const auto pid : pids_) sum += seconds_of_process(pid);
  return sum;
}

double percentile(std::vector<double>& values, double part) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::size_t>(part * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

int report(PeerResult result) {
  auto& us = result.latencies_us;
  std::printf(
      "{\"offered\":%llu,\"accepted\":%llu,\"seconds\":%.6f,\"p50_us\":%.1f,\"p90_us\":%.1f,"
      "\"p99_us\":%.1f,\"p999_us\":%.1f,\"p9999_us\":%.1f,\"max_us\":%.1f,"
      "\"stored\":%llu,\"stored_seconds\":%.6f,\"cpu_s\":%.3f,\"ok\":%s}\n",
      static_cast<unsigned long long>(result.offered),
      static_cast<unsigned long long>(result.accepted), result.seconds, percentile(us, 0.5),
      percentile(us, 0.9), percentile(us, 0.99), percentile(us, 0.999), percentile(us, 0.9999),
      percentile(us, 1), static_cast<unsigned long long>(result.stored), result.stored_seconds,
      result.cpu_seconds, result.ok ? "true" : "false");
  return result.ok ? 0 : 4;
}

}  // namespace stampede::bench
