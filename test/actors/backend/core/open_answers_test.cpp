// Answers that wait for the log: none leaves too early, none overtakes, and the broker's account.

#include "actors/backend/core/open_answers.h"

#include <doctest/doctest.h>

#include <string>

using namespace stampede;
using namespace stampede::actors;

namespace {

constexpr std::uint64_t kEpoch = 4;

struct Open {
  Open() { answers.on_broker(11); }

  void result(Lsn need, std::uint32_t count, std::uint64_t broker = 11, std::uint64_t total = 0) {
    ResultMessage message;
    message.envelope.count = count;
    message.envelope.broker = broker;
    message.envelope.counter = total;
    answers.push(need, std::move(message));
  }
  // What leaves when `durable` is: one letter an answer, results with the account they carry.
  std::string release(Lsn durable) {
    Effects effects;
    answers.release(durable, kEpoch, effects);
    std::string text;
    for (const auto& control : effects.controls) text += "c" + std::to_string(control.number) + ' ';
    for (const auto& books : effects.books) text += "b" + std::to_string(books.number) + ' ';
    for (const auto& message : effects.results) {
      CHECK(message.envelope.epoch == kEpoch);
      text += "r" + std::to_string(message.envelope.counter) + ' ';
    }
    return text;
  }

  OpenAnswers answers;
};

}  // namespace

TEST_CASE("an answer leaves when what it rests on is durable, and not before") {
  Open open;
  open.result(5, 1);
  CHECK(open.release(4).empty());
  CHECK_FALSE(open.answers.empty());
  CHECK(open.release(5) == "r1 ");
  CHECK(open.answers.empty());
  CHECK(open.release(5).empty());
}

TEST_CASE("no answer overtakes one that was given before it") {
  Open open;
  open.result(5, 1);
  open.answers.push(0, ControlAnswer{1, 0, {}});
  open.answers.push(7, BooksAnswer{2, 7, {}});
  CHECK(open.release(4).empty());
  CHECK(open.release(6) == "c1 r1 ");
  CHECK(open.release(7) == "b2 ");
}

TEST_CASE("what rests on nothing leaves at once") {
  Open open;
  open.answers.push(0, ControlAnswer{1, 0, "body"});
  Effects effects;
  open.answers.release(0, kEpoch, effects);
  REQUIRE(effects.controls.size() == 1);
  CHECK(effects.controls[0].body == "body");
}

TEST_CASE("each result carries the number of entries that were answered for its broker in all") {
  Open open;
  open.result(1, 3);
  open.result(2, 4);
  CHECK(open.release(2) == "r3 r7 ");
  CHECK(open.answers.answered() == 7);
}

TEST_CASE("work that was lost on the way to us gives its credit back") {
  Open open;
  open.result(1, 3, 11, 10);  // the broker had passed on ten when it sent these three
  open.result(2, 4, 11, 14);
  CHECK(open.release(2) == "r10 r14 ");
}

TEST_CASE("a new broker counts from zero, and results for the one before carry no account") {
  Open open;
  open.result(1, 3);
  open.answers.on_broker(12);
  open.result(2, 2, 12);
  CHECK(open.release(2) == "r0 r2 ");
  CHECK(open.answers.broker() == 12);
  open.answers.on_broker(12);
  CHECK(open.answers.answered() == 2);
}
