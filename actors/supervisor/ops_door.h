#pragma once

// Who may act through the operator's page. The supervisor writes a new token into <run>/ops.token
// (0600) at each start: whoever can read it is the operator. A browser gets in by a link with a
// code that opens once, within two minutes; then a cookie with a session of its own stands for it,
// until the supervisor ends. Nothing of it is kept anywhere else.
//
// Thread-safe: the port makes codes, the HTTP thread asks. Never blocks but on its mutex.

#include <chrono>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

namespace stampede::actors {

// 64 hex digits that nobody can guess.
std::string new_secret();

class OpsDoor {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kCodeTime{120};
  static constexpr std::size_t kCodesMax = 16;     // waiting; the oldest makes room
  static constexpr std::size_t kSessionsMax = 16;  // likewise

  explicit OpsDoor(std::string token) : token_(std::move(token)) {}

  [[nodiscard]] std::string new_code(Clock::time_point now);
  // A new session, or empty: the code is none, was used, or is too old. It is used up by this.
  [[nodiscard]] std::string open(std::string_view code, Clock::time_point now);
  [[nodiscard]] bool is_token(std::string_view text) const;
  [[nodiscard]] bool is_session(std::string_view text) const;
  void close(std::string_view session);

 private:
  struct Code {
    std::string text;
    Clock::time_point until;
  };
  const std::string token_;
  mutable std::mutex mutex_;
  std::deque<Code> codes_;            // guarded by mutex_
  std::deque<std::string> sessions_;  // guarded by mutex_
};

}  // namespace stampede::actors
