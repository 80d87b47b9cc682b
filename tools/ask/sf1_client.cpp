#include "tools/ask/sf1_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <thread>
#include <utility>

#include "actors/protocol/endpoint.h"
#include "config/process/invariant.h"
#include "tools/ask/tool_options.h"
#include "transport/zmq/wait.h"

namespace stampede::tools {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr auto kConnectFor = milliseconds(2000);    // longer than a webapp's restart takes
constexpr auto kSilenceFirst = milliseconds(1000);  // then a new socket; doubles up to
constexpr auto kSilenceMax = milliseconds(4000);
constexpr std::size_t kSocketsMax = 4;
constexpr auto kOfferEvery = milliseconds(2);
constexpr std::int64_t kAdviceMsMax = 5000;
constexpr std::int64_t kAdviceMsDefault = 100;

// The message's own time ends a little before ours: a webapp that cannot decide then says why, and
// we still listen on the connection where it says so.
std::string frame_within(json request, const std::string& token,
                         std::chrono::steady_clock::duration ours) {
  if (!token.empty()) request["token"] = token;
  const auto ms = std::chrono::duration_cast<milliseconds>(ours).count();
  request["deadline_ms"] = std::max<std::int64_t>(1, ms - std::min<std::int64_t>(ms / 4, 250));
  std::string frame;
  json::to_msgpack(request, frame);
  return frame;
}

bool is_final(const json& answer) {
  if (answer.contains("state")) return answer["state"] != "queued";
  return !answer.value("retry", false) || answer.value("code", "") == "unknown_request";
}

}  // namespace

std::string client_endpoint(const config::Config& config) {
  const auto place =
      transport::endpoint(transport::net_options(config), transport::Channel::webapp_clients);
  const auto* text = std::get_if<std::string>(&place);
  STAMPEDE_ASSERT(text != nullptr, "a tcp endpoint has no path that could be too long");
  return *text;
}

std::variant<transport::CurveOptions, Sf1Failure> client_keys(const config::Config& config) {
  auto keys = transport::read_curve(config.curve);
  if (auto* problem = std::get_if<std::string>(&keys))
    return Sf1Failure{std::move(*problem), kExitWrongUse};
  return std::get<transport::CurveOptions>(std::move(keys));
}

std::variant<std::string, Sf1Failure> service_token(const config::Config& config) {
  auto token = config::read_service_token(config);
  if (const auto* error = std::get_if<config::ConfigError>(&token))
    return Sf1Failure{config::describe(*error), kExitWrongUse};
  return std::get<std::string>(std::move(token));
}

Sf1Client::Sf1Client(std::string endpoint, transport::CurveOptions keys, std::string token)
    : endpoint_(std::move(endpoint)),
      token_(std::move(token)),
      context_(std::move(keys)),
      random_(std::random_device{}()) {}

// The older ones stay: a webapp without a backend answers each of them when its deadline is over.
void Sf1Client::reconnect() {
  transport::SocketOptions options;
  options.kind = transport::SocketKind::dealer;
  options.endpoint = endpoint_;
  sockets_.emplace(sockets_.begin(), context_, options);
  if (sockets_.size() > kSocketsMax) sockets_.pop_back();
}

Sf1Client::Outcome Sf1Client::ask(const json& request, milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  const std::string id = request.at("id");
  sent_ = false;
  heard_ = nullptr;
  auto silence = kSilenceFirst;
  try {
    while (sockets_.size() > 1) sockets_.pop_back();
    if (sockets_.empty()) reconnect();
    while (Clock::now() < deadline) {
      const auto ours = std::min<Clock::duration>(silence, deadline - Clock::now());
      if (!offer(frame_within(request, token_, ours),
                 std::min(deadline, Clock::now() + kConnectFor))) {
        if (!sent_ && refused()) return nobody_listens();
        continue;
      }
      const Heard heard = listen(id, std::min<Clock::time_point>(deadline, Clock::now() + silence));
      if (heard == Heard::final || (heard == Heard::again && back_off(id, deadline))) return heard_;
      if (heard == Heard::nothing) {
        reconnect();
        silence = std::min(silence * 2, kSilenceMax);
      }
    }
  } catch (const std::exception& error) {
    return Sf1Failure{std::string(error.what()), kExitNoConnection};
  }
  sockets_.clear();  // what is still to come must not be taken for the next question's
  if (!heard_.is_null()) return heard_;
  if (!sent_)
    return Sf1Failure{endpoint_ +
                          " lets nobody in that is as we are; nothing was sent. Is it the " +
                          "client port of a webapp, and are curve.key_file and curve.server_key " +
                          "the ones it knows?",
                      kExitNoConnection};
  return Sf1Failure{"no answer from " + endpoint_ + " in time: the outcome is unknown; ask again " +
                        "with the same request id, " + id + ", to settle it",
                    kExitTimedOut};
}

