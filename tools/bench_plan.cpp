#include "tools/bench_plan.h"

#include <algorithm>

#include "config/invariant.h"

namespace stampede::tools {
namespace {

constexpr std::uint64_t kForRepeat = 0x5eed'0001;
constexpr std::uint64_t kForEarlier = 0x5eed'0002;
constexpr std::uint64_t kForItem = 0x5eed'0003;
constexpr std::uint64_t kForUser = 0x5eed'0004;

// splitmix64: a random number that any order can be asked for by itself.
std::uint64_t random_at(std::uint64_t seed, std::uint64_t purpose, std::uint64_t n) {
  std::uint64_t x = (seed ^ (purpose << 32)) + (n + 1) * 0x9e37'79b9'7f4a'7c15;
  x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9;
  x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11eb;
  return x ^ (x >> 31);
}

// 0 … bound-1, each as likely, from the upper half of a random number.
std::uint64_t below(std::uint64_t bound, std::uint64_t random) {
  return ((random >> 32) * bound) >> 32;
}

void append_text(std::string& out, std::string_view text) {
  if (text.size() < 32) {
    out += static_cast<char>(0xa0 | text.size());  // fixstr
  } else {
    out += static_cast<char>(0xd9);  // str 8
    out += static_cast<char>(text.size());
  }
  out += text;
}

}  // namespace

BenchPlan::BenchPlan(const BenchContent& content)
    : content_(content),
      repeats_below_(static_cast<std::uint64_t>(content.duplicates / 100 * 4294967296.0)),
      prefix_("b" + std::to_string(content.seed) + "-" + content.run + "-") {
  STAMPEDE_ASSERT(prefix_.size() + kDigits <= 64, "a request id has at most 64 characters");
  frame_ = "\x84";  // a map of four
  append_text(frame_, "op");
  append_text(frame_, "order");
  append_text(frame_, "id");
  append_text(frame_, prefix_ + std::string(kDigits, '0'));
  id_at_ = frame_.size() - kDigits;
  append_text(frame_, "item");
  frame_ += static_cast<char>(0xce);  // uint 32, big-endian
  item_at_ = frame_.size();
  frame_.append(4, '\0');
  append_text(frame_, "user");
  append_text(frame_, "u" + std::string(kUserDigits, '0'));
  user_at_ = frame_.size() - kUserDigits;
}

void BenchPlan::write_digits(char* at, std::size_t width, std::uint64_t value) {
  for (char* digit = at + width; digit != at; value /= 10) {
    *--digit = static_cast<char>('0' + value % 10);
  }
}

std::uint32_t BenchPlan::item(std::uint64_t n) const {
  if (content_.items == 1) return 1;
  return 1 +
         static_cast<std::uint32_t>(below(content_.items, random_at(content_.seed, kForItem, n)));
}

std::uint32_t BenchPlan::user(std::uint64_t n) const {
  return static_cast<std::uint32_t>(below(content_.users, random_at(content_.seed, kForUser, n)));
}

std::string_view BenchPlan::frame(std::uint64_t n) {
  write_digits(frame_.data() + id_at_, kDigits, n);
  write_digits(frame_.data() + user_at_, kUserDigits, user(n));
  const std::uint32_t number = item(n);
  for (unsigned i = 0; i < 4; ++i) {
    frame_[item_at_ + i] = static_cast<char>(number >> (24 - 8 * i));
  }
  return frame_;
}

std::optional<std::uint64_t> BenchPlan::repeat_after(std::uint64_t n) const {
  if (repeats_below_ == 0) return std::nullopt;
  if (random_at(content_.seed, kForRepeat, n) >> 32 >= repeats_below_) return std::nullopt;
  return below(n + 1, random_at(content_.seed, kForEarlier, n));
}

std::optional<std::uint64_t> BenchPlan::index_of(std::string_view id) const {
  if (id.size() != prefix_.size() + kDigits || !id.starts_with(prefix_)) return std::nullopt;
  std::uint64_t index = 0;
  for (const char digit : id.substr(prefix_.size())) {
    if (digit < '0' || digit > '9') return std::nullopt;
    index = index * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  return index;
}

std::string BenchPlan::id(std::uint64_t n) const {
  std::string text = prefix_ + std::string(kDigits, '0');
  write_digits(text.data() + prefix_.size(), kDigits, n);
  return text;
}

}  // namespace stampede::tools
