#pragma once

// The control socket <run>/admin.sock (mode 0600): one JSON object a line in, one a line out. It
// knows lines and connections, no request.
//
// Owner: the supervisor's role; used in its port's thread only, through the port's poll loop, and
// never blocks. Bounds: kConnectionsMax connections (a newcomer over it is closed), kLineBytesMax a
// request line and kPendingMax unanswered requests per connection (more: the connection is closed).
// Answers of one connection come in the order in which they are ready.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "transport/port/port.h"

namespace stampede::actors {

class AdminSocket {
 public:
  // Call once, in the port's thread, at any later time; dropped when the connection is gone.
  using Respond = std::function<void(const nlohmann::json& answer)>;
  using Handler = std::function<void(const nlohmann::json& request, Respond respond)>;

  AdminSocket(std::filesystem::path file, Handler handler);
  ~AdminSocket();
  AdminSocket(const AdminSocket&) = delete;
  AdminSocket& operator=(const AdminSocket&) = delete;

  // Binds and listens; takes the place of a socket file left by a dead supervisor (the caller holds
  // the supervisor's lock). Throws std::runtime_error with the path and the reason.
  void start(transport::PortControl& port);
  // Goes on with answers that a slow reader could not take; call it from every timer.
  void flush();
  // Closes everything and removes the file.
  void finish(transport::PortControl& port);

 private:
  static constexpr std::size_t kConnectionsMax = 64;
  static constexpr std::size_t kLineBytesMax = 64 * 1024;
  static constexpr std::size_t kOutputBytesMax = 16 * 1024 * 1024;
  static constexpr int kPendingMax = 64;

  struct Connection {
    int fd = -1;
    std::string input;
    std::string output;
    int pending = 0;
    bool finished = false;  // the peer sends no more; its answers are still written
  };

  void accept_all();
  void read(std::uint64_t id);
  bool take_lines(std::uint64_t id);
  void answer(std::uint64_t id, const nlohmann::json& answer);
  bool write(Connection& connection);  // false: broken
  void drop(std::uint64_t id);

  std::filesystem::path file_;
  Handler handler_;
  transport::PortControl* port_ = nullptr;  // between start() and finish()
  int listener_ = -1;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Connection> connections_;
};

}  // namespace stampede::actors
