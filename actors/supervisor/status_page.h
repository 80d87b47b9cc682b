#pragma once

// The state of the system at one moment, for everybody who asks for it meanwhile, and the HTTP
// thread's side of it: questions of strangers are answered from the newest page there, so that the
// port's heartbeats, restarts and commands never wait for them, however many there are.

#include <caf/all.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "actors/http/http_server.h"
#include "actors/supervisor/admin_socket.h"

namespace stampede::actors {

// Immutable; any thread.
struct StatusPage {
  nlohmann::json status;  // the document of `status --json`
  SharedText line;        // the same as text, one line
};
using StatusPagePtr = std::shared_ptr<const StatusPage>;

// To the port: {StatusAskAtom, whom to send a StatusPagePtr}.
using StatusAskAtom = caf::atom_constant<caf::atom("askstatus")>;

// One HTTP request that waits for a page.
struct HttpCall {
  HttpRequest request;
  HttpRespond respond;
};

// Answers all HTTP requests of a supervisor. Owner: its HTTP server, in whose thread all runs. Asks
// the port for a page when the last one is older than kFresh, one question at a time.
class StatusFace {
 public:
  explicit StatusFace(caf::actor port) : port_(std::move(port)) {}

  void on_start(const caf::actor& self) { self_ = self; }
  void on_request(HttpRequest&& request, HttpRespond&& respond);
  void on_page(StatusPagePtr page);  // the mail that the port sends

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kFresh{10};

  caf::actor port_;
  caf::actor self_;
  StatusPagePtr page_;
  Clock::time_point page_at_;
  bool asked_ = false;
  std::vector<HttpCall> waiting_;  // as many as there are connections, at most
};

}  // namespace stampede::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stampede::actors::StatusPagePtr)
