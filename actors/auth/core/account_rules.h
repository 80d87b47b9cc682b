#pragma once

// What an account may be called, and what a password must be. Pure functions; any thread.

#include <optional>
#include <string>
#include <string_view>

namespace stampede::actors {

inline constexpr std::size_t kPasswordBytesMin = 8;
inline constexpr std::size_t kPasswordBytesMax = 128;
inline constexpr std::size_t kAccountNameBytesMax = 500;
inline constexpr std::size_t kPhoneBytesMin = 3;
inline constexpr std::size_t kPhoneBytesMax = 32;

struct NewAccount {
  std::string user;
  std::string password;
  std::string name{};   // of the person; may be empty
  std::string phone{};  // empty: none
};

struct AccountFault {
  std::string_view field;  // "user", "password", "name", "phone"
  std::string_view text;   // for people; a literal
};

// Digits, after a '+' or none: kPhoneBytesMin to kPhoneBytesMax bytes.
bool valid_phone(std::string_view phone);

// Of the account's own password; nothing: it may be used. `phone` may be empty.
std::optional<AccountFault> password_fault(std::string_view password, std::string_view user,
                                           std::string_view phone);

// The first fault counts; nothing: the account may be made.
std::optional<AccountFault> account_fault(const NewAccount& account);

// Of somebody who logs in. A password that cannot be anybody's is no fault unless it is empty or
// longer than any may be.
std::optional<AccountFault> login_fault(std::string_view name, bool by_phone,
                                        std::string_view password);

}  // namespace stampede::actors
