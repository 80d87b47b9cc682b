#include "actors/supervisor/ops_face.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "actors/http/http_conditions.h"
#include "actors/http/http_fields.h"
#include "actors/http/http_head.h"
#include "actors/node/node_log.h"
#include "actors/supervisor/core/admin_requests.h"
#include "actors/supervisor/request_line.h"
#include "web/pages.h"

namespace stampede::actors {

namespace {

using nlohmann::json;

constexpr std::size_t kWaitingMax = 64;  // actions without their answers
constexpr std::string_view kLinkTakes = "GET, OPTIONS";

HttpReply json_reply(int status, const json& body) {
  HttpReply reply;
  reply.status = status;
  reply.body = body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  return reply;
}

std::string address_text(const config::IpAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET6, address.bytes.data(), text.data(), text.size());
  const std::string_view shown = text.data();
  constexpr std::string_view kMapped = "::ffff:";  // IPv4
  return std::string(shown.starts_with(kMapped) ? shown.substr(kMapped.size()) : shown);
}

HttpReply not_in() {
  auto reply = problem(401, "not_logged_in",
                       "this needs the operator: open the link that `stampede ops` prints, or show "
                       "the token of <run>/ops.token");
  reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  return reply;
}

// What a page of anybody else's cannot have. Nothing: it is ours.
std::optional<HttpReply> foreign(const HttpRequest& request) {
  const auto own = "http://" + request.authority;
  const bool ours = request.names_host && request.header_count("origin") == 1 &&
                    same_name(request.header("origin"), own);
  if (!ours)
    return problem(403, "not_allowed", "only this server's own page may ask for that", "Origin");
  const auto type = parse_media_type(request.header("content-type"));
  if (!type || type->name != "application/json")
    return problem(415, "bad_request", "the body must be JSON", "Content-Type");
  return std::nullopt;
}

// Previews of links ask so; the link is for whoever opens it.
HttpReply looked_at_link() {
  auto reply = problem(405, "unknown_op", "this link opens once, by GET");
  reply.headers.emplace_back("Allow", kLinkTakes);
  return reply;
}

// What an answer of admin.sock is over HTTP.
int status_of(const json& answer) {
  const auto error = answer.find("error");
  if (error == answer.end()) return 200;
  const auto code = error->is_string() ? error->get<std::string>() : std::string{};
  if (code == "not_allowed") return 403;
  if (code.starts_with("unknown") || code == "not_found") return 404;
  if (code == "bad_request") return 400;
  const auto exit = answer.value("exit", 1);
  return exit == 3 || exit == 5 ? 503 : 409;
}

}  // namespace

bool is_ops_action(std::string_view what) {
  const auto* known = find_admin_request(what);
  return known != nullptr && known->on_page;
}

OpsFace::OpsFace(caf::actor port, std::shared_ptr<OpsDoor> door, int port_number)
    : port_(std::move(port)),
      door_(std::move(door)),
      cookie_name_("stampede_ops_" + std::to_string(port_number)),
      files_(web::ops_pages()) {}

bool OpsFace::take(const HttpRequest& request, HttpRespond& respond) {
  if (auto file = files_.answer(request)) {
    respond(std::move(*file));
  } else if (request.target == "/login") {
    if (performs(request, "GET", kLinkTakes, respond))
      respond(request.headers_only ? looked_at_link() : log_in(request));
  } else if (request.target == "/v1/ops") {
    if (performs(request, "GET", kReads, respond)) respond(about(request));
  } else if (request.target == "/v1/ops/logout") {
    if (performs(request, "POST", kTakes, respond)) respond(log_out(request));
  } else if (request.target == "/v1/ops/actions") {
    if (performs(request, "POST", kTakes, respond)) act(request, respond);
  } else {
    return false;
  }
  return true;
}

std::string OpsFace::cookie(std::string_view session, std::string_view rest) const {
  return cookie_name_ + "=" + std::string(session) + "; Path=/; HttpOnly; SameSite=Strict" +
         std::string(rest);
}