// False: nobody took it in time. There is no way to wait for a connection but to try.
bool Sf1Client::offer(const std::string& frame, Clock::time_point until) {
  transport::Frame part{std::string_view(frame)};
  for (;;) {
    if (sockets_.front().send(part)) return sent_ = true;
    if (Clock::now() >= until) return false;
    std::this_thread::sleep_for(kOfferEvery);
  }
}

Sf1Client::Heard Sf1Client::listen(const std::string& id, Clock::time_point until) {
  while (Clock::now() < until) {
    static_cast<void>(transport::wait_readable(sockets_, until - Clock::now()));
    const Heard heard = read(id);
    if (heard != Heard::nothing) return heard;
  }
  return Heard::nothing;
}

// What has come, up to a final answer.
Sf1Client::Heard Sf1Client::read(const std::string& id) {
  Heard result = Heard::nothing;
  transport::Message parts;
  for (auto& socket : sockets_) {
    while (socket.receive(parts)) {
      const Heard heard = take(parts, id);
      if (heard == Heard::final) return heard;
      if (heard == Heard::again) result = heard;
    }
  }
  return result;
}

Sf1Client::Heard Sf1Client::take(const transport::Message& parts, const std::string& id) {
  json answer = json::from_msgpack(parts.back().bytes(), true, false);
  if (!answer.is_object()) return Heard::nothing;
  // A refusal that names nobody is of the one question that is open.
  if (answer.value("id", answer.contains("code") ? json(id) : json()) != id) return Heard::nothing;
  const json word = answer.contains("code") ? answer["code"] : answer.value("state", json());
  if (!word.is_string() || word == "queued") return Heard::nothing;  // after queued more follows
  heard_ = std::move(answer);
  return is_final(heard_) ? Heard::final : Heard::again;
}

// As long as the server advised and up to half of it more, so that clients do not come back in
// step. True: a final answer came meanwhile.
bool Sf1Client::back_off(const std::string& id, Clock::time_point deadline) {
  const auto advice = heard_.value("retry_after_ms", kAdviceMsDefault);
  const auto ms = std::clamp<std::int64_t>(advice, 1, kAdviceMsMax);
  const auto jitter = std::uniform_int_distribution<std::int64_t>(0, ms / 2)(random_);
  const auto until =
      std::min<Clock::time_point>(deadline, Clock::now() + milliseconds(ms + jitter));
  while (Clock::now() < until) {
    static_cast<void>(transport::wait_readable(sockets_, until - Clock::now()));
    if (read(id) == Heard::final) return true;
  }
  return false;
}

// True when the kernel says that nobody listens; ZeroMQ keeps that to itself.
bool Sf1Client::refused() const {
  const auto colon = endpoint_.rfind(':');
  if (endpoint_.rfind("tcp://", 0) != 0 || colon < 6) return false;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(endpoint_.c_str() + colon + 1)));
  if (::inet_pton(AF_INET, endpoint_.substr(6, colon - 6).c_str(), &address.sin_addr) != 1) {
    return false;
  }
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{1, 0};  // also of connect
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const bool no = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
                  errno == ECONNREFUSED;
  ::close(fd);
  return no;
}

Sf1Failure Sf1Client::nobody_listens() const {
  return {"nobody listens on " + endpoint_ +
              ": start the system with scripts/start_all.sh, or name its --run-dir",
          kExitNoConnection};
}

}  // namespace stampede::tools
