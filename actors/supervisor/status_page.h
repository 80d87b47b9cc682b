#pragma once

// The state of the system at one moment, for everybody who asks for it meanwhile, and the HTTP
// thread's side of it: questions of strangers are answered from the newest page there, so that the
// port's heartbeats, restarts and commands never wait for them, however many there are.

#include <caf/all.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "actors/http/http_server.h"
#include "actors/supervisor/admin_socket.h"
#include "actors/supervisor/metrics_page.h"

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
// the port for a page when the last one is older than kFresh, one question of a kind at a time.
class StatusFace {
 public:
  // `log_dir`: of the command log.
  StatusFace(caf::actor port, std::filesystem::path log_dir)
      : port_(std::move(port)), log_dir_(std::move(log_dir)) {}

  void on_start(const caf::actor& self) { self_ = self; }
  void on_request(HttpRequest&& request, HttpRespond&& respond);
  void on_page(StatusPagePtr page);  // the mails that the port sends
  void on_page(MetricsPagePtr page);

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kFresh{10};

  template <class Page>
  struct Desk {
    Page page;
    Clock::time_point page_at;
    bool asked = false;
    std::vector<HttpCall> waiting{};  // as many as there are connections, at most
  };
  template <class Page, class Ask>
  void take(Desk<Page>& desk, Ask ask, HttpCall&& call);
  template <class Page>
  void take_page(Desk<Page>& desk, Page page);
  [[nodiscard]] HttpReply answer(const HttpRequest& request, const StatusPage& page) const;
  [[nodiscard]] HttpReply answer(const HttpRequest& request, const MetricsPage& page) const;

  caf::actor port_;
  std::filesystem::path log_dir_;
  caf::actor self_;
  Desk<StatusPagePtr> status_;
  Desk<MetricsPagePtr> metrics_;
};

}  // namespace stampede::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stampede::actors::StatusPagePtr)
