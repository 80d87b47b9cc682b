#include "actors/supervisor/ops_door.h"

#include <algorithm>
#include <array>
#include <random>

namespace stampede::actors {

namespace {

// In the same time wherever they differ.
bool same_secret(std::string_view left, std::string_view right) {
  if (left.size() != right.size() || left.empty()) return false;
  unsigned differ = 0;
  for (std::size_t i = 0; i < left.size(); ++i)
    differ |= static_cast<unsigned char>(left[i]) ^ static_cast<unsigned char>(right[i]);
  return differ == 0;
}

}  // namespace

std::string new_secret() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::random_device random;  // the kernel's
  std::string text;
  for (int word = 0; word < 8; ++word) {
    auto bits = random();
    for (int digit = 0; digit < 8; ++digit, bits >>= 4U) text += kDigits[bits & 15U];
  }
  return text;
}

std::string OpsDoor::new_code(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (codes_.size() == kCodesMax) codes_.pop_front();
  return codes_.emplace_back(Code{new_secret(), now + kCodeTime}).text;
}

std::string OpsDoor::open(std::string_view code, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(codes_.begin(), codes_.end(),
                                  [&](const Code& one) { return same_secret(one.text, code); });
  if (found == codes_.end()) return {};
  const bool in_time = now < found->until;
  codes_.erase(found);
  if (!in_time) return {};
  if (sessions_.size() == kSessionsMax) sessions_.pop_front();
  return sessions_.emplace_back(new_secret());
}

bool OpsDoor::is_token(std::string_view text) const {
  return same_secret(token_, text);
}

bool OpsDoor::is_session(std::string_view text) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(sessions_.begin(), sessions_.end(),
                     [&](const std::string& one) { return same_secret(one, text); });
}

void OpsDoor::close(std::string_view session) {
  const std::lock_guard lock(mutex_);
  std::erase_if(sessions_, [&](const std::string& one) { return same_secret(one, session); });
}

}  // namespace stampede::actors
