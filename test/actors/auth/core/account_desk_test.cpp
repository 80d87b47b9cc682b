// A bounded line, and nobody who guesses.

#include "actors/auth/core/account_desk.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace stampede::actors;

namespace {

constexpr std::int64_t kNow = 5'000'000;
constexpr std::uint64_t kHome = 7;

class Desk {
 public:
  AccountDesk::Admission login(const std::string& name, std::uint64_t address = kHome,
                               bool by_phone = false) {
    return desk.admit_login(name, by_phone, address, now);
  }
  AccountDesk::Admission sign_up(std::uint64_t address = kHome) {
    return desk.admit_sign_up(address, now);
  }
  // Numbers that come next, as long as each is answered at once.
  std::vector<std::uint64_t> served(std::size_t count) {
    std::vector<std::uint64_t> numbers;
    while (numbers.size() < count) {
      numbers.push_back(desk.take_next(now));
      desk.answered(numbers.back(), Code::none, now);
    }
    return numbers;
  }
  void guess_wrong(const std::string& name, int times, std::uint64_t address = kHome) {
    for (int n = 0; n < times; ++n) {
      const auto admission = login(name, address);
      REQUIRE(admission.code == Code::none);
      desk.answered(admission.number, Code::not_logged_in, kNow);
    }
  }
  AccountDesk desk{{1, 2}};
  std::int64_t now = kNow;
};

}  // namespace

TEST_CASE("a hundred wait, log-ins and sign-ups together; the next is told to come again") {
  Desk desk;
  std::vector<std::uint64_t> numbers;
  for (int n = 0; n < 60; ++n) numbers.push_back(desk.login("user-" + std::to_string(n)).number);
  for (int n = 0; n < 40; ++n) numbers.push_back(desk.sign_up().number);
  CHECK(desk.desk.waiting() == 100);
  CHECK(desk.login("late").code == Code::overloaded);
  CHECK(desk.sign_up().code == Code::overloaded);
  desk.desk.answered(numbers.at(70), Code::user_exists, kNow);
  CHECK(desk.login("late").code == Code::none);
  CHECK(desk.sign_up().code == Code::overloaded);
  for (const auto number : numbers) desk.desk.answered(number, Code::none, kNow);
  CHECK(desk.desk.waiting() == 1);
}

TEST_CASE("no number is given twice, and one that nobody waits for changes nothing") {
  Desk desk;
  const auto first = desk.login("ann").number;
  desk.desk.answered(first, Code::none, kNow);
  desk.desk.answered(first, Code::not_logged_in, kNow);
  desk.desk.answered(12345, Code::not_logged_in, kNow);
  CHECK(desk.login("ann").number != first);
  CHECK(desk.desk.waiting() == 1);
}

TEST_CASE("ten wrong ones of a user from an address shut out that user from there alone") {
  Desk desk;
  desk.guess_wrong("ann", 10);
  const auto refused = desk.login("ann");
  CHECK(refused.code == Code::rate_limited);
  CHECK(refused.retry_after_ms == 60'000);
  CHECK(desk.login("bob").code == Code::none);
  CHECK(desk.login("ann", kHome + 1).code == Code::none);
  CHECK(desk.login("ann", kHome, true).code == Code::none);
}

TEST_CASE("only a wrong password counts") {
  Desk desk;
  for (const auto code : {Code::none, Code::overloaded, Code::internal})
    for (int n = 0; n < 20; ++n) desk.desk.answered(desk.login("ann").number, code, kNow);
  CHECK(desk.login("ann").code == Code::none);
}

TEST_CASE("who finds no room has not tried") {
  Desk desk;
  for (int n = 0; n < 100; ++n) CHECK(desk.sign_up().code == Code::none);
  for (int n = 0; n < 50; ++n) CHECK(desk.login("ann").code == Code::overloaded);
  desk.desk.answered(1, Code::none, kNow);
  CHECK(desk.login("ann").code == Code::none);
}

TEST_CASE("who guesses is told so even when there is no room") {
  Desk desk;
  desk.guess_wrong("eve", 10);
  for (int n = 0; n < 100; ++n) CHECK(desk.sign_up().code == Code::none);
  CHECK(desk.login("eve").code == Code::rate_limited);
}

TEST_CASE("of a full line a newcomer gets the newest place of the address that has most") {
  Desk desk;
  std::vector<std::uint64_t> greedy, other;
  for (int n = 0; n < 60; ++n) greedy.push_back(desk.sign_up(1).number);
  for (int n = 0; n < 40; ++n) other.push_back(desk.sign_up(2).number);
  const auto newcomer = desk.login("ann", 3);
  CHECK(newcomer.code == Code::none);
  CHECK(newcomer.turned_away == greedy.back());
  CHECK(desk.desk.waiting() == 100);
  // Until all have the same: who has as many as another one would have gets no place of his.
  int got = 1;
  while (desk.sign_up(3).code == Code::none) ++got;
  CHECK(got == 33);
  CHECK(desk.sign_up(1).code == Code::overloaded);
  CHECK(desk.sign_up(4).code == Code::none);
}

TEST_CASE("a hundred addresses with one each keep their places") {
  Desk desk;
  for (std::uint64_t address = 1; address <= 100; ++address)
    CHECK(desk.sign_up(address).code == Code::none);
  CHECK(desk.sign_up(101).code == Code::overloaded);
}

TEST_CASE("addresses have turns, and each its oldest first") {
  Desk desk;
  std::vector<std::uint64_t> greedy;
  for (int n = 0; n < 10; ++n) greedy.push_back(desk.sign_up(1).number);
  const auto ann = desk.login("ann", 2).number, bob = desk.login("bob", 3).number;
  CHECK(desk.served(5) == std::vector{greedy[0], ann, bob, greedy[1], greedy[2]});
}

TEST_CASE("few are worked on at once, and these keep their places") {
  Desk desk;
  std::vector<std::uint64_t> numbers;
  for (std::size_t n = 0; n < AccountDesk::kAtWorkMax; ++n) {
    numbers.push_back(desk.sign_up(1).number);
    CHECK(desk.desk.take_next(kNow) == numbers.back());
  }
  const auto next = desk.sign_up(1).number;
  CHECK(desk.desk.take_next(kNow) == 0);
  for (std::uint64_t n = 5; n < 100; ++n) (void)desk.sign_up(100 + n);
  CHECK(desk.sign_up(2).turned_away == next);
  CHECK(desk.sign_up(3).code == Code::overloaded);  // four are worked on, the others have one each
  desk.desk.answered(numbers[2], Code::none, kNow);
  CHECK(desk.desk.take_next(kNow) != 0);
  CHECK(desk.desk.take_next(kNow) == 0);
}

TEST_CASE("who has waited for too long is told so at once, whoever's turn it is") {
  Desk desk;
  std::vector<std::uint64_t> old;
  for (int n = 0; n < 3; ++n) old.push_back(desk.sign_up(1).number);
  desk.now += AccountDesk::kWaitUs + 1;
  const auto newcomer = desk.sign_up(2).number;
  CHECK(desk.served(4) == std::vector{old[0], old[1], old[2], newcomer});
}

TEST_CASE("who is turned away has not tried") {
  Desk desk;
  for (int n = 0; n < 20; ++n) {
    for (int place = 0; place < 99; ++place) (void)desk.sign_up(1);
    const auto ann = desk.login("ann", 1);
    REQUIRE(ann.code == Code::none);
    CHECK(desk.sign_up(2).turned_away == ann.number);
    (void)desk.served(100);
  }
}
