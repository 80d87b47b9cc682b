#pragma once

// What clients are told: makes every reply and counts it by what it says. Whom to tell what is
// WebappCore's to decide. Owned by it; one thread; replies go to ReplyOutput during the call, as do
// the views in them.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "actors/sale/codes.h"
#include "actors/sale/limits.h"
#include "actors/sale/request.h"
#include "actors/webapp/core/waiting_table.h"

namespace stampede::actors {

enum class ReplyKind : std::uint8_t {
  invalid = 0,
  answer,
  queued,
  refused,
  items,
  fulfilled,
  granted,
  pong,
  session,
  session_kept,  // it was opened or has ended, durably
  edge           // sold out as far as this webapp knows; nothing is decided
};

struct Reply {  // valid during the call it is passed to
  ReplyKind kind = ReplyKind::invalid;
  std::string_view id;
  const Answer* answer = nullptr;  // answer
  const Fulfilled* fulfilled = nullptr;
  const Granted* granted = nullptr;
  Code code = Code::none;    // refused
  std::string_view field;    // refused; empty: none
  std::string_view message;  // refused, pong: what there is to say beside the code's own words
  std::int64_t retry_after_ms = 0;  // refused; 0: what the code says
  const std::vector<ItemRow>* items = nullptr;
  std::optional<std::uint64_t> next;
  std::string_view state;  // pong
  std::string_view user;   // session
  std::int64_t expires_ms = 0;
};

class ReplyOutput {
 public:
  virtual ~ReplyOutput() = default;
  virtual void reply(const ClientToken& client, const Reply& reply) = 0;
  // An array: open, then one reply() per entry, then close, or drop when it cannot be completed.
  // No other call comes between.
  virtual void open_array(const ClientToken& client, std::uint32_t entries) = 0;
  virtual void close_array(const ClientToken& client) = 0;
  virtual void drop_array() = 0;
};

struct ReplyCounters {
  std::uint64_t confirmed = 0;
  std::uint64_t sold_out = 0;
  std::uint64_t limit_reached = 0;
  std::array<std::uint64_t, 64> refused{};  // by number of the code
  std::uint64_t edge = 0;                   // turned away without asking the backend
};

// A refusal's field where the operator has orders refused, and the system is not being stopped.
inline constexpr std::string_view kOrdersRefused = "orders refused";

class ClientReplies {
 public:
  explicit ClientReplies(ReplyOutput& output, const LimitValues& limits = {})
      : output_(output), limits_(limits) {
    answer_.kind = ReplyKind::answer;
  }

  void answer(const ClientToken& client, std::string_view id, const Answer& answer) {
    answer_.id = id;
    answer_.answer = &answer;
    output_.reply(client, answer_);
  }
  void items(const ClientToken& client, std::string_view id, const std::vector<ItemRow>& rows,
             std::optional<std::uint64_t> next);
  void fulfilled(const ClientToken& client, std::string_view id, const Fulfilled& fulfilled);
  void granted(const ClientToken& client, std::string_view id, const Granted& granted);
  // Of `overloaded` the field is the limit's name (limits.h): it becomes a sentence.
  void refuse(const ClientToken& client, std::string_view id, Code code,
              std::string_view field = {}, std::int64_t retry_after_ms = 0);
  void queued(const ClientToken& client, std::string_view id);
  void edge(const ClientToken& client, std::string_view id);
  void session(const ClientToken& client, std::string_view id, std::string_view user,
               std::int64_t expires_ms);
  void session_kept(const ClientToken& client);
  void pong(const ClientToken& client, std::string_view id, std::string_view state,
            std::string_view message = {});
  [[nodiscard]] std::string_view sentence(std::string_view limit) const {
    return limits_.text(limit);
  }

  // Replies to every entry of an array in its place: what was refused here, and what
  // reply_to(position) says of the others. False: reply_to() was, and nothing left.
  template <class F>
  bool array(const WaitingBatch& batch, const Waiter& waiter, F&& reply_to);

  // A decision on an order, whether its client still waits or not. True: the item did not have as
  // many units.
  bool count(const Answer& answer) {
    if (answer.state == State::confirmed) {
      ++counters_.confirmed;
      return false;
    }
    if (answer.reason == RejectReason::limit_reached) ++counters_.limit_reached;
    if (answer.reason != RejectReason::sold_out) return false;
    ++counters_.sold_out;
    return true;
  }
  [[nodiscard]] const ReplyCounters& counters() const { return counters_; }

 private:
  void reply_to_fault(const ClientToken& client, std::string_view id, const Fault& fault);

  ReplyOutput& output_;
  LimitTexts limits_;
  ReplyCounters counters_;
  Reply answer_;  // made once: most replies are answers
};

template <class F>
bool ClientReplies::array(const WaitingBatch& batch, const Waiter& waiter, F&& reply_to) {
  const auto faults = batch.faults(waiter);
  const auto entries = waiter.count + waiter.faults;
  auto fault = faults.begin();
  std::size_t position = waiter.first;
  output_.open_array(waiter.client, entries);
  for (std::uint32_t index = 0; index < entries; ++index) {
    if (fault != faults.end() && fault->index == index) {
      reply_to_fault(waiter.client, batch.id(*fault), *fault);
      ++fault;
    } else if (!reply_to(position++)) {
      output_.drop_array();
      return false;
    }
  }
  output_.close_array(waiter.client);
  return true;
}

}  // namespace stampede::actors
