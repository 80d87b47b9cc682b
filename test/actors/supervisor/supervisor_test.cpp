// Whole processes: a supervisor and its nodes, killed, stopped and misled.

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "test/actors/supervisor/supervised_system.h"
#include "test/support/eventually.h"

using nlohmann::json;
using stampede::test::eventually;
using stampede::test::SupervisedSystem;

namespace {

constexpr const char* kBrokerOnly = "broker=1";
constexpr const char* kTwo = "broker=1,webapp=1";

std::string last_exit(const SupervisedSystem& system, const std::string& name) {
  const json entry = system.node(name);
  return entry.is_object() ? entry.value("last_exit", std::string{}) : std::string{};
}

}  // namespace

TEST_CASE("a node that is killed is started again") {
  SupervisedSystem system(kBrokerOnly);
  REQUIRE(system.ready("broker-1"));
  for (int kills = 1; kills <= 3; ++kills) {
    const pid_t before = system.pid("broker-1");
    REQUIRE(::kill(before, SIGKILL) == 0);
    REQUIRE(system.ready("broker-1", before));
    CHECK(system.node("broker-1")["restarts"] == kills);
  }
  CHECK(last_exit(system, "broker-1").starts_with("SIGKILL"));
}

TEST_CASE("a node that is stopped by SIGSTOP is killed and started again") {
  SupervisedSystem system(kBrokerOnly);
  REQUIRE(system.ready("broker-1"));
  const pid_t before = system.pid("broker-1");
  REQUIRE(::kill(before, SIGSTOP) == 0);
  REQUIRE(system.ready("broker-1", before));
  CHECK(last_exit(system, "broker-1").find("no heartbeat for") != std::string::npos);
}

TEST_CASE("a node whose configuration is wrong waits for the operator") {
  SupervisedSystem system(kTwo);
  REQUIRE(system.ready("broker-1"));
  REQUIRE(system.ready("webapp-1"));
  // What was accepted is written by the supervisor alone; somebody else did.
  const auto file = system.config().run_dir / "config.accepted.toml";
  std::ofstream(file) << "nonsense = 1\n";
  const pid_t before = system.pid("broker-1");
  REQUIRE(::kill(before, SIGKILL) == 0);
  REQUIRE(eventually([&] { return system.state("broker-1") == "waiting_operator"; }));
  CHECK(last_exit(system, "broker-1").starts_with("exit 78: "));
  CHECK(last_exit(system, "broker-1").find("nonsense") != std::string::npos);
  CHECK(system.state("webapp-1") == "ready");

  std::filesystem::remove(file);
  CHECK(system.ask({{"do", "start"}, {"node", "broker-1"}}) == json{{"ok", true}});
  CHECK(system.ready("broker-1", before));
}

TEST_CASE("an edit of the configuration reaches no node that is started again") {
  SupervisedSystem system(kBrokerOnly);
  REQUIRE(system.ready("broker-1"));
  std::ofstream(system.config().run_dir / "stampede.toml") << "[broker\n";
  const pid_t before = system.pid("broker-1");
  REQUIRE(::kill(before, SIGKILL) == 0);
  CHECK(system.ready("broker-1", before));
  CHECK(system.run({"status"}) == 0);
}

TEST_CASE("nodes outlive their supervisor and are adopted by the next") {
  SupervisedSystem system(kTwo, true);
  REQUIRE(system.ready("broker-1"));
  REQUIRE(system.ready("webapp-1"));
  const pid_t broker = system.pid("broker-1");
  const pid_t webapp = system.pid("webapp-1");
  const pid_t supervisor = system.pid("supervisor-1");
  REQUIRE(::kill(supervisor, SIGKILL) == 0);
  CHECK(system.run({"status"}) == 0);  // an operator waits for the next one
  REQUIRE(system.ready("supervisor-1", supervisor));
  REQUIRE(system.ready("broker-1"));
  REQUIRE(system.ready("webapp-1"));
  CHECK(system.pid("broker-1") == broker);
  CHECK(system.pid("webapp-1") == webapp);
  CHECK(system.node("broker-1")["restarts"] == 0);

  // An adopted node is watched like any other.
  REQUIRE(::kill(broker, SIGKILL) == 0);
  CHECK(system.ready("broker-1", broker));
}

TEST_CASE("a node that dies together with its supervisor is started once") {
  SupervisedSystem system(kBrokerOnly, true);
  REQUIRE(system.ready("broker-1"));
  const pid_t broker = system.pid("broker-1");
  const pid_t supervisor = system.pid("supervisor-1");
  REQUIRE(::kill(supervisor, SIGKILL) == 0);
  REQUIRE(::kill(broker, SIGKILL) == 0);
  REQUIRE(system.ready("supervisor-1", supervisor));
  REQUIRE(system.ready("broker-1", broker));
  CHECK(system.alive().size() == 3);  // the guard, too
}

