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
    return desk.admit_login(name, by_phone, address, kNow);
  }
  void guess_wrong(const std::string& name, int times, std::uint64_t address = kHome) {
    for (int n = 0; n < times; ++n) {
      const auto admission = login(name, address);
      REQUIRE(admission.code == Code::none);
      desk.answered(admission.number, Code::not_logged_in, kNow);
    }
  }
  AccountDesk desk{{1, 2}};
};

}  // namespace

TEST_CASE("a hundred wait, log-ins and sign-ups together; the next is told to come again") {
  Desk desk;
  std::vector<std::uint64_t> numbers;
  for (int n = 0; n < 60; ++n) numbers.push_back(desk.login("user-" + std::to_string(n)).number);
  for (int n = 0; n < 40; ++n) numbers.push_back(desk.desk.admit_sign_up().number);
  CHECK(desk.desk.waiting() == 100);
  CHECK(desk.login("late").code == Code::overloaded);
  CHECK(desk.desk.admit_sign_up().code == Code::overloaded);
  desk.desk.answered(numbers.at(70), Code::user_exists, kNow);
  CHECK(desk.login("late").code == Code::none);
  CHECK(desk.desk.admit_sign_up().code == Code::overloaded);
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
  for (int n = 0; n < 100; ++n) CHECK(desk.desk.admit_sign_up().code == Code::none);
  for (int n = 0; n < 50; ++n) CHECK(desk.login("ann").code == Code::overloaded);
  desk.desk.answered(1, Code::none, kNow);
  CHECK(desk.login("ann").code == Code::none);
}

TEST_CASE("who guesses is told so even when there is no room") {
  Desk desk;
  desk.guess_wrong("eve", 10);
  for (int n = 0; n < 100; ++n) CHECK(desk.desk.admit_sign_up().code == Code::none);
  CHECK(desk.login("eve").code == Code::rate_limited);
}
