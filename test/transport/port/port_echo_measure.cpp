// What one port echoes: DEALER -> ROUTER in a port -> DEALER over tcp, one frame of 64 bytes, a
// window of 8192 messages. Prints round trips per second and the port's part of the processor.
//
//   port_echo_measure [seconds]

#include <caf/all.hpp>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "test/transport/zmq/zmq_fixture.h"
#include "transport/port/port.h"

namespace {

using namespace stampede::transport;
using Clock = std::chrono::steady_clock;

constexpr int kWindow = 8192;
double port_seconds = 0;

class EchoRole : public PortRole {
 public:
  explicit EchoRole(std::string endpoint) : endpoint_(std::move(endpoint)) {}
  void start(PortControl& port) override {
    SocketOptions options = bind_to(SocketKind::router, endpoint_);
    options.send_high_water = options.receive_high_water = 2 * kWindow;
    port.open(options);
  }
  caf::message_handler mail(PortControl&) override { return {}; }
  void on_message(PortControl& port, SocketId id, Message& parts) override {
    if (!port.send(id, parts)) std::abort();
  }
  void finish(PortControl&) override {
    timespec spent{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    port_seconds = static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) * 1e-9;
  }

 private:
  std::string endpoint_;
};

long echo(Socket& dealer, double seconds) {
  const std::string body(64, 'x');
  const auto until = Clock::now() + std::chrono::duration<double>(seconds);
  long sent = 0, received = 0;
  Message parts;
  while (Clock::now() < until) {
    while (sent - received < kWindow) {
      Frame frame(body);
      if (!dealer.send(frame)) break;
      ++sent;
    }
    wait_for(dealer, ZMQ_POLLIN, 100);
    while (dealer.receive(parts)) ++received;
  }
  return received;
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 3;
  const std::string endpoint = "tcp://127.0.0.1:" + std::to_string(free_tcp_port());
  Context context;
  caf::actor_system_config config;
  config.set("scheduler.max-threads", 1);
  config.set("scheduler.policy", caf::atom("sharing"));
  long received = 0;
  {
    caf::actor_system system(config);
    const auto port = system.spawn<PortActor, caf::detached>(
        &context, std::unique_ptr<PortRole>(std::make_unique<EchoRole>(endpoint)));
    SocketOptions options = connect_to(SocketKind::dealer, endpoint);
    options.send_high_water = options.receive_high_water = 2 * kWindow;
    Socket dealer(context, options);
    received = echo(dealer, seconds);
    caf::anon_send(
        port, caf::exit_msg{caf::actor_addr{}, caf::make_error(caf::exit_reason::user_shutdown)});
  }
  const auto count = static_cast<double>(received);
  std::printf("%.0f round trips/s; the port's thread: %.2f s per 100k\n", count / seconds,
              port_seconds * 1e5 / count);
}