TEST_CASE("SIGTERM stops every node and leaves no process") {
  SupervisedSystem system(kTwo, true);
  REQUIRE(system.ready("broker-1"));
  REQUIRE(system.ready("webapp-1"));
  REQUIRE(::kill(system.started_pid(), SIGTERM) == 0);
  CHECK(system.wait_for_end() == 0);
  CHECK(system.alive().empty());
}

TEST_CASE("a stop over admin.sock ends the guard as well") {
  SupervisedSystem system(kBrokerOnly, true);
  REQUIRE(system.ready("broker-1"));
  CHECK(system.ask({{"do", "stop"}}) == json{{"ok", true}});
  CHECK(system.wait_for_end() == 0);
  CHECK(system.run({"status"}) == 7);
  CHECK(system.alive().empty());
}

TEST_CASE("a second SIGTERM kills what does not stop") {
  SupervisedSystem system(kBrokerOnly);
  REQUIRE(system.ready("broker-1"));
  const pid_t broker = system.pid("broker-1");
  REQUIRE(::kill(broker, SIGSTOP) == 0);
  REQUIRE(::kill(system.started_pid(), SIGTERM) == 0);
  REQUIRE(eventually([&] { return system.state("supervisor-1") == "draining"; }));
  REQUIRE(::kill(system.started_pid(), SIGTERM) == 0);
  CHECK(system.wait_for_end() == 1);
  CHECK(eventually([&] { return system.alive().empty(); }));
}

TEST_CASE("there is one supervisor and one node of a name in a run directory") {
  SupervisedSystem system(kBrokerOnly);
  REQUIRE(system.ready("broker-1"));
  const pid_t broker = system.pid("broker-1");
  CHECK(system.run({"supervisor", "--nodes", kBrokerOnly}) == 75);
  CHECK(system.run({"supervisor", "--guard", "--nodes", kBrokerOnly}) == 75);
  CHECK(system.run({"broker"}) == 75);
  CHECK(system.pid("broker-1") == broker);
  CHECK(system.state("broker-1") == "ready");
}

TEST_CASE("failpoints are armed for a node's first start alone") {
  SupervisedSystem system(kBrokerOnly, false, {"STAMPEDE_FAILPOINTS=heartbeat=exit@3"});
  REQUIRE(eventually([&] {
    const json entry = system.node("broker-1");
    return entry.is_object() && entry["restarts"] == 1 && entry["state"] == "ready";
  }));
  const pid_t pid = system.pid("broker-1");
  // A hundred heartbeats later it is still the same process.
  REQUIRE(eventually([&] { return system.node("broker-1")["uptime_s"].get<double>() > 2; }));
  CHECK(system.pid("broker-1") == pid);
}

TEST_CASE("an actor that is killed takes its process with it, with exit code 70") {
  SupervisedSystem system(kBrokerOnly, false, {"STAMPEDE_DEV=true"});
  REQUIRE(system.ready("broker-1"));
  const pid_t before = system.pid("broker-1");
  const json unknown = system.ask({{"do", "kill"}, {"node", "broker-1"}, {"actor", "nobody"}});
  CHECK(unknown["exit"] == 2);
  REQUIRE(unknown["actors"].is_array());
  CHECK(std::count(unknown["actors"].begin(), unknown["actors"].end(), json("port")) == 1);
  CHECK(system.pid("broker-1") == before);

  const json killed = system.ask({{"do", "kill"}, {"node", "broker-1"}, {"actor", "port"}});
  CHECK(killed["ok"] == true);
  REQUIRE(system.ready("broker-1", before));
  CHECK(last_exit(system, "broker-1").starts_with("exit 70: "));
  CHECK(system.node("broker-1")["restarts"] == 1);
}

TEST_CASE("an actor that returns on being killed ends its process with 70 too") {
  SupervisedSystem system{"webapp=1", false, {"STAMPEDE_DEV=true"}};
  REQUIRE(system.ready("webapp-1"));
  for (const char* actor : {"http", "port"}) {
    const pid_t before = system.pid("webapp-1");
    CHECK(system.ask({{"do", "kill"}, {"node", "webapp-1"}, {"actor", actor}})["ok"] == true);
    REQUIRE(system.ready("webapp-1", before));
    CHECK(last_exit(system, "webapp-1").starts_with("exit 70: "));
    CHECK(last_exit(system, "webapp-1").find(std::string("actor ") + actor) != std::string::npos);
  }
}

