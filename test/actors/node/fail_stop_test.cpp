// Fail-stop: what the end of an actor means for its process. Each node is a child of the test, so
// that its end can be seen.

#include <doctest/doctest.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

#include "actors/node/exit_note.h"
#include "actors/node/node.h"
#include "actors/node/node_log.h"
#include "config/faults/failpoint.h"
#include "test/support/eventually.h"
#include "transport/zmq/socket_error.h"

using namespace stampede;
using namespace stampede::actors;
using test::eventually;

namespace {

constexpr int kLivedOn = 99;  // no exit code of a node
constexpr unsigned kPatience_s = 20;

// The end of a child in which all went as it should; its actors are not waited for.
[[noreturn]] void lives_on(bool good) {
  ::_exit(good ? kLivedOn : 1);
}

// What a listener does on its first mail; ends when it is told to.
class Listener : public SteadyActor {
 public:
  Listener(caf::actor_config& config, std::function<void()> on_mail)
      : SteadyActor(config), on_mail_(std::move(on_mail)) {}
  void act() override {
    bool running = true;
    while (running)
      receive([&](int) { on_mail_(); }, [&](const caf::exit_msg&) { running = false; },
              caf::others >> [](caf::message_view&) -> caf::result<caf::message> {
                return caf::sec::unexpected_message;
              });
  }

 private:
  std::function<void()> on_mail_;
};

// Ends as soon as it begins.
class Quick : public SteadyActor {
 public:
  Quick(caf::actor_config& config, std::function<void()> what)
      : SteadyActor(config), what_(std::move(what)) {}
  void act() override { what_(); }

 private:
  std::function<void()> what_;
};

struct Ended {
  int code = -1;
  std::string reason;  // of the exit note
  [[nodiscard]] bool says(const std::string& text) const {
    return reason.find(text) != std::string::npos;
  }
};

class RunDirectory {
 public:
  RunDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "stampede-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~RunDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

NodeOptions options_in(const RunDirectory& directory) {
  NodeOptions options;
  options.role = "broker";
  options.config.run_dir = directory.path();
  return options;
}

// Runs `live` in a process of its own.
Ended end_of_process(const RunDirectory& directory, const std::function<int()>& live) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::alarm(kPatience_s);
    ::_exit(live());
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  Ended ended;
  if (WIFEXITED(status)) ended.code = WEXITSTATUS(status);
  const auto note = read_exit_note(directory.path(), "broker-1");
  if (note && note->pid == child) ended.reason = note->reason;
  return ended;
}

Ended end_of_node(const std::function<void(NodeRuntime&, caf::actor_system&)>& live) {
  const RunDirectory directory;
  return end_of_process(directory, [&] {
    start_log("broker-1");
    transport::Context context;
    caf::actor_system_config config;
    config.set("scheduler.max-threads", 1);
    caf::actor_system system{config};
    NodeRuntime node(options_in(directory), 77, system, context);
    live(node, system);
    for (;;) ::pause();  // it ends by itself, or by the alarm
    return 0;
  });
}

Ended end_of_node(const std::function<void(NodeRuntime&)>& live) {
  return end_of_node([&](NodeRuntime& node, caf::actor_system&) { live(node); });
}

void nothing() {}

void await_stop(const NodeRuntime& node) {
  while (!node.stopping()) std::this_thread::yield();
}

}  // namespace

