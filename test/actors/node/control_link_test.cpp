// A node's control link against a supervisor that the test plays.

#include "actors/node/control_link.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "actors/node/node.h"
#include "actors/node/socket_directory.h"
#include "actors/protocol/envelope.h"
#include "test/support/eventually.h"

using namespace stampede;
using namespace stampede::actors;
using nlohmann::json;
using test::eventually;

namespace {

// What the node's handlers saw. Written by the port's thread.
struct Seen {
  std::mutex mutex;
  std::vector<json> commands;  // guarded by mutex
  std::atomic<Phase> wanted{Phase::invalid};
};

class LinkedRole : public transport::PortRole {
 public:
  LinkedRole(NodeRuntime& node, std::shared_ptr<Seen> seen)
      : seen_(std::move(seen)),
        link_(node, {[](json& report) { report["progress"] = 42; },
                     [this](Phase wanted) { seen_->wanted = wanted; },
                     [this](std::uint64_t number, const json& command) { take(number, command); },
                     [](json& metrics) { metrics["told"] = 1; }}) {}
  void start(transport::PortControl& port) override {
    link_.start(port);
    link_.set_phase(Phase::serving);
  }
  caf::message_handler mail(transport::PortControl&) override { return caf::message_handler{}; }
  void on_message(transport::PortControl& port, transport::SocketId id,
                  transport::Message& parts) override {
    link_.on_message(port, id, parts);
  }
  void on_timer(transport::PortControl& port) override { link_.on_timer(port); }
  void finish(transport::PortControl& port) override { link_.finish(port); }

