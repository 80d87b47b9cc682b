#include "actors/node/node.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <thread>

#include "actors/node/exit_note.h"
#include "actors/node/node_lock.h"
#include "actors/node/node_log.h"
#include "actors/node/socket_directory.h"
#include "config/faults/failpoint.h"
#include "config/process/idle_signals.h"
#include "config/process/invariant.h"

namespace stampede::actors {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kActorsEndMax{5'000};
constexpr rlim_t kOpenFiles = 65'536;

std::string node_id(const NodeOptions& options) {
  return options.role + "-" + std::to_string(options.index);
}

std::uint64_t random_instance() {
  std::uint64_t value = 0;
  while (value == 0) {
    if (::getrandom(&value, sizeof value, 0) != sizeof value) value = 0;
  }
  return value;
}

void raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = std::min(limit.rlim_max, kOpenFiles);
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = wanted;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// A core would hold keys, the database password and users' names. The filter also holds where cores
// go to a program, which a limit does not stop. (PR_SET_DUMPABLE would hide /proc/PID/exe, too, by
// which the scripts know the nodes of a user who is not root.)
void leave_no_core() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  std::ofstream("/proc/self/coredump_filter") << "0";
}

// What a thread that nobody watches threw: libzmq's, CAF's own, a destructor's.
std::atomic<NodeRuntime*> node_of_process{nullptr};

[[noreturn]] void fail_on_terminate() noexcept {
  std::string what = "std::terminate";
  if (const auto thrown = std::current_exception())
    what = message_of(caught_error([&] { std::rethrow_exception(thrown); }));
  NodeRuntime* node = node_of_process.load();
  if (node == nullptr) std::abort();
  node->fail(kExitInvariant, "thread " + thread_name() + " threw: " + what);
}

class TerminateHandler {
 public:
  explicit TerminateHandler(NodeRuntime& node) {
    node_of_process.store(&node);
    before_ = std::set_terminate(fail_on_terminate);
  }
  ~TerminateHandler() {
    std::set_terminate(before_);
    node_of_process.store(nullptr);
  }
  TerminateHandler(const TerminateHandler&) = delete;
  TerminateHandler& operator=(const TerminateHandler&) = delete;

 private:
  std::terminate_handler before_;
};

}  // namespace

NodeRuntime::NodeRuntime(NodeOptions options, std::uint64_t instance, caf::actor_system& system,
                         transport::Context& context)
    : options_(std::move(options)),
      id_(node_id(options_)),
      instance_(instance),
      system_(system),
      context_(context),
      stop_event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      actors_(system, [this](int code, const std::string& reason) { fail(code, reason); }) {
  STAMPEDE_ASSERT(stop_event_ >= 0, "no eventfd to be had");
}

NodeRuntime::~NodeRuntime() {
  ::close(stop_event_);
}

namespace {

std::string usable(std::variant<std::string, transport::EndpointError> found, NodeRuntime& node) {
  if (const auto* error = std::get_if<transport::EndpointError>(&found))
    node.fail(kExitConfig, error->message);
  return std::get<std::string>(std::move(found));
}

}  // namespace

LimitValues NodeRuntime::limits() const {
  return {config().webapp.waiting_max, config().broker.inflight_max,
          config().log.backlog_commands_max, config().backend.orders_max,
          config().auth.revoked_max};
}

std::string NodeRuntime::endpoint(transport::Channel channel, int index) {
  return usable(transport::endpoint(transport::net_options(config()), channel, index), *this);
}

std::string NodeRuntime::local_clients_endpoint() {
  return usable(transport::local_clients_endpoint(transport::net_options(config()), options_.index),
                *this);
}

void NodeRuntime::fail(int code, const std::string& reason) noexcept {
  if (failed_.exchange(true)) {
    for (;;) ::pause();  // another thread is ending the process
  }
  try {
    log_critical("exit " + std::to_string(code) + ": " + reason);
    write_exit_note(options_.config.run_dir, id_, {code, reason, ::getpid()});
  } catch (...) {  // no memory for a last word: the code says enough
  }
  ::_exit(code);
}