TEST_CASE("what an actor throws ends the process with 70 and stands in the exit note") {
  struct Case {
    std::function<void()> throws;
    int code;
    std::string said;
  };
  const std::vector<Case> cases{
      {[] { throw std::runtime_error("no such lane"); }, 70, "no such lane"},
      {[] { throw std::bad_alloc(); }, 70,
       "memory ran out: the container, ulimit -v or the machine gives no more"},
      {[] { throw 42; }, 70, "an unknown exception"},
      {[] { throw transport::SocketError("socket is odd", false); }, 70, "socket is odd"},
      {[] { throw transport::SocketError("address is taken", true); }, 6, "address is taken"}};
  for (const auto& one : cases) {
    CAPTURE(one.said);
    for (const bool task : {false, true}) {
      CAPTURE(task);
      const auto ended = end_of_node([&](NodeRuntime& node) {
        task ? node.spawn_task<Quick>("ann", one.throws)
             : node.spawn_actor<Quick>({"ann"}, one.throws);
      });
      CHECK(ended.code == one.code);
      CHECK(ended.reason == "actor ann threw: " + one.said);
    }
    const auto late = end_of_node([&](NodeRuntime& node) {
      caf::anon_send(node.spawn_actor<Listener>({"bob", "rob"}, one.throws), 1);
    });
    CHECK(late.code == one.code);
    CHECK(late.reason == "actor bob (rob) threw: " + one.said);
    const auto work = end_of_node([&](NodeRuntime& node) { node.spawn_work("eve", one.throws); });
    CHECK(work.code == one.code);
    CHECK(work.reason == "actor eve threw: " + one.said);
  }
}

TEST_CASE("an actor that ends unasked takes the process with it, a task that is done does not") {
  const auto actor =
      end_of_node([](NodeRuntime& node) { node.spawn_actor<Quick>({"ann"}, nothing); });
  CHECK(actor.code == 70);
  CHECK(actor.reason == "actor ann ended: unasked");
  const auto task = end_of_node([](NodeRuntime& node) {
    node.spawn_task<Quick>("ann", nothing);
    node.spawn_work("bob", nothing);
    const auto eve = node.spawn_actor<Listener>({"eve", "eva"}, nothing);
    const std::vector<std::string> lasting{"eve", "eva"};
    lives_on(eventually([&] { return node.actor_names() == lasting; }));
  });
  CHECK(task.code == kLivedOn);
}

TEST_CASE("a killed actor ends the process, whichever of its names was given") {
  for (const char* name : {"ann", "nan"}) {
    const auto ended = end_of_node([&](NodeRuntime& node) {
      node.spawn_actor<Listener>({"ann", "nan"}, nothing);
      if (!node.kill_actor(name)) lives_on(false);
    });
    CHECK(ended.code == 70);
    CHECK(ended.reason == "actor ann (nan) ended: killed");
  }
  const auto unknown = end_of_node([](NodeRuntime& node) {
    node.spawn_actor<Listener>({"ann"}, nothing);
    lives_on(!node.kill_actor("bob"));
  });
  CHECK(unknown.code == kLivedOn);
}

TEST_CASE("a task that returns on being killed, or cannot hear it, ends the process too") {
  const auto task = end_of_node([](NodeRuntime& node) {
    node.spawn_task<Listener>("ann", nothing);
    node.kill_actor("ann");
  });
  CHECK(task.code == 70);
  CHECK(task.reason == "actor ann ended: killed");
  const auto deaf = end_of_node([](NodeRuntime& node) {
    node.spawn_work("bob", [] {
      for (;;) ::pause();
    });
    node.kill_actor("bob");
  });
  CHECK(deaf.code == 70);
  CHECK(deaf.reason == "actor bob ended: killed");
}

TEST_CASE("an actor passes its point in its own thread, at its begin and when it is woken") {
  for (const char* point : {"actor:ann=throw", "actor:nan=throw"}) {
    CAPTURE(point);
    const auto said = "actor ann (nan) threw: failpoint " + std::string(point).substr(0, 9);
    const auto begin = end_of_node([&](NodeRuntime& node) {
      config::arm_failpoints(point);
      node.spawn_actor<Listener>({"ann", "nan"}, nothing);
    });
    CHECK(begin.code == 70);
    CHECK(begin.reason == said);
    const auto woken = end_of_node([&](NodeRuntime& node) {
      node.spawn_actor<Listener>({"bob"}, nothing);
      static std::atomic<bool> began{false};
      const auto ann = node.spawn_actor<Listener>({"ann", "nan"}, [] { began = true; });
      caf::anon_send(ann, 1);
      if (!eventually([&] { return began.load(); })) lives_on(false);
      config::arm_failpoints(point);
      node.wake_armed_actors();
    });
    CHECK(woken.code == 70);
    CHECK(woken.reason == said);
  }
}

