#pragma once

// The control socket <run>/admin.sock (mode 0600): one JSON object a line in, one a line out. It
// knows lines and connections, no request.
//
// Owner: the supervisor's role; used in its port's thread only, through the port's poll loop, and
// never blocks. Answers of one connection come in the order in which they are ready.
//
// No peer may hold up the others, nor grow the process:
//   kConnectionsMax connections; a newcomer over it takes the place of the one that has been idle,
//     or has taken nothing, for longest; where there is none, of one that has asked for more before
//     it was answered; where all wait for one answer, of the process that has most connections, if
//     these are a quarter of all; else it is closed
//   kAcceptsPerTurn newcomers, each of whom is heard at once
//   kLinesPerTurn requests of a connection, then the others have their turn
//   no further request of a connection is looked at while it has not taken its answers, or while
//     kPendingMax of its requests are being worked on, or kPendingOfProcessMax of its process: of
//     connections that are gone, too, for what they asked is done all the same
//   kLineBytesMax a request; more: told so, and the connection is closed
//   kOutputBytesMax of answers that wait, of all connections together; over it, the one that has
//     taken nothing for longest is closed

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "transport/port/port.h"

namespace stampede::actors {

// Text that several readers are given.
using SharedText = std::shared_ptr<const std::string>;

class AdminSocket {
 public:
  // Call one of the two once, in the port's thread, at any later time; dropped when the connection
  // is gone.
  class Respond {
   public:
    // `give` takes the answer as a line with its end; others than this socket may wait for one.
    explicit Respond(std::function<void(SharedText)> give) : give_(std::move(give)) {}
    void operator()(const nlohmann::json& answer) const;
    void line(SharedText text) const;  // a line with its end

   private:
    std::function<void(SharedText)> give_;
  };
  using Handler = std::function<void(const nlohmann::json& request, Respond respond)>;

  AdminSocket(std::filesystem::path file, Handler handler);
  ~AdminSocket();
  AdminSocket(const AdminSocket&) = delete;
  AdminSocket& operator=(const AdminSocket&) = delete;

  // Binds and listens; takes the place of a socket file left by a dead supervisor (the caller holds
  // the supervisor's lock). Throws std::runtime_error with the path and the reason.
  void start(transport::PortControl& port);
  // Goes on with requests and answers that had to wait, and listens again when the socket's file is
  // gone; call it from every timer.
  void go_on();
  // Somebody is connected, or waits to be.
  [[nodiscard]] bool busy() const { return rests_ || !connections_.empty(); }
  // Why nobody can connect now; empty: everybody can. Logged when it begins and when it ends.
  [[nodiscard]] const std::string& fault() const { return fault_; }
  // Closes everything and removes the file.
  void finish(transport::PortControl& port);

 private:
  static constexpr std::size_t kConnectionsMax = 64;
  static constexpr std::size_t kLineBytesMax = 64 * 1024;
  static constexpr std::size_t kOutputBytesMax = 16 * 1024 * 1024;
  static constexpr int kPendingMax = 16;
  static constexpr int kPendingOfProcessMax = 64;
  static constexpr int kLinesPerTurn = 8;
  static constexpr int kAcceptsPerTurn = 64;

  struct Connection {
    int fd = -1;
    pid_t process = 0;
    transport::MonoTime since;  // when it last sent or took something
    std::string input;
    std::deque<SharedText> output;
    std::size_t written = 0;  // of the first text
    int pending = 0;
    bool watched = true;
    bool ended = false;  // the peer sends no more; its answers are still written
  };
  using Connections = std::map<std::uint64_t, Connection>;
  using Worked = std::map<pid_t, int>;  // requests of each process that nobody has answered yet

  void listen();  // throws as start() does
  void listen_again();
  [[nodiscard]] static std::size_t places();  // for connections, at this moment
  void accept_all();
  // The one that has sent or taken nothing for longest, of those that `waits` says yes of.
  Connections::iterator longest_idle(const std::function<bool(const Connection&)>& waits);
  bool make_place(pid_t newcomer);
  Connections::iterator of_greediest(pid_t newcomer);
  void read(std::uint64_t id);
  void turn(std::uint64_t id);
  [[nodiscard]] bool must_wait(const Connection& connection) const;
  // To be held by whoever is to answer one more request of the process.
  [[nodiscard]] std::shared_ptr<void> one_more_of(pid_t process);
  static bool has_line(const Connection& connection);
  static bool has_more(const Connection& connection);
  void take_line(std::uint64_t id, Connection& connection);
  void refuse_long(std::uint64_t id, const Connection& connection);
  void answer(std::uint64_t id, SharedText text);
  bool write(Connection& connection);  // false: broken
  void bound_output();
  void drop(std::uint64_t id);

  std::filesystem::path file_;
  Handler handler_;
  transport::PortControl* port_ = nullptr;  // between start() and finish()
  int listener_ = -1;
  std::string fault_;
  bool rests_ = false;  // until the next timer
  dev_t device_ = 0;    // of the socket's file
  ino_t inode_ = 0;
  std::uint64_t last_id_ = 0;
  std::size_t output_bytes_ = 0;  // that wait, of all connections
  Connections connections_;
  std::shared_ptr<Worked> worked_ = std::make_shared<Worked>();
};

}  // namespace stampede::actors
