#include "actors/supervisor/supervisor_http.h"

#include "actors/http/http_conditions.h"
#include "config/process/utc_text.h"
#include "config/process/version.h"

namespace stampede::actors {
namespace {

using nlohmann::json;

HttpReply reply(int status, const json& body) {
  HttpReply made;
  made.status = status;
  made.body = body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  return made;
}

bool alive(const json& node) {
  const auto state = node.value("state", std::string{});
  return state == "ready" || state == "starting" || state == "replaying" || state == "draining";
}

// Why a node that runs well must refuse everything; empty: it need not.
std::string refuses(const json& node) {
  const auto why = node.find("refuses");
  return why != node.end() && why->is_string() ? why->get<std::string>() : std::string{};
}

bool ready(const json& node) {
  return node.value("state", std::string{}) == "ready" && refuses(node).empty();
}

// What is not well though the nodes are ready, and what to do: whoever asks for the system's health
// is told.
json notes_of(const json& nodes, const json& log, const json& database) {
  json notes = json::array();
  const auto note = [&](const json& node, const std::string& what) {
    notes.push_back(node.at("node").get<std::string>() + ": " + what);
  };
  for (const json& node : nodes) {
    if (const auto what = node.find("short_of"); what != node.end() && what->is_string())
      note(node, what->get<std::string>());
    if (const auto clock = node.find("clock"); clock != node.end() && clock->is_object())
      note(node, clock->value("note", std::string{}));
  }
  if (const auto missing = log.find("missing"); missing != log.end() && missing->is_string())
    notes.push_back(missing->get<std::string>());
  if (const auto why = database.find("why"); why != database.end())
    notes.push_back("the database is " + database.at("state").get<std::string>() + ": " +
                    why->get<std::string>());
  if (const auto failed = database.find("failed"); failed != database.end() && *failed > 0)
    notes.push_back(failed->dump() + (*failed == 1 ? " command" : " commands") +
                    " failed in the database and the rows are missing there: mend what the log of "
                    "backend-1 names, then run: stampede log retry");
  for (const json& unsafe : database.value("unsafe", json::array()))
    notes.push_back("committed rows may be lost when the database's machine crashes: " +
                    unsafe.get<std::string>());
  return notes;
}

// The members of a node's entry that a health check shows.
json summary(const json& node) {
  json made = {{"node", node.at("node")}, {"state", node.at("state")}};
  for (const char* member : {"replay", "refuses", "last_exit"}) {
    if (node.contains(member) && !node[member].is_null()) made[member] = node[member];
  }
  return made;
}

HttpReply health(const json& nodes, const json& notes, bool readiness) {
  bool good = true;
  json list = json::array();
  for (const json& node : nodes) {
    good = good && (readiness ? ready(node) : alive(node));
    list.push_back(summary(node));
  }
  const char* name = readiness ? "ready" : "alive";
  json body = {{name, good}, {"nodes", list}};
  if (!notes.empty()) body["notes"] = notes;
  return reply(good ? 200 : 503, body);
}

}  // namespace

json system_status(std::vector<json> nodes, const json& system_view, std::int64_t drained_ms) {
  json status = {{"version", kVersion}, {"nodes", std::move(nodes)}};
  status["drained_at"] = drained_ms == 0 ? json(nullptr) : json(config::utc_text(drained_ms));
  status["items"] = system_view.value("items", json::array());
  if (!system_view.contains("items")) status["items_told"] = false;
  status["log"] = system_view.value("log", json{{"durable_lsn", nullptr},
                                                {"pending_commands", nullptr},
                                                {"bytes", nullptr},
                                                {"segments", nullptr},
                                                {"snapshot", nullptr},
                                                {"parked", json::array()}});
  status["database"] = system_view.value(
      "database", json{{"state", "unknown"}, {"lag_s", nullptr}, {"failed", nullptr}});
  status["notes"] = notes_of(status["nodes"], status["log"], status["database"]);
  if (drained_ms != 0)
    status["notes"].push_back("orders are refused since " + config::utc_text(drained_ms) +
                              ": drained by the operator; stampede undrain ends it");
  return status;
}

std::optional<HttpReply> refuse_write(const HttpRequest& request) {
  return refuse_method(request, "GET", kReads);
}

bool is_health_path(std::string_view path) {
  return path == "/healthz" || path == "/readyz";
}

HttpReply answer_http(const HttpRequest& request, const StatusPage& page) {
  const bool health_path = is_health_path(request.target);
  if (!health_path && request.target != "/status" && request.target != "/version") {
    return problem(404, "bad_request",
                   "there is /status, /healthz, /readyz, /version, /metrics and /v1/history");
  }
  if (auto refused = refuse_write(request)) return std::move(*refused);
  if (request.target == "/status") {
    HttpReply made;
    made.shared_body = page.line;
    return made;
  }
  json nodes = json::array();
  const auto node_asked = sole_value(request.query, "node");
  if (node_asked.times > 1) return problem(400, "bad_request", "?node= is there twice", "node");
  const std::string wanted = node_asked.value.value_or("");  // empty: the whole system
  for (const json& node : page.status.at("nodes")) {
    if (wanted.empty() || node.at("node") == wanted) nodes.push_back(node);
  }
  if (nodes.empty()) return problem(404, "bad_request", "there is no such node; see /status");
  if (health_path)
    return health(nodes, page.status.value("notes", json::array()), request.target == "/readyz");
  // All nodes are the same binary.
  return reply(200, {{"version", kVersion}, {"proto", 1}});
}

}  // namespace stampede::actors
