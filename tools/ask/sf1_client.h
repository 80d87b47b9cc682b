#pragma once

// Asks a webapp over SF1, the client protocol (contract §3), one question at a time.
//
// A question is sent again with the same id until it has a final answer: after silence on a new
// socket, since a connection can be dead without saying so; after a code that allows it when the
// server's advice is over. Late answers to earlier questions are told apart by their id and
// dropped. Each try says how long it is listened for, so that the reason is heard before the time
// is over; a refusal without an id is this question's.
//
// Owner: one tool, one thread. ask() blocks up to its time-out; nothing else does.

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "config/settings/config.h"
#include "transport/zmq/sockets.h"

namespace stampede::tools {

struct Sf1Failure {
  std::string message;  // what happened, what it means, what to do
  int exit;             // 5: no answer in time, the outcome is unknown; 7: no connection; 2: keys
};

// Where webapp-1 takes clients.
std::string client_endpoint(const config::Config& config);

// The keys to connect with, or what is wrong with them.
std::variant<transport::CurveOptions, Sf1Failure> client_keys(const config::Config& config);

// The token of this system's own tools, where it asks for one; else empty. Or what is wrong with
// it.
std::variant<std::string, Sf1Failure> service_token(const config::Config& config);

class Sf1Client {
 public:
  // `token`: shown with every question; empty: none.
  explicit Sf1Client(std::string endpoint, transport::CurveOptions keys = {},
                     std::string token = {});

  // `request` is the whole map and has an `id`. The answer is final (a state but `queued`, or a
  // code that a retry cannot change), or the last code that was heard when the time was over.
  using Outcome = std::variant<nlohmann::json, Sf1Failure>;
  Outcome ask(const nlohmann::json& request, std::chrono::milliseconds timeout);

 private:
  using Clock = std::chrono::steady_clock;
  enum class Heard { final, again, nothing };

  void reconnect();
  bool offer(const std::string& frame, Clock::time_point until);
  Heard listen(const std::string& id, Clock::time_point until);
  Heard take(const transport::Message& parts, const std::string& id);
  Heard read(const std::string& id);
  bool back_off(const std::string& id, Clock::time_point deadline);
  [[nodiscard]] bool refused() const;
  [[nodiscard]] Sf1Failure nobody_listens() const;

  std::string endpoint_;
  std::string token_;
  transport::Context context_;
  std::vector<transport::Socket> sockets_;  // the newest first; the others may hear yet
  std::mt19937_64 random_;
  bool sent_ = false;     // something was sent for this question
  nlohmann::json heard_;  // the last answer to it
};

}  // namespace stampede::tools
