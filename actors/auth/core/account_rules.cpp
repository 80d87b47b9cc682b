#include "actors/auth/core/account_rules.h"

#include <algorithm>

#include "actors/auth/core/session.h"
#include "actors/sale/request.h"

namespace stampede::actors {

namespace {

constexpr std::string_view kLength = "a password has 8 to 128 bytes";
constexpr std::string_view kWeak =
    "a password is not the user, the phone or one character again "
    "and again";
constexpr std::string_view kUser = "a user is 1 to 64 bytes of UTF-8 without control characters";
constexpr std::string_view kPhone = "a phone is 3 to 32 bytes: digits, after a + or none";
constexpr std::string_view kName =
    "a name is at most 500 bytes of UTF-8 without control "
    "characters";

}  // namespace

bool valid_phone(std::string_view phone) {
  if (phone.size() < kPhoneBytesMin || phone.size() > kPhoneBytesMax) return false;
  if (phone.front() == '+') phone.remove_prefix(1);
  return phone.find_first_not_of("0123456789") == std::string_view::npos;
}

std::optional<AccountFault> password_fault(std::string_view password, std::string_view user,
                                           std::string_view phone) {
  constexpr std::string_view kField = "password";
  if (password.size() < kPasswordBytesMin || password.size() > kPasswordBytesMax)
    return AccountFault{kField, kLength};
  const bool same = password.find_first_not_of(password.front()) == std::string_view::npos;
  if (same || password == user || password == phone) return AccountFault{kField, kWeak};
  return std::nullopt;
}

std::optional<AccountFault> account_fault(const NewAccount& account) {
  if (!valid_user(account.user)) return AccountFault{"user", kUser};
  if (account.user == kServiceUser)
    return AccountFault{"user", "this name is that of the system's own tools"};
  if (!account.name.empty() && !valid_text(account.name, kAccountNameBytesMax))
    return AccountFault{"name", kName};
  if (!account.phone.empty() && !valid_phone(account.phone)) return AccountFault{"phone", kPhone};
  return password_fault(account.password, account.user, account.phone);
}

std::optional<AccountFault> login_fault(std::string_view name, bool by_phone,
                                        std::string_view password) {
  if (by_phone && !valid_phone(name)) return AccountFault{"phone", kPhone};
  if (!by_phone && !valid_user(name)) return AccountFault{"user", kUser};
  if (password.empty() || password.size() > kPasswordBytesMax)
    return AccountFault{"password", kLength};
  return std::nullopt;
}

}  // namespace stampede::actors