TEST_CASE("a port that is taken ends a supervisor with 6, behind a guard too") {
  SupervisedSystem system(kBrokerOnly);
  REQUIRE(system.ready("broker-1"));
  const std::string other = (system.config().run_dir / "other").string();
  CHECK(system.run({"--run-dir", other, "supervisor", "--nodes", kBrokerOnly}) == 6);
  CHECK(system.run({"--run-dir", other, "supervisor", "--guard", "--nodes", kBrokerOnly}) == 6);
  CHECK(system.state("broker-1") == "ready");
}

TEST_CASE("a pause ends by itself, and undo ends it sooner") {
  SupervisedSystem system(kBrokerOnly, false, {"STAMPEDE_DEV=true"});
  REQUIRE(system.ready("broker-1"));
  const pid_t before = system.pid("broker-1");
  const auto beats = [&] { return system.node("broker-1").value("heartbeat_age_ms", 1000); };
  for (const bool undone : {false, true}) {
    CAPTURE(undone);
    const int time = undone ? 600'000 : 20;
    CHECK(system.ask({{"do", "pause"}, {"node", "broker"}, {"for_ms", time}})["pid"] == before);
    if (undone) CHECK(system.ask({{"do", "undo"}})["ok"] == true);
    CHECK(eventually([&] { return beats() < 50; }));
  }
  CHECK(system.pid("broker-1") == before);
}

TEST_CASE("failpoints are armed in a running node, and for single later starts") {
  SupervisedSystem system(kBrokerOnly, false, {"STAMPEDE_DEV=true"});
  REQUIRE(system.ready("broker-1"));
  json request = {{"do", "failpoints"}, {"node", "broker-1"}, {"arm", "heartbeat=explode"}};
  CHECK(system.ask(request)["exit"] == 2);
  request["next_start"] = true;
  for (const char* odd : {"zz=kill", "heartbeat=kill@-1", "heartbeat"}) {
    request["arm"] = odd;
    CHECK(system.ask(request)["field"] == "arm");
  }
  request["arm"] = "heartbeat=kill@3";
  CHECK(system.ask(request)["ok"] == true);
  CHECK(system.ask(request)["ok"] == true);
  request["next_start"] = false;
  CHECK(system.ask(request)["ok"] == true);
  // The running process dies, then two that were started with the point armed.
  CHECK(eventually([&] { return system.node("broker-1").value("restarts", 0) == 3; }));
  CHECK(system.ready("broker-1"));
  CHECK(system.node("broker-1").value("restarts", 0) == 3);
}

TEST_CASE("chaos is refused unless dev is on, and names are checked") {
  SupervisedSystem guarded(kBrokerOnly);
  REQUIRE(guarded.ready("broker-1"));
  const pid_t before = guarded.pid("broker-1");
  CHECK(guarded.run({"chaos", "kill", "broker-1"}) == 6);
  CHECK(guarded.run({"chaos", "pause", "broker-1", "--for", "1s"}) == 6);
  CHECK(guarded.run({"chaos", "crash", "backend", "--at", "decided"}) == 6);
  CHECK(guarded.run({"chaos", "db", "--stop", "1s"}) == 6);
  CHECK(guarded.run({"chaos", "disk", "--full"}) == 6);
  CHECK(guarded.run({"chaos", "monkey", "--every", "1s", "--for", "1s"}) == 6);
  CHECK(guarded.run({"chaos", "undo"}) == 6);
  CHECK(guarded.run({"chaos", "list"}) == 0);
  CHECK(guarded.pid("broker-1") == before);

  SupervisedSystem open(kBrokerOnly, false, {"STAMPEDE_DEV=true"});
  REQUIRE(open.ready("broker-1"));
  const pid_t victim = open.pid("broker-1");
  CHECK(open.run({"chaos", "kill", "nobody"}) == 2);
  CHECK(open.run({"chaos", "kill", "broker-1"}) == 0);
  CHECK(open.pid("broker-1") != victim);  // who looks now sees no node that is gone
  CHECK(open.ready("broker-1", victim));
}

TEST_CASE("tools tell a system that runs from one that does not") {
  SupervisedSystem system(kBrokerOnly);
  REQUIRE(system.ready("broker-1"));
  CHECK(system.run({"health"}) == 3);  // without a backend no order would be decided
  CHECK(system.run({"status"}) == 0);
  CHECK(system.run({"item", "list"}) == 3);  // this supervisor runs no backend
  REQUIRE(::kill(system.started_pid(), SIGTERM) == 0);
  CHECK(system.wait_for_end() == 0);
  CHECK(system.run({"health"}) == 3);
  CHECK(system.run({"status"}) == 7);
  CHECK(system.run({"item", "stock", "1", "-5"}) == 7);
  CHECK(system.run({"nonsense"}) == 2);
}

