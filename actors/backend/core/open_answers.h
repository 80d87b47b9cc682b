#pragma once

// Answers that wait until the decisions they rest on are durable, in the order in which they were
// given: none overtakes another, so one that rests on nothing waits behind those that do. And the
// broker's account: how many entries were answered for its instance in all, stamped on each result.
//
// Owned by BackendCore; pure, one thread. Nothing is lost or dropped here; as much waits as the
// broker's credit lets in.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <utility>
#include <variant>

#include "actors/backend/core/effects.h"

namespace stampede::actors {

class OpenAnswers {
 public:
  using Answer = std::variant<ResultMessage, ControlAnswer, PromoAnswer, BooksAnswer>;

  // `need`: the lsn that must be durable; 0: none of its own.
  void push(Lsn need, Answer&& answer) { open_.push_back({need, std::move(answer)}); }
  // Gives up all that may leave now. Results are stamped with `epoch` and the broker's account.
  void release(Lsn durable, std::uint64_t epoch, Effects& effects);
  [[nodiscard]] bool empty() const { return open_.empty(); }

  // Work came from this broker instance. A new one counts from zero.
  void on_broker(std::uint64_t instance) {
    if (instance == broker_) return;
    broker_ = instance;
    answered_ = 0;
  }
  [[nodiscard]] std::uint64_t broker() const { return broker_; }
  [[nodiscard]] std::uint64_t answered() const { return answered_; }  // for that instance

 private:
  struct Open {
    Lsn need = 0;
    Answer answer;
  };
  void stamp(transport::Envelope& envelope, std::uint64_t epoch);

  std::deque<Open> open_;
  std::uint64_t broker_ = 0;
  std::uint64_t answered_ = 0;
};

}  // namespace stampede::actors
