#pragma once

// What a broker decides: which batch goes on to the backend, which is refused and why, what the
// webapps are told. Pure: events in, effects as data out; the time is given in milliseconds of any
// monotonic clock. It holds no bodies and never looks into one. Thread-compatible, one thread.
//
// A session is one backend instance in one epoch of one log, which each hello names. A lower epoch
// of the same log is the past; of another log it is another session: a sale begun anew. A backend
// that was left for another one is not gone back to.
//
// Credit = window of the backend's last hello - (forwarded - answered). `forwarded` counts the
// entries passed on since this session (this broker, this backend, its epoch) began, and travels
// with every batch in Envelope::counter as its value *after* the batch; `answered` comes back in
// the results as a running total for this broker. Both are totals, never differences, so a lost
// result costs no credit for longer than to the next one. When the credit is used up and nothing
// was answered for kProbeAfterMs, one batch is let through in that time all the same: work that was
// lost on its way would otherwise hold its credit for ever.

#include <array>
#include <cstdint>
#include <set>
#include <string_view>
#include <vector>

#include "actors/protocol/envelope.h"
#include "actors/sale/codes.h"

namespace stampede::actors {

inline constexpr std::uint32_t kWebappsMax = 1000;     // highest k of webapp-k
inline constexpr std::int64_t kHelloSilenceMs = 2000;  // no hello for so long: no backend
inline constexpr std::int64_t kHelloRepeatMs = 1000;   // to every subscribed webapp: at multiples
inline constexpr std::int64_t kProbeAfterMs = 2000;

struct BrokerEffect {
  enum class Kind {
    forward,         // the message at hand, with this envelope, to the backend
    publish_result,  // the message at hand, unchanged, to `webapp`
    publish_news,    // the message at hand, unchanged, to all webapps
    tell,            // this envelope alone, to `webapp`: a refusal or a hello
    reopen,          // close the way to the backend and open a new one
  };
  Kind kind{};
  std::uint32_t webapp = 0;
  transport::Envelope envelope;
};

struct BrokerCounters {
  std::uint64_t batches = 0;                // forwarded
  std::uint64_t forwarded = 0;              // entries
  std::array<std::uint64_t, 32> refused{};  // entries by Code
  std::uint64_t results = 0;                // batches published
  std::uint64_t news = 0;
  std::uint64_t stale = 0;  // results and hellos of an older epoch, ignored
  std::uint64_t malformed = 0;
  std::uint64_t dropped_results = 0;  // a webapp could not take them
  std::uint64_t dropped_news = 0;
  std::uint64_t sessions = 0;  // backend instances or epochs seen
  std::uint64_t probes = 0;
};

class BrokerCore {
 public:
  using Effects = std::vector<BrokerEffect>;

  // `instance` is this broker's, never 0. `inflight_max`: entries, see broker.inflight_max.
  BrokerCore(std::uint64_t instance, std::uint64_t inflight_max);

  void on_work(const transport::Envelope& work, std::size_t body_bytes, std::int64_t now_ms,
               Effects& effects);
  // Hello, result, refusal or news.
  void on_backend(const transport::Envelope& envelope, std::int64_t now_ms, Effects& effects);
  // A topic that a webapp subscribed to, or that its last subscriber left.
  void on_subscription(std::string_view topic, bool subscribed, Effects& effects);
  void on_tick(std::int64_t now_ms, Effects& effects);
  // Whether a backend is at the other end of the way that `reopen` renews.
  void on_connected(bool connected, Effects& effects);

  // What the shell could not do with an effect.
  void not_forwarded(const transport::Envelope& work, Effects& effects);
  void not_published(const BrokerEffect& effect);
  void malformed() { ++counters_.malformed; }

  [[nodiscard]] Phase phase() const;  // the backend's, as webapps are told it
  [[nodiscard]] Phase backend_phase() const { return phase_; }
  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  [[nodiscard]] std::uint64_t window() const;
  [[nodiscard]] std::uint64_t in_flight() const { return forwarded_ - answered_; }
  [[nodiscard]] std::uint64_t credit() const;
  [[nodiscard]] const std::set<std::uint32_t>& webapps() const { return webapps_; }
  [[nodiscard]] const BrokerCounters& counters() const { return counters_; }

 private:
  void on_hello(const transport::Envelope& hello, std::int64_t now_ms, Effects& effects);
  void on_result(const transport::Envelope& result, std::int64_t now_ms, Effects& effects);
  void on_news(const transport::Envelope& news, Effects& effects);
  [[nodiscard]] bool of_the_past(const transport::Envelope& hello) const;
  [[nodiscard]] bool result_of_the_past(std::uint64_t epoch) const;
  void begin_session(const transport::Envelope& hello, Effects& effects);
  void take_total(std::uint64_t broker, std::uint64_t total, std::int64_t now_ms);
  void expire(std::int64_t now_ms, Effects& effects);
  [[nodiscard]] bool may_probe(std::uint32_t count, std::int64_t now_ms);
  void refuse(const transport::Envelope& work, Code code, Effects& effects);
  void announce_changes(Effects& effects);
  void announce(Effects& effects);
  [[nodiscard]] transport::Envelope hello() const;

  const std::uint64_t instance_;
  const std::uint64_t inflight_max_;
  std::uint64_t backend_ = 0;  // instance
  std::uint64_t epoch_ = 0;
  std::uint32_t log_ = 0;            // which log that epoch counts in; 0: not said
  std::uint64_t left_epoch_ = 0;     // of the log before that one
  std::vector<std::uint64_t> left_;  // the last backends that others followed
  Phase phase_ = Phase::invalid;     // invalid: not heard of
  std::uint32_t standstill_ = 0;     // of the backend; see sale/limits.h
  std::uint64_t backend_window_ = 0;
  std::int64_t heard_ms_ = 0;  // the last hello
  bool connected_ = false;
  bool used_ = false;  // the way to the backend has carried something
  std::uint64_t forwarded_ = 0;
  std::uint64_t answered_ = 0;
  std::int64_t moved_ms_ = 0;  // when answered_ last grew, or a probe was let through
  std::int64_t announced_ms_ = 0;
  transport::Envelope announced_;    // the last hello to all
  std::set<std::uint32_t> webapps_;  // subscribed to their results
  BrokerCounters counters_;
};

// "result/webapp-<k>/", the topic of one webapp's results.
inline constexpr std::string_view kResultTopicHead = "result/webapp-";
inline constexpr std::string_view kNewsTopic = "news/";

}  // namespace stampede::actors
