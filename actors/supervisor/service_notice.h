#pragma once

// What a service manager (systemd, Type=notify) is told: that the system can be operated, and how
// its nodes are. Without NOTIFY_SOCKET in the environment nothing is told.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace stampede::actors {

class ServiceNotice {
 public:
  // `socket`: the path of a datagram socket; one that begins with @ is an abstract one. Empty or
  // too long: nobody listens.
  explicit ServiceNotice(std::string_view socket);
  // The one that the environment names.
  static ServiceNotice of_environment();

  [[nodiscard]] bool listens() const { return !socket_.empty(); }
  // READY=1 the first time, then the status line whenever it has changed. Never blocks: what the
  // manager cannot take now is told at the next call.
  void tell(const std::string& status);
  void tell_stopping();

 private:
  [[nodiscard]] bool send(const std::string& text) const;

  std::string socket_;
  std::string told_;
  bool ready_ = false;
  bool stopping_ = false;
};

// "ready", or which nodes are not, and how far a replay is: one line, from entries of `status`.
std::string service_status(const nlohmann::json& nodes);

}  // namespace stampede::actors
