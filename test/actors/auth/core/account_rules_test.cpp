// What an account may be called, and what a password must be.

#include "actors/auth/core/account_rules.h"

#include <doctest/doctest.h>

using namespace stampede::actors;

namespace {

std::string at_fault(const NewAccount& account) {
  const auto fault = account_fault(account);
  return fault ? std::string(fault->field) : "";
}

std::string password_at_fault(const std::string& password, const std::string& user = "ann",
                              const std::string& phone = "") {
  const auto fault = password_fault(password, user, phone);
  return fault ? std::string(fault->field) : "";
}

}  // namespace

TEST_CASE("a password has 8 to 128 bytes and is not the obvious one") {
  CHECK(password_at_fault("12345678") == "");
  CHECK(password_at_fault(std::string("1234567\0", 8)) == "");
  CHECK(password_at_fault(std::string(64, 'a') + std::string(64, 'b')) == "");
  CHECK(password_at_fault("\xC3\xA9\xC3\xA8\xC3\xA0\xC3\xBC") == "");
  for (const auto* wrong : {"", "1234567", "aaaaaaaa"})
    CHECK(password_at_fault(wrong) == "password");
  CHECK(password_at_fault(std::string(64, 'a') + std::string(65, 'b')) == "password");
  CHECK(password_at_fault("ann-the-user", "ann-the-user") == "password");
  CHECK(password_at_fault("13812345678", "ann", "13812345678") == "password");
}

TEST_CASE("the first field that may not be is named") {
  const NewAccount good{"ann", "correct horse", "Ann Lee", "+8613812345678"};
  CHECK(at_fault(good) == "");
  const auto with = [&](auto member, const std::string& value) {
    auto account = good;
    account.*member = value;
    return at_fault(account);
  };
  CHECK(with(&NewAccount::name, "") == "");
  CHECK(with(&NewAccount::phone, "") == "");
  CHECK(with(&NewAccount::user, std::string(64, 'u')) == "");
  CHECK(with(&NewAccount::name, std::string(500, 'n')) == "");
  for (const auto& wrong : {std::string(), std::string(65, 'u'), std::string("a\nb"),
                            std::string("\xff"), std::string("stampede")})
    CHECK(with(&NewAccount::user, wrong) == "user");
  for (const auto& wrong : {std::string(501, 'n'), std::string("\x1b[2J"), std::string("\xC3")})
    CHECK(with(&NewAccount::name, wrong) == "name");
  CHECK(with(&NewAccount::phone, "12") == "phone");
  CHECK(with(&NewAccount::password, "short") == "password");
}

TEST_CASE("a phone is 3 to 32 bytes of digits, after a + or none") {
  for (const auto* good : {"110", "+49", "13812345678", "+8613812345678"}) CHECK(valid_phone(good));
  CHECK(valid_phone(std::string(32, '1')));
  for (const auto* wrong : {"", "+", "11", "1 38", "+1+2", "138-1234", "12a", "+ab", "１２３"})
    CHECK_FALSE(valid_phone(wrong));
  CHECK_FALSE(valid_phone(std::string(33, '1')));
}

TEST_CASE("who logs in is told what cannot be a name or a password, and nothing else") {
  const auto at = [](const std::string& name, bool by_phone, const std::string& password) {
    const auto fault = login_fault(name, by_phone, password);
    return fault ? std::string(fault->field) : "";
  };
  CHECK(at("ann", false, "x") == "");
  CHECK(at("stampede", false, "aaaaaaaa") == "");
  CHECK(at("13812345678", true, std::string(128, 'p')) == "");
  CHECK(at("", false, "x") == "user");
  CHECK(at("a\tb", false, "x") == "user");
  CHECK(at("ann", true, "x") == "phone");
  CHECK(at("ann", false, "") == "password");
  CHECK(at("ann", false, std::string(129, 'p')) == "password");
}