bool NodeRuntime::spawn_work_if_any(std::string name, std::function<void()> work) {
  try {
    spawn_work(std::move(name), std::move(work));
    return true;
  } catch (const std::system_error&) {
    // CAF 0.17.6 has counted the thread before it was there, and would wait for its end.
    system_.dec_detached_threads();
    return false;
  }
}

void NodeRuntime::request_stop() {
  actors_.expect_ends();
  ::eventfd_write(stop_event_, 1);
}

// The steps of run_node around one NodeRuntime.
class NodeProcess {
 public:
  NodeProcess(NodeRuntime& node, int signals, NodeLock& lock)
      : node_(node), signals_(signals), lock_(lock) {}

  void wait(const std::function<void(NodeRuntime&)>& drain) {
    if (!wait_for_stop(std::nullopt)) return;
    const int limit_ms = node_.options().drain_max_ms;
    log_info("stopping: draining for at most " + std::to_string(limit_ms / 1000) + " s");
    drain(node_);
    if (wait_for_stop(steady_clock::now() + milliseconds(limit_ms))) {
      if (node_.options().at_once) node_.options().at_once();
      node_.fail(1, "ended by a second signal");
    }
    node_.request_stop();
  }

  // Actors get five seconds; one that is stuck in a database call must not hold the process.
  void end_actors() {
    node_.actors_.ask_all_to_end();
    std::atomic<bool> done{false};
    std::thread limit([this, &done] {
      const auto deadline = steady_clock::now() + kActorsEndMax;
      while (!done.load() && steady_clock::now() < deadline) {
        std::this_thread::sleep_for(milliseconds(5));
      }
      if (!done.load()) node_.fail(0, "stopped; an actor was still busy");
    });
    node_.await_actors();
    done.store(true);
    limit.join();
  }

 private:
  // True when a signal came, false when the stop was requested or the time is over.
  bool wait_for_stop(std::optional<steady_clock::time_point> deadline) {
    for (;;) {
      int lost = lock_.watch();
      if (!lock_.restore()) lost = -1;
      auto wait = lost >= 0 ? NodeLock::kLookEvery : NodeLock::kRestoreEvery;
      if (deadline) {
        wait = std::min(wait,
                        std::chrono::duration_cast<milliseconds>(*deadline - steady_clock::now()));
        if (wait.count() <= 0) return false;
      }
      pollfd fds[3] = {{signals_, POLLIN, 0}, {node_.stop_event_, POLLIN, 0}, {lost, POLLIN, 0}};
      if (::poll(fds, 3, static_cast<int>(wait.count())) <= 0) continue;
      if (fds[1].revents != 0) return false;
      if (fds[0].revents == 0) continue;
      signalfd_siginfo info{};
      if (::read(signals_, &info, sizeof info) != sizeof info) continue;
      if (info.ssi_signo != SIGHUP) return true;
      reopen_log();
      if (node_.options().hangup) node_.options().hangup();
    }
  }

  NodeRuntime& node_;
  int signals_;
  NodeLock& lock_;
};

namespace {

int block_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);  // though ignored below, it is read while it is blocked
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  config::ignore_idle_signals();
  return ::signalfd(-1, &set, SFD_CLOEXEC);
}

int refuse(const NodeOptions& options, int code, const std::string& reason) {
  log_critical("exit " + std::to_string(code) + ": " + reason);
  write_exit_note(options.config.run_dir, node_id(options), {code, reason, ::getpid()});
  return code;
}

// Empty, or why the node cannot run here at all.
std::string prepare(const NodeOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(options.config.run_dir, error);
  if (error) {
    return "cannot make " + options.config.run_dir.string() + ": " + error.message() +
           "; give another --run-dir";
  }
  if (options.role == "supervisor") return {};
  const char* failpoints = std::getenv("STAMPEDE_FAILPOINTS");
  return failpoints == nullptr ? std::string{} : config::arm_failpoints(failpoints);
}