TEST_CASE("a stop lets actors end, but not by an exception") {
  const auto ended = end_of_node([](NodeRuntime& node) {
    node.spawn_actor<Listener>({"ann"}, nothing);
    node.spawn_actor<Quick>({"bob"}, [&] { await_stop(node); });
    node.request_stop();
    lives_on(eventually([&] { return node.actor_names().size() == 1; }));
  });
  CHECK(ended.code == kLivedOn);
  const auto thrown = end_of_node([](NodeRuntime& node) {
    node.request_stop();
    node.spawn_actor<Quick>({"bob"}, [] { throw std::runtime_error("last batch"); });
  });
  CHECK(thrown.code == 70);
  CHECK(thrown.says("actor bob threw: last batch"));
}

TEST_CASE("an actor that did not come in through the door is found") {
  const auto ended = end_of_node([](NodeRuntime& node, caf::actor_system& system) {
    node.spawn_actor<Listener>({"ann"}, nothing);
    node.check_actors();
    system.spawn<Listener, caf::detached>(std::function<void()>(nothing));
    node.check_actors();
  });
  CHECK(ended.code == 70);
  CHECK(ended.says("1 actors run that nobody watches"));
}

TEST_CASE("the count is right at every moment, however fast actors come and go") {
  const auto ended = end_of_node([](NodeRuntime& node) {
    std::atomic<bool> done{false};
    std::atomic<int> began{0};
    std::thread checking([&] {
      while (!done) node.check_actors();
    });
    std::thread other([&] {
      for (int i = 0; i < 1000; ++i) node.spawn_work("eve", [&] { ++began; });
    });
    for (int i = 0; i < 1000; ++i) node.spawn_task<Quick>("ann", [&] { ++began; });
    other.join();
    const bool all_left = eventually([&] { return node.actor_names().empty(); });
    done = true;
    checking.join();
    lives_on(all_left && began == 2000);
  });
  CHECK(ended.code == kLivedOn);
}

TEST_CASE("what a thread throws that nobody watches ends the process with 70") {
  const RunDirectory directory;
  const auto ended = end_of_process(directory, [&] {
    const auto start = [](NodeRuntime&) {
      std::thread([] {
        name_thread("stray");
        throw std::runtime_error("out of the blue");
      }).join();
    };
    return run_node(options_in(directory), start, [](NodeRuntime&) {});
  });
  CHECK(ended.code == 70);
  CHECK(ended.reason == "thread stray threw: out of the blue");
}

TEST_CASE("work for which there is no thread is not begun, and nobody waits for it") {
  const RunDirectory directory;
  const auto ended = end_of_process(directory, [&] {
    bool refused = false;
    const auto start = [&](NodeRuntime& node) {
      // A stack that no address space has; nothing else lacks memory meanwhile.
      pthread_attr_t before{};
      pthread_attr_t endless{};
      ::pthread_getattr_default_np(&before);
      ::pthread_attr_init(&endless);
      ::pthread_attr_setstacksize(&endless, std::size_t{1} << 50);
      ::pthread_setattr_default_np(&endless);
      refused = !node.spawn_work_if_any("bob", [&] { await_stop(node); });
      ::pthread_setattr_default_np(&before);
      refused = refused && node.spawn_work_if_any("eve", nothing);
      node.request_stop();
    };
    const int code = run_node(options_in(directory), start, [](NodeRuntime&) {});
    return refused ? code : 1;
  });
  CHECK(ended.code == 0);
  CHECK(ended.reason == "stopped");
}

TEST_CASE("a node that is told to stop ends with 0 after its actors and tasks") {
  const RunDirectory directory;
  const auto ended = end_of_process(directory, [&] {
    bool worked = false;
    const auto start = [&](NodeRuntime& node) {
      node.spawn_actor<Listener>({"ann"}, nothing);
      node.spawn_work("bob", [&] {
        await_stop(node);
        worked = true;
      });
      node.request_stop();
    };
    const int code = run_node(options_in(directory), start, [](NodeRuntime&) {});
    return worked ? code : 1;
  });
  CHECK(ended.code == 0);
  CHECK(ended.reason == "stopped");
}
