// What the way of one order costs at the least: four processes in a chain of ZeroMQ sockets on ipc
// (client -> webapp -> broker -> backend by PUSH/PULL, back to the client by PUB/SUB) pass 64 bytes
// on and do nothing else, one message in flight; and beside it one fdatasync of 100 bytes in a file
// that was written before.
//
//   raw_chain DIRECTORY [messages]
//
// Prints {"chain_p50_us", "chain_p99_us", "sync_p50_us", "sync_p99_us"}.

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kForwarders = 3;
constexpr int kGiveUpMs = 10'000;
constexpr int kNoLingerMs = 0;
constexpr std::size_t kFileBytes = std::size_t{4} << 20;
constexpr std::size_t kRecordBytes = 100;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::_Exit(1);
}

void* open_socket(void* context, int type, const std::string& endpoint, bool bind) {
  void* socket = zmq_socket(context, type);
  zmq_setsockopt(socket, ZMQ_RCVTIMEO, &kGiveUpMs, sizeof kGiveUpMs);
  zmq_setsockopt(socket, ZMQ_LINGER, &kNoLingerMs, sizeof kNoLingerMs);
  if (type == ZMQ_SUB) zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
  const int refused =
      bind ? zmq_bind(socket, endpoint.c_str()) : zmq_connect(socket, endpoint.c_str());
  if (refused != 0) fail(endpoint.c_str());
  return socket;
}

// Passes on until nothing came for a while, or until its parent is gone.
[[noreturn]] void forward(const std::string& from, const std::string& to, bool publishes) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  void* context = zmq_ctx_new();
  void* in = open_socket(context, ZMQ_PULL, from, true);
  void* out = open_socket(context, publishes ? ZMQ_PUB : ZMQ_PUSH, to, publishes);
  zmq_msg_t message;
  zmq_msg_init(&message);
  while (zmq_msg_recv(&message, in, 0) >= 0) zmq_msg_send(&message, out, 0);
  std::_Exit(0);
}

double us_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

double percentile(std::vector<double> values, double part) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
}

std::vector<double> round_trips(void* out, void* in, int messages) {
  std::array<char, 64> bytes{};
  std::vector<double> times;
  // The subscription needs a moment to arrive: what is published before is lost.
  constexpr int kShortMs = 50;
  zmq_setsockopt(in, ZMQ_RCVTIMEO, &kShortMs, sizeof kShortMs);
  int tries = 0;
  do {
    zmq_send(out, bytes.data(), bytes.size(), 0);
    if (++tries > 100) fail("the chain does not answer");
  } while (zmq_recv(in, bytes.data(), bytes.size(), 0) < 0);
  while (zmq_recv(in, bytes.data(), bytes.size(), 0) >= 0) {
  }
  zmq_setsockopt(in, ZMQ_RCVTIMEO, &kGiveUpMs, sizeof kGiveUpMs);
  for (int i = 0; i < messages; ++i) {
    const auto sent = Clock::now();
    zmq_send(out, bytes.data(), bytes.size(), 0);
    if (zmq_recv(in, bytes.data(), bytes.size(), 0) < 0) fail("a message was lost");
    times.push_back(us_since(sent));
  }
  return times;
}

std::vector<double> chain(const std::string& directory, int messages) {
  const auto endpoint = [&](int hop) {
    return "ipc://" + directory + "/hop" + std::to_string(hop);
  };
  std::array<pid_t, kForwarders> children{};
  for (int hop = 0; hop < kForwarders; ++hop) {
    children[static_cast<std::size_t>(hop)] = ::fork();
    if (children[static_cast<std::size_t>(hop)] == 0)
      forward(endpoint(hop), endpoint(hop + 1), hop + 1 == kForwarders);
  }
  void* context = zmq_ctx_new();
  void* out = open_socket(context, ZMQ_PUSH, endpoint(0), false);
  void* in = open_socket(context, ZMQ_SUB, endpoint(kForwarders), false);
  auto times = round_trips(out, in, messages);
  zmq_close(out);
  zmq_close(in);
  zmq_ctx_term(context);
  for (const auto child : children) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  return times;
}

std::vector<double> syncs(const std::string& directory, int count) {
  const auto path = directory + "/sync.bin";
  const int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0) fail(path.c_str());
  const std::string zeros(kFileBytes, '\0');
  if (::pwrite(file, zeros.data(), zeros.size(), 0) < 0 || ::fsync(file) != 0) fail(path.c_str());
  const std::string record(kRecordBytes, 'x');
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    const auto at = (static_cast<std::size_t>(i) * kRecordBytes) % (kFileBytes - kRecordBytes);
    const auto start = Clock::now();
    if (::pwrite(file, record.data(), record.size(), static_cast<off_t>(at)) < 0 ||
        ::fdatasync(file) != 0)
      fail(path.c_str());
    times.push_back(us_since(start));
  }
  ::close(file);
  ::unlink(path.c_str());
  return times;
}

}  // namespace

int main(int count, char** words) {
  if (count < 2) {
    std::fprintf(stderr, "usage: raw_chain DIRECTORY [messages]\n");
    return 2;
  }
  const int messages = count > 2 ? std::atoi(words[2]) : 2000;
  const auto trips = chain(words[1], std::max(messages, 1));
  const auto synced = syncs(words[1], std::max(messages, 1));
  std::printf(
      "{\"chain_p50_us\":%.1f,\"chain_p99_us\":%.1f,\"sync_p50_us\":%.1f,\"sync_p99_us\":%.1f}\n",
      percentile(trips, 0.5), percentile(trips, 0.99), percentile(synced, 0.5),
      percentile(synced, 0.99));
  return 0;
}