TEST_CASE("bad lines on admin.sock are answered and change nothing") {
  SupervisedSystem system(kBrokerOnly);
  REQUIRE(system.ready("broker-1"));
  CHECK(system.ask(json::array({1}))["error"] == "bad_request");
  CHECK(system.ask({{"do", "nonsense"}})["error"] == "unknown_op");
  CHECK(system.ask({{"do", 5}})["error"] == "bad_request");
  CHECK(system.ask({{"do", 5}})["message"] == "do must be a text");
  CHECK(system.ask({{"do", "start"}, {"node", "nobody"}})["exit"] == 2);
  for (const char* what : {"stop", "drain", "undrain", "config_reload", "status", "start",
                           "restart", "items", "books"}) {
    const json odd = system.ask({{"do", what}, {"bogus", 1}});
    CHECK((odd["exit"] == 2 && odd["field"] == "bogus"));
  }
  for (const char* what : {"drain", "undrain", "status"})
    CHECK(system.ask({{"do", what}, {"node", "webapp-1"}})["field"] == "node");
  CHECK(system.state("broker-1") == "ready");
}

TEST_CASE("a node that was stopped stays so, whoever crashes, until it is started") {
  SupervisedSystem system(kTwo, true);
  REQUIRE(system.ready("broker-1"));
  REQUIRE(system.ready("webapp-1"));
  const pid_t webapp = system.pid("webapp-1");
  CHECK(system.ask({{"do", "stop"}, {"node", "webapp-1"}})["ok"] == true);
  REQUIRE(eventually([&] { return system.state("webapp-1") == "stopped"; }));
  CHECK(last_exit(system, "webapp-1") == "exit 0: stopped by the operator");
  const pid_t supervisor = system.pid("supervisor-1");
  REQUIRE(::kill(supervisor, SIGKILL) == 0);
  REQUIRE(system.ready("supervisor-1", supervisor));
  REQUIRE(system.ready("broker-1"));
  CHECK(system.state("webapp-1") == "stopped");
  CHECK(system.ask({{"do", "start"}, {"node", "webapp-1"}}) == json{{"ok", true}});
  REQUIRE(system.ready("webapp-1", webapp));
  const pid_t second = system.pid("webapp-1");
  CHECK(system.ask({{"do", "restart"}, {"node", "webapp"}})["node"] == "webapp-1");
  REQUIRE(system.ready("webapp-1", second));
  CHECK(last_exit(system, "webapp-1") == "exit 0: restarted by the operator");
  CHECK(system.ask({{"do", "stop"}, {"node", "nobody"}})["exit"] == 2);
}

TEST_CASE("a recovery is told with its cause, and a stop that was asked for is none") {
  SupervisedSystem system(kTwo);
  REQUIRE(system.ready("broker-1"));
  REQUIRE(system.ready("webapp-1"));
  const pid_t before = system.pid("broker-1");
  REQUIRE(::kill(before, SIGKILL) == 0);
  REQUIRE(system.ready("broker-1", before));
  CHECK(system.ask({{"do", "stop"}, {"node", "webapp-1"}})["ok"] == true);
  REQUIRE(eventually([&] { return system.state("webapp-1") == "stopped"; }));
  const json list = system.ask({{"do", "recoveries"}})["recoveries"];
  REQUIRE(list.size() == 1);
  CHECK(list[0]["node"] == "broker-1");
  CHECK(list[0]["cause"] == "SIGKILL");
  CHECK(list[0]["duration_ms"].get<int>() > 0);
  CHECK(list[0]["ended_at"].get<std::string>().ends_with("Z"));
}

TEST_CASE("what an operator wanted ends with the system that he stopped") {
  SupervisedSystem system(kTwo);
  REQUIRE(system.ready("webapp-1"));
  CHECK(system.ask({{"do", "drain"}})["drained"] == true);
  const auto file = system.config().run_dir / "operator.json";
  CHECK(std::filesystem::exists(file));
  REQUIRE(eventually([&] { return system.node("webapp-1")["orders_refused"] == true; }));
  CHECK(system.ask({{"do", "undrain"}})["drained"] == false);
  CHECK_FALSE(std::filesystem::exists(file));
  REQUIRE(eventually([&] { return system.node("webapp-1")["orders_refused"] == false; }));
  CHECK(system.ask({{"do", "drain"}})["drained"] == true);
  CHECK(system.ask({{"do", "stop"}}) == json{{"ok", true}});
  CHECK(system.wait_for_end() == 0);
  CHECK_FALSE(std::filesystem::exists(file));
}