 private:
  void take(std::uint64_t number, const json& command) {
    {
      const std::lock_guard lock(seen_->mutex);
      seen_->commands.push_back(command);
    }
    if (command.value("late", false)) {
      late_ = number;
    } else {
      link_.reply(number, {{"done", command.at("what")}});
    }
    if (command.value("then_late", false)) link_.reply(late_, {{"done", "of another"}});
  }
  std::shared_ptr<Seen> seen_;
  std::uint64_t late_ = 0;  // answered after the next command
  ControlLink link_;
};

struct CafConfig : caf::actor_system_config {
  CafConfig() {
    set("scheduler.max-threads", 1);
    set("scheduler.policy", caf::atom("sharing"));
  }
};

// The node under test and the supervisor's two sockets.
class LinkFixture {
 public:
  LinkFixture() {
    std::string path = (std::filesystem::temp_directory_path() / "stampede-XXXXXX").string();
    REQUIRE(::mkdtemp(path.data()) != nullptr);
    NodeOptions options;
    options.role = "broker";
    options.config.run_dir = path;
    options.config.supervisor.heartbeat_ms = 20;
    directory_ = path;
    REQUIRE(make_socket_directory({false, "127.0.0.1", 7100, path}).empty());
    node_ = std::make_unique<NodeRuntime>(std::move(options), 77, system_, context_);
    reports_ = open(transport::SocketKind::pull, transport::Channel::reports);
    wanted_ = open(transport::SocketKind::pub, transport::Channel::wanted);
    seen = std::make_shared<Seen>();
    port_ = node_->spawn_actor<transport::PortActor>({"port"}, &context_,
                                                     std::make_unique<LinkedRole>(*node_, seen));
  }
  ~LinkFixture() {
    end();
    reports_.reset();
    wanted_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  void end() {
    node_->request_stop();
    caf::anon_send_exit(port_, caf::exit_reason::user_shutdown);
    node_->await_actors();
  }

  void send(std::uint64_t instance, Phase phase, const json& commands, std::uint64_t supervisor) {
    transport::Envelope envelope;
    envelope.kind = transport::EnvelopeKind::wanted;
    envelope.sender = supervisor;
    std::string body;
    json::to_msgpack({{"instance", instance},
                      {"phase", static_cast<std::uint16_t>(phase)},
                      {"commands", commands}},
                     body);
    transport::Message parts;
    parts.emplace_back("broker-1/");
    parts.emplace_back(transport::encode(envelope));
    parts.emplace_back(body);
    CHECK(wanted_->send(parts));
  }

  // The next heartbeat, or empty when none waits.
  std::optional<json> report() {
    transport::Message parts;
    if (!reports_->receive(parts)) return std::nullopt;
    REQUIRE(parts.size() == 2);
    return json::from_msgpack(parts[1].bytes());
  }

  // Repeats a wanted message, as a supervisor does, until `number` is answered.
  std::optional<json> answer_of(std::uint64_t number, const json& command,
                                std::uint64_t instance = 0, std::uint64_t supervisor = 9) {
    std::optional<json> found;
    const bool heard = eventually([&] {
      send(instance, Phase::serving, {{{"number", number}, {"command", command}}}, supervisor);
      while (const auto beat = report()) {
        for (const json& reply : beat->at("replies")) {
          if (reply.at("number") == number && reply.at("supervisor") == supervisor)
            found = reply.at("reply");
        }
      }
      return found.has_value();
    });
    return heard ? found : std::nullopt;
  }

  std::size_t commands_seen() const {
    const std::lock_guard lock(seen->mutex);
    return seen->commands.size();
  }

  std::shared_ptr<Seen> seen;

 private:
  std::unique_ptr<transport::Socket> open(transport::SocketKind kind, transport::Channel channel) {
    transport::SocketOptions options;
    options.kind = kind;
    options.bind = true;
    options.endpoint = node_->endpoint(channel);
    return std::make_unique<transport::Socket>(context_, options);
  }

  transport::Context context_;
  CafConfig config_;
  caf::actor_system system_{config_};
  std::filesystem::path directory_;
  std::unique_ptr<NodeRuntime> node_;
  std::unique_ptr<transport::Socket> reports_;
  std::unique_ptr<transport::Socket> wanted_;
  caf::actor port_;
};

}  // namespace

TEST_CASE("heartbeats say who reports, in which phase, with the role's own members") {
  LinkFixture link;
  std::optional<json> beat;
  REQUIRE(eventually([&] {
    beat = link.report();
    return beat && beat->at("phase") == static_cast<std::uint16_t>(Phase::serving);
  }));
  CHECK(beat->at("node") == "broker-1");
  CHECK(beat->at("role") == "broker");
  CHECK(beat->at("pid") == ::getpid());
  CHECK(beat->at("instance") == 77);
  CHECK(beat->at("progress") == 42);
  CHECK(beat->at("actors") == json{"port"});
  REQUIRE(eventually([&] { return link.report().has_value(); }));  // and again
}

TEST_CASE("a repeated command is carried out once and answered again") {
  LinkFixture link;
  const json command = {{"do", "something"}, {"what", 5}};
  REQUIRE(link.answer_of(1, command) == json{{"done", 5}});
  REQUIRE(link.answer_of(1, command) == json{{"done", 5}});
  CHECK(link.commands_seen() == 1);
}

TEST_CASE("a new supervisor counts its commands anew") {
  LinkFixture link;
  REQUIRE(link.answer_of(1, {{"do", "x"}, {"what", 1}}, 0, 9) == json{{"done", 1}});
  REQUIRE(link.answer_of(1, {{"do", "x"}, {"what", 2}}, 0, 10) == json{{"done", 2}});
  CHECK(link.commands_seen() == 2);
}

TEST_CASE("an answer that comes after its supervisor's end closes no command of the next one") {
  LinkFixture link;
  REQUIRE(eventually([&] {
    link.send(0, Phase::serving,
              {{{"number", 1}, {"command", {{"do", "x"}, {"what", 1}, {"late", true}}}}}, 9);
    return link.commands_seen() == 1;
  }));
  const json next = {{"do", "x"}, {"what", 2}, {"then_late", true}};
  CHECK(link.answer_of(1, next, 0, 10) == json{{"done", 2}});
}

TEST_CASE("a command with a member of another type is refused, those beside it are carried out") {
  LinkFixture link;
  std::optional<json> odd;
  std::optional<json> good;
  REQUIRE(eventually([&] {
    link.send(0, Phase::serving,
              {{{"number", 1}, {"command", {{"do", 5}}}},
               {{"number", 2}, {"command", {{"do", "x"}, {"what", 2}}}}},
              9);
    while (const auto beat = link.report()) {
      for (const json& reply : beat->at("replies")) {
        (reply.at("number") == 1 ? odd : good) = reply.at("reply");
      }
    }
    return odd && good;
  }));
  CHECK(odd->at("error") == "bad_request");
  CHECK(*good == json{{"done", 2}});
}

TEST_CASE("what is addressed to another process is ignored") {
  LinkFixture link;
  const json command = {{"do", "x"}, {"what", 1}};
  link.send(78, Phase::draining, {{{"number", 1}, {"command", command}}}, 9);
  REQUIRE(link.answer_of(2, command, 77) == json{{"done", 1}});
  link.send(78, Phase::draining, json::array(), 9);
  REQUIRE(link.answer_of(3, command, 77) == json{{"done", 1}});
  CHECK(link.commands_seen() == 2);
  CHECK(link.seen->wanted == Phase::invalid);
}

TEST_CASE("the wanted phase is told once it changes") {
  LinkFixture link;
  REQUIRE(eventually([&] {
    link.send(0, Phase::draining, json::array(), 9);
    return link.seen->wanted == Phase::draining;
  }));
  REQUIRE(eventually([&] {
    link.send(0, Phase::serving, json::array(), 9);
    return link.seen->wanted == Phase::serving;
  }));
}

TEST_CASE("malformed control messages change nothing") {
  LinkFixture link;
  link.send(0, Phase::serving, "no list", 9);
  link.send(0, Phase::serving, {{{"number", "x"}}}, 9);
  link.send(0, Phase::serving, {1, 2}, 9);
  link.send(0, static_cast<Phase>(99), json::array(), 9);
  REQUIRE(link.answer_of(1, {{"do", "x"}, {"what", 1}}) == json{{"done", 1}});
  CHECK(link.commands_seen() == 1);
}

TEST_CASE("killing an unknown actor is answered with the names there are") {
  LinkFixture link;
  const auto answer = link.answer_of(1, {{"do", "kill_actor"}, {"actor", "nobody"}});
  REQUIRE(answer);
  CHECK(answer->at("exit") == 2);
  CHECK(answer->at("actors").is_array());
  CHECK(link.commands_seen() == 0);
}

TEST_CASE("the last heartbeat comes behind everything else, with metrics") {
  LinkFixture link;
  std::optional<json> beat;
  REQUIRE(eventually([&] {
    beat = link.report();
    return beat && !beat->contains("metrics");  // it is said once a second
  }));
  link.end();
  std::optional<json> last;
  REQUIRE(eventually([&] {
    while (const auto next = link.report()) last = next;
    return last && last->contains("metrics");
  }));
  CHECK(last->value("metrics", json::object()).value("told", 0) == 1);
}