std::string_view OpsFace::cookie_of(const HttpRequest& request) const {
  auto rest = request.header("cookie");  // a browser sends one line
  while (!rest.empty()) {
    const auto end = std::min(rest.find(';'), rest.size());
    const auto pair = without_blanks(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (pair.starts_with(cookie_name_ + "=")) return pair.substr(cookie_name_.size() + 1);
  }
  return {};
}

bool OpsFace::is_operator(const HttpRequest& request) const {
  constexpr std::string_view kScheme = "bearer ";
  const auto said = request.header("authorization");
  if (said.size() > kScheme.size() && same_name(said.substr(0, kScheme.size()), kScheme))
    return door_->is_token(without_blanks(said.substr(kScheme.size())));
  return door_->is_session(cookie_of(request));
}

HttpReply OpsFace::log_in(const HttpRequest& request) const {
  const auto code = sole_value(request.query, "code").value;
  const auto session = door_->open(code.value_or(""), OpsDoor::Clock::now());
  if (session.empty()) {
    log_audit("ops: a log-in from " + address_text(request.peer) + " with a code that is none");
    return problem(403, "not_allowed",
                   "this link was used already, or is older than two minutes: `stampede ops` "
                   "prints a new one",
                   "code");
  }
  log_audit("ops: logged in from " + address_text(request.peer));
  HttpReply reply;
  reply.status = 303;
  reply.content_type.clear();
  reply.headers.emplace_back("Location", "/");
  reply.headers.emplace_back("Set-Cookie", cookie(session, ""));
  return reply;
}

HttpReply OpsFace::about(const HttpRequest& request) const {
  json actions = json::array();
  for (const auto& one : kAdminRequests)
    if (one.on_page) actions.push_back(one.name);
  return json_reply(200, {{"signed_in", is_operator(request)}, {"actions", std::move(actions)}});
}

HttpReply OpsFace::log_out(const HttpRequest& request) const {
  if (auto refused = foreign(request)) return std::move(*refused);
  door_->close(cookie_of(request));
  HttpReply reply;
  reply.status = 204;
  reply.headers.emplace_back("Set-Cookie", cookie("", "; Max-Age=0"));
  return reply;
}

void OpsFace::act(const HttpRequest& request, HttpRespond& respond) {
  if (auto refused = foreign(request)) return respond(std::move(*refused));
  if (!is_operator(request)) {
    log_audit("ops: an action from " + address_text(request.peer) + " without the token");
    return respond(not_in());
  }
  auto asked = read_request_line(request.body);
  if (!asked) return respond(problem(400, "bad_request", "the body is no JSON object"));
  const auto what = asked->find("do");
  const bool known = what != asked->end() && what->is_string() &&
                     is_ops_action(what->get_ref<const std::string&>());
  if (!known)
    return respond(problem(400, "bad_request", "do is none of what this page may do", "do"));
  if (waiting_.size() >= kWaitingMax)
    return respond(problem(503, "overloaded", "too many actions wait for their answers"));
  const auto number = ++last_number_;
  waiting_.emplace(
      number, Waiting{std::move(respond), asked->dump() + " from " + address_text(request.peer)});
  caf::anon_send(port_,
                 OpsAskPtr(std::make_shared<OpsAsk>(OpsAsk{self_, number, std::move(*asked)})));
}

void OpsFace::on_done(const OpsDone& done) {
  auto entry = waiting_.extract(done.number);
  if (!entry) return;
  auto answer = json::parse(*done.line, nullptr, false);
  const int status = answer.is_object() ? status_of(answer) : 500;
  const auto& waiting = entry.mapped();
  log_audit("ops: " + waiting.what + ": " +
            (status == 200 ? std::string("done") : answer.value("message", std::string("failed"))));
  if (status != 200 && answer.is_object()) answer["code"] = answer["error"];
  waiting.respond(json_reply(status, answer));
}

}  // namespace stampede::actors