// The system's own keys, or why they are none. Between nodes every message is believed, so no port
// of theirs is open to whoever finds it.
std::variant<transport::CurveOptions, std::string> keys_of(const config::Config& config) {
  if (config.net.tcp() && config.curve.key_file.empty())
    return "net.mode: \"tcp\" between the nodes needs CURVE, or every user of this machine could "
           "speak for them: set curve.key_file (make one: stampede keys new FILE), or stay on "
           "\"ipc\"";
  auto curve = transport::read_curve(config.curve);
  const auto* read = std::get_if<transport::CurveOptions>(&curve);
  if (read != nullptr && read->server_key != read->own.public_key)
    return "curve.server_key: " + read->server_key +
           " is not the public key of curve.key_file; only a tool on a client's machine needs it";
  return curve;
}

// Before the first socket, whose peers it judges.
void spawn_judge(NodeRuntime& node) {
  auto& context = node.context();
  if (!context.curve().on()) return;
  node.spawn_loop(
      "zap", [&](const LoopActor::GoOn& go_on) { context.judge_keys(go_on); },
      [&] { context.wake_judge(); });
}

int run_locked(NodeOptions options, std::uint64_t instance, int signals, NodeLock& lock,
               transport::CurveOptions keys, const std::function<void(NodeRuntime&)>& start,
               const std::function<void(NodeRuntime&)>& drain) {
  transport::Context context(std::move(keys), transport::ZapThread::callers);
  caf::actor_system_config caf_config;
  caf_config.set("scheduler.max-threads", 2);
  caf_config.set("scheduler.policy", caf::atom("sharing"));
  caf::actor_system system{caf_config};
  NodeRuntime node(std::move(options), instance, system, context);
  const TerminateHandler terminate_handler(node);
  const auto thrown = caught_error([&] {
    spawn_judge(node);
    start(node);
    log_info("started, pid " + std::to_string(::getpid()));
    NodeProcess process(node, signals, lock);
    process.wait(drain);
    process.end_actors();
  });
  if (thrown) node.fail(exit_code_of(thrown), message_of(thrown));
  write_exit_note(node.config().run_dir, node.id(), {0, "stopped", ::getpid()});
  log_info("stopped");
  return 0;
}

}  // namespace

std::string fault_of_keys(const config::Config& config) {
  const auto keys = keys_of(config);
  const auto* fault = std::get_if<std::string>(&keys);
  return fault == nullptr ? std::string{} : *fault;
}

int run_node(NodeOptions options, const std::function<void(NodeRuntime&)>& start,
             const std::function<void(NodeRuntime&)>& drain) {
  // Process 1 of a container is given orphans. Only a supervisor has children whose end it awaits;
  // it reaps the others itself.
  if (::getpid() == 1 && options.role != "supervisor") (void)std::signal(SIGCHLD, SIG_IGN);
  const int signals = block_signals();
  const std::string id = node_id(options);
  start_log(id);
  set_log_level(options.config.log.level);
  set_log_format(options.config.log.format);
  name_thread(id);  // of the process, too
  raise_open_files();
  leave_no_core();
  if (const auto problem = prepare(options); !problem.empty()) {
    return refuse(options, kExitConfig, problem);
  }
  const std::uint64_t instance = random_instance();
  auto lock = NodeLock::take(lock_file(options.config.run_dir, id), instance);
  if (auto* reason = std::get_if<std::string>(&lock)) {
    return refuse(options, kExitOtherWriter, *reason);
  }
  remove_exit_note(options.config.run_dir, id);
  if (const auto problem = make_socket_directory(transport::net_options(options.config));
      !problem.empty()) {
    return refuse(options, kExitConfig, problem);
  }
  auto keys = keys_of(options.config);
  if (const auto* problem = std::get_if<std::string>(&keys)) {
    return refuse(options, kExitConfig, *problem);
  }
  const int code = run_locked(std::move(options), instance, signals, std::get<NodeLock>(lock),
                              std::get<transport::CurveOptions>(std::move(keys)), start, drain);
  ::close(signals);
  return code;
}

}  // namespace stampede::actors
