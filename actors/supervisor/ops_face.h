#pragma once

// The operator's page over HTTP: its files, logging in to it, and the few things that it may do.
// Everything else on this port is read-only (supervisor_http.h).
//
//   GET  /, /assets/…       the page
//   GET  /login?code=…      a cookie, and the page: the link that `stampede ops` prints
//   GET  /v1/ops            {"signed_in", "actions"}: what this browser may do
//   POST /v1/ops/actions    a request as on admin.sock, of those on the page in kAdminRequests; the
//                           answer is the one that admin.sock gives
//   POST /v1/ops/logout     forgets the session
//
// A POST must be JSON, name this server's own Host as its Origin (else 403, naming the header), and
// show the operator's token (`Authorization: Bearer …`) or the cookie (else 401). Each action is
// logged with its source and its answer.
//
// Owner: the supervisor's HTTP server, in whose thread all runs; nothing blocks.

#include <caf/all.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "actors/http/http_server.h"
#include "actors/http/static_files.h"
#include "actors/supervisor/admin_socket.h"
#include "actors/supervisor/ops_door.h"

namespace stampede::actors {

// To the port, which answers with an OpsDonePtr of the same number.
struct OpsAsk {
  caf::actor from;
  std::uint64_t number = 0;
  nlohmann::json request;
};
struct OpsDone {
  std::uint64_t number = 0;
  SharedText line;
};
using OpsAskPtr = std::shared_ptr<const OpsAsk>;
using OpsDonePtr = std::shared_ptr<const OpsDone>;

// Whether the page may ask for it at all; what `dev` forbids is refused where it would be done.
bool is_ops_action(std::string_view what);

class OpsFace {
 public:
  // `port_number` tells the cookies of several systems on one host apart: cookies know no port.
  OpsFace(caf::actor port, std::shared_ptr<OpsDoor> door, int port_number);

  void on_start(const caf::actor& self) { self_ = self; }
  // False: the request is not for this part; then it is untouched.
  bool take(const HttpRequest& request, HttpRespond& respond);
  void on_done(const OpsDone& done);  // the mail that the port sends

 private:
  struct Waiting {
    HttpRespond respond;
    std::string what;  // for the log
  };
  [[nodiscard]] std::string_view cookie_of(const HttpRequest& request) const;
  [[nodiscard]] bool is_operator(const HttpRequest& request) const;
  [[nodiscard]] HttpReply log_in(const HttpRequest& request) const;
  [[nodiscard]] HttpReply about(const HttpRequest& request) const;
  [[nodiscard]] HttpReply log_out(const HttpRequest& request) const;
  void act(const HttpRequest& request, HttpRespond& respond);
  [[nodiscard]] std::string cookie(std::string_view session, std::string_view rest) const;

  caf::actor port_;
  std::shared_ptr<OpsDoor> door_;
  const std::string cookie_name_;
  StaticFiles files_;
  caf::actor self_;
  std::uint64_t last_number_ = 0;
  std::map<std::uint64_t, Waiting> waiting_;
};

}  // namespace stampede::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stampede::actors::OpsAskPtr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stampede::actors::OpsDonePtr)
