#include "actors/supervisor/supervisor_http.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "actors/supervisor/supervisor.h"

using namespace stampede::actors;
using nlohmann::json;

namespace {

json node(const std::string& name, const std::string& state) {
  return {{"node", name}, {"state", state}, {"last_exit", nullptr}};
}

HttpReply get(const std::string& target, const std::string& query, const json& status,
              const std::string& method = "GET") {
  HttpRequest request;
  request.method = method;
  request.target = target;
  request.query = parse_query(query).value();
  return answer_http(request, {status, std::make_shared<const std::string>(status.dump() + "\n")});
}

json replaying_system() {
  json backend = node("backend-1", "replaying");
  backend["replay"] = {{"done_bytes", 68}, {"total_bytes", 100}};
  return system_status({node("supervisor-1", "ready"), node("webapp-1", "ready"), backend},
                       json::object());
}

}  // namespace

TEST_CASE("replaying is alive and not ready, with progress") {
  const json status = replaying_system();
  CHECK(get("/healthz", "node=backend-1", status).status == 200);
  const HttpReply reply = get("/readyz", "node=backend-1", status);
  CHECK(reply.status == 503);
  CHECK(json::parse(reply.body)["nodes"][0]["replay"]["done_bytes"] == 68);
  CHECK(get("/readyz", "", status).status == 503);
  CHECK(get("/readyz", "node=webapp-1", status).status == 200);
}

TEST_CASE("a node without a process is neither alive nor ready") {
  for (const char* state : {"backing_off", "waiting_operator", "stopped"}) {
    const json status = system_status({node("broker-1", state)}, json::object());
    CHECK(get("/healthz", "", status).status == 503);
    CHECK(get("/readyz", "", status).status == 503);
  }
}

TEST_CASE("the system is ready when every node is") {
  const json status =
      system_status({node("broker-1", "ready"), node("backend-1", "ready")}, json::object());
  CHECK(get("/readyz", "", status).status == 200);
}

TEST_CASE("a clock that has stepped is no reason to be unready, and is told") {
  json backend = node("backend-1", "ready");
  backend["clock"] = nullptr;
  CHECK(system_status({backend}, json::object())["notes"].empty());
  backend["clock"] = {{"ahead_s", 3600.0}, {"note", "the wall clock has stepped"}};
  const json status = system_status({backend}, json::object());
  CHECK(status["notes"] == json::array({"backend-1: the wall clock has stepped"}));
  for (const char* path : {"/healthz", "/readyz"}) {
    const HttpReply reply = get(path, "", status);
    CHECK(reply.status == 200);
    CHECK(json::parse(reply.body)["notes"] == status["notes"]);
  }
}

TEST_CASE("the rest of the paths") {
  const json status = replaying_system();
  CHECK(json::parse(*get("/status", "", status).shared_body) == status);
  CHECK(get("/healthz", "n%6fde=backend-1", status).status == 200);
  CHECK(json::parse(get("/version", "node=backend-1", status).body)["version"].is_string());
  CHECK(get("/version", "node=backend-9", status).status == 404);
  CHECK(get("/healthz", "a=b&node=nobody", status).status == 404);
  CHECK(get("/readyz", "node=webapp-1&node=backend-1", status).status == 400);
  CHECK(get("/other", "", status).status == 404);
  CHECK(get("/status", "", status, "POST").status == 405);
}

TEST_CASE("a path says what it takes, where there is one") {
  const json status = replaying_system();
  for (const char* path : {"/status", "/healthz", "/readyz", "/version"}) {
    for (const auto& [method, code] : {std::pair{"OPTIONS", 204}, std::pair{"POST", 405}}) {
      const auto reply = get(path, "", status, method);
      CHECK(reply.status == code);
      const std::pair<std::string, std::string> allow{"Allow", "GET, HEAD, OPTIONS"};
      CHECK((reply.headers.size() == 1 && reply.headers[0] == allow));
    }
  }
  CHECK(get("/other", "", status, "OPTIONS").status == 404);
  CHECK(get("/other", "", status, "POST").status == 404);
}

TEST_CASE("failed commands are named with what helps") {
  const auto notes = [](json failed) {
    return system_status({},
                         {{"database", {{"state", "ok"}, {"failed", std::move(failed)}}}})["notes"];
  };
  CHECK(notes(0).empty());
  CHECK(notes(nullptr).empty());
  REQUIRE(notes(2).size() == 1);
  const auto note = notes(2)[0].get<std::string>();
  CHECK(note.starts_with("2 commands failed in the database"));
  CHECK(note.ends_with("then run: stampede log retry"));
}

TEST_CASE("status has the members of the contract before a backend was heard") {
  const json status = system_status({}, json::object());
  CHECK(status["items"] == json::array());
  CHECK(status["items_told"] == false);  // there may be many
  for (const char* member : {"durable_lsn", "pending_commands", "bytes", "segments"}) {
    CHECK(status["log"].contains(member));
  }
  for (const char* member : {"state", "lag_s", "failed"}) {
    CHECK(status["database"].contains(member));
  }
}

TEST_CASE("items are what a backend has told, none of them too") {
  const json one = json::array({{{"item", 1}, {"left", 2}}});
  CHECK(system_status({}, {{"items", one}})["items"] == one);
  const auto none = system_status({}, {{"items", json::array()}});
  CHECK((none["items"] == json::array() && !none.contains("items_told")));
}

TEST_CASE("--nodes is a list of roles and numbers") {
  const auto good = parse_nodes("webapp=2,backend=1");
  REQUIRE(std::holds_alternative<std::vector<NodeCount>>(good));
  const auto& nodes = std::get<std::vector<NodeCount>>(good);
  REQUIRE(nodes.size() == 3);
  CHECK(nodes[0].count == 2);
  CHECK(nodes[1].count == 0);
  CHECK(nodes[2].count == 1);
  for (const char* bad : {"", "webapp", "webapp=", "webapp=x", "webapp=-1", "webapp=17", "broker=2",
                          "other=1", "webapp=1,", "webapp=1 "}) {
    CHECK(std::holds_alternative<std::string>(parse_nodes(bad)));
  }
}
