#pragma once

// The ZAP handler (ZeroMQ RFC 27): says for every CURVE handshake of this process whether the
// peer's key may come in. For sockets.cpp alone: a Context with keys owns one, from before its
// first socket to its end. While there is none, ZMQ_ZAP_ENFORCE_DOMAIN lets nobody in.
//
// One thread, the handler's own or a caller's, which blocks on its own socket; judging a key
// touches no file.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_set>

#include "transport/zmq/curve.h"

namespace stampede::transport {

// The two sides of a system, as ZAP domains.
inline constexpr const char* kNodesDomain = "stampede.nodes";
inline constexpr const char* kClientsDomain = "stampede.clients";

// Who may come in. Immutable, so any thread may ask.
class AllowList {
 public:
  explicit AllowList(const CurveOptions& curve);
  // `key` are the 32 bytes that the peer has proved to own. An unknown domain admits nobody.
  [[nodiscard]] bool admits(std::string_view domain, std::string_view key) const;
  // Whether the owner of a key that is admitted may speak for every user: the system's own, too.
  [[nodiscard]] bool trusts(std::string_view key) const;

 private:
  std::string own_;                          // may use every door
  std::unordered_set<std::string> clients_;  // may use the clients' doors
  std::unordered_set<std::string> trusted_;  // of them
};

class ZapHandler {
 public:
  // `context` is a ZeroMQ context without sockets. From the moment this returns handshakes wait for
  // the handler. Throws std::runtime_error when the process has another one.
  ZapHandler(void* context, const CurveOptions& curve);
  ~ZapHandler();  // ends its own thread; before the context is terminated
  ZapHandler(const ZapHandler&) = delete;
  ZapHandler& operator=(const ZapHandler&) = delete;

  void start_thread();  // of its own, which judges until the destructor
  // Judges in the calling thread until `go_on`, asked whenever wake() was called, is false.
  void run(const std::function<bool()>& go_on);
  void wake();  // any thread
  // From now on these may come in; who is in stays. Any thread.
  void allow(const CurveOptions& curve);

  [[nodiscard]] std::uint64_t admitted() const { return admitted_.load(); }  // any thread
  [[nodiscard]] std::uint64_t refused() const { return refused_.load(); }    // any thread

 private:
  void answer_one();

  [[nodiscard]] std::shared_ptr<const AllowList> allowed() const;

  mutable std::mutex lock_;
  std::shared_ptr<const AllowList> allowed_;  // guarded by lock_
  void* socket_ = nullptr;                    // REP; after the constructor the thread's
  int wake_event_;
  std::atomic<bool> ended_{false};
  std::atomic<std::uint64_t> admitted_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::thread thread_;
};

}  // namespace stampede::transport
