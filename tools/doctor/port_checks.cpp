// The ports of a system: free, its own, or somebody else's, and whose.

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "tools/ask/free_port.h"
#include "tools/doctor/doctor.h"

namespace stampede::tools {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr int kIndexStep = 100;  // between the ports of webapp 1, 2, …

struct Port {
  std::string host;
  int number = 0;
  std::string key;  // of the configuration that moves it
};

// The inode of the socket that listens there; nothing: none does.
std::optional<std::string> listener_inode(int port) {
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream in(table);
    std::string line;
    std::getline(in, line);
    while (std::getline(in, line)) {
      std::istringstream words(line);
      std::string slot, local, remote, state, skip, inode;
      words >> slot >> local >> remote >> state;
      for (int i = 0; i < 5; ++i) words >> skip;
      words >> inode;
      const auto number = std::strtol(local.substr(local.rfind(':') + 1).c_str(), nullptr, 16);
      if (state == "0A" && number == port) return inode;
    }
  }
  return std::nullopt;
}

bool holds(const fs::path& process, const std::string& socket) {
  std::error_code error;
  for (fs::directory_iterator at(process / "fd", error), end; !error && at != end;
       at.increment(error)) {
    std::error_code gone;
    if (fs::read_symlink(at->path(), gone) == socket) return true;
  }
  return false;
}

// The process that holds it, of those that this user may look at; 0: another user's.
int holder_of(const std::string& inode) {
  const auto socket = "socket:[" + inode + "]";
  std::error_code error;
  for (fs::directory_iterator at("/proc", error), end; !error && at != end; at.increment(error)) {
    const auto name = at->path().filename().string();
    int pid = 0;
    const auto [rest, wrong] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (wrong == std::errc{} && rest == name.data() + name.size() && holds(at->path(), socket))
      return pid;
  }
  return 0;
}

std::string name_of(int pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/comm");
  std::string name;
  std::getline(in, name);
  return name + " (pid " + std::to_string(pid) + ")";
}

// The node of the running system that has this pid; empty: none.
std::string node_of(const json& status, int pid) {
  if (!status.is_object() || pid == 0) return {};
  for (const json& node : status.value("nodes", json::array()))
    if (node.value("pid", json()) == pid) return node.value("node", std::string{});
  return {};
}

Finding look_at(const Port& port, const json& status) {
  const auto where = port.host + ":" + std::to_string(port.number);
  std::string why;
  if (is_port_free(port.host, port.number, why)) {
    if (!status.is_object()) return {"port", Verdict::ok, where + " is free", {}};
    return {"port", Verdict::warn, where + ": nobody listens there",
            "its node does not run; see above"};
  }
  const auto inode = listener_inode(port.number);
  const int pid = inode ? holder_of(*inode) : 0;
  if (const auto node = node_of(status, pid); !node.empty())
    return {"port", Verdict::ok, where + " is held by " + node, {}};
  const auto whom = pid != 0 ? name_of(pid) : inode ? "another user's process" : why;
  return {"port", Verdict::fail, where + " is taken: " + whom,
          "end that program, or choose another " + port.key};
}

// The numbers of those that are to run: any of them may be stopped.
std::vector<int> webapps_of(const json& status) {
  if (!status.is_object()) return {1};
  std::vector<int> numbers;
  for (const json& node : status.value("nodes", json::array())) {
    if (node.value("role", "") != "webapp" || node.value("state", "") == "stopped") continue;
    const auto name = node.value("node", std::string());
    numbers.push_back(std::atoi(name.c_str() + name.rfind('-') + 1));
  }
  return numbers;
}

std::vector<Port> ports_of(const config::Config& config, const json& status) {
  std::vector<Port> ports;
  const auto& http = config.webapp.http;
  const auto host = http.substr(0, http.rfind(':'));
  const int first = std::stoi(http.substr(http.rfind(':') + 1));
  const int base = config.net.port_base;
  const bool local = config.net.bind.starts_with("127.");
  ports.push_back({local ? config.net.bind : "127.0.0.1", base, "net.port_base"});
  for (const int number : webapps_of(status)) {
    const int k = number - 1;
    ports.push_back({host, first + kIndexStep * k, "webapp.http"});
    for (const int offset : {1, 2})
      ports.push_back({config.net.bind, base + offset + kIndexStep * k, "net.port_base"});
  }
  if (config.net.tcp())
    for (const int offset : {11, 12, 13, 14, 20, 21})
      ports.push_back({config.net.bind, base + offset, "net.port_base"});
  return ports;
}

}  // namespace

Findings check_ports(const config::Config& config, const json& status) {
  Findings findings;
  for (const auto& port : ports_of(config, status)) findings.push_back(look_at(port, status));
  return findings;
}

}  // namespace stampede::tools
