#include "tools/bench/bench_plan.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "config/process/invariant.h"
#include "tools/bench/decimal_digits.h"

namespace stampede::tools {
namespace {

constexpr std::uint64_t kForRepeat = 0x5eed'0001;
constexpr std::uint64_t kForEarlier = 0x5eed'0002;
constexpr std::uint64_t kForItem = 0x5eed'0003;
constexpr std::uint64_t kForUser = 0x5eed'0004;
constexpr std::size_t kItemDigits = 7;  // at most 1,000,000 items
constexpr char kFalse = static_cast<char>(0xc2);
constexpr char kTrue = static_cast<char>(0xc3);

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
  } else if (text.size() < 256) {
    out += static_cast<char>(0xd9);  // str 8
    out += static_cast<char>(text.size());
  } else {
    out += static_cast<char>(0xda);  // str 16
    out += static_cast<char>(text.size() >> 8);
    out += static_cast<char>(text.size() & 255U);
  }
  out += text;
}

}  // namespace

BenchPlan::BenchPlan(const BenchContent& content)
    : content_(content),
      repeats_below_(static_cast<std::uint64_t>(content.duplicates / 100 * 4294967296.0)),
      prefix_("b" + std::to_string(content.seed) + "-" + content.run + "-") {
  STAMPEDE_ASSERT(prefix_.size() + kDigits <= 64, "a request id has at most 64 characters");
  if (content_.tickets)
    make_ticket_map();
  else
    make_map();
  make_json();
}

bool BenchPlan::order_with_tickets(std::uint64_t orders) {
  for (std::uint64_t n = 0; n < orders; ++n)
    if (!tickets_.has(n)) return false;
  make_map();
  return true;
}

void BenchPlan::add_promo() {
  if (content_.promo == 0) return;
  append_text(map_, "promo");
  map_ += static_cast<char>(0xcf);  // uint 64, big-endian
  for (int shift = 56; shift >= 0; shift -= 8)
    map_ += static_cast<char>(content_.promo >> static_cast<unsigned>(shift));
}

void BenchPlan::add_token() {
  if (content_.token.empty()) return;
  append_text(map_, "token");
  append_text(map_, content_.token);
}

// The ticket's id is the order's.
void BenchPlan::make_ticket_map() {
  map_ = static_cast<char>(0x84 + !content_.token.empty());  // so many pairs
  append_text(map_, "op");
  append_text(map_, "ticket");
  append_text(map_, "id");
  append_text(map_, prefix_ + std::string(kDigits, '0'));
  id_at_ = map_.size() - kDigits;
  append_text(map_, "user");
  append_text(map_, "u" + std::string(kUserDigits, '0'));
  user_at_ = map_.size() - kUserDigits;
  add_promo();
  add_token();
}

void BenchPlan::make_map() {
  map_ = static_cast<char>(0x84 + content_.first + !content_.token.empty() + (content_.promo != 0) +
                           (tickets_.bytes() != 0));  // so many pairs
  append_text(map_, "op");
  append_text(map_, "order");
  append_text(map_, "id");
  append_text(map_, prefix_ + std::string(kDigits, '0'));
  id_at_ = map_.size() - kDigits;
  append_text(map_, "item");
  map_ += static_cast<char>(0xce);  // uint 32, big-endian
  item_at_ = map_.size();
  map_.append(4, '\0');
  append_text(map_, "user");
  append_text(map_, "u" + std::string(kUserDigits, '0'));
  user_at_ = map_.size() - kUserDigits;
  add_promo();
  if (tickets_.bytes() != 0) {
    append_text(map_, "ticket");
    append_text(map_, std::string(tickets_.bytes(), ' '));
    ticket_at_ = map_.size() - tickets_.bytes();
  }
  add_token();
  if (!content_.first) return;
  append_text(map_, "first");
  first_at_ = map_.size();
  map_ += kFalse;
}

void BenchPlan::make_json() {
  json_ = "{\"id\":\"" + prefix_ + std::string(kDigits, '0') + "\",\"item\":";
  json_id_at_ = prefix_.size() + 7;
  json_item_at_ = json_.size();
  json_ += std::string(kItemDigits, ' ') + ",\"user\":\"u";
  json_user_at_ = json_.size();
  json_ += std::string(kUserDigits, '0') + '"';
  if (content_.promo != 0) json_ += ",\"promo\":" + std::to_string(content_.promo);
  json_ += '}';
}

void BenchPlan::write_number(char* id_digits, std::uint64_t n) {
  write_digit_pairs<1>(id_digits, static_cast<std::uint32_t>(n / 100'000'000));
  write_digit_pairs<4>(id_digits + 2, static_cast<std::uint32_t>(n % 100'000'000));
}

void BenchPlan::write_user(char* user_digits, std::uint32_t user) {
  *user_digits = '0';  // there are at most 10^8
  write_digit_pairs<4>(user_digits + 1, user);
}

std::uint32_t BenchPlan::item(std::uint64_t n) const {
  if (content_.items == 1) return 1;
  return 1 +
         static_cast<std::uint32_t>(below(content_.items, random_at(content_.seed, kForItem, n)));
}

// Nobody has two tickets at a time.
std::uint32_t BenchPlan::user(std::uint64_t n) const {
  if (content_.tickets) return static_cast<std::uint32_t>(n);
  return static_cast<std::uint32_t>(below(content_.users, random_at(content_.seed, kForUser, n)));
}

void BenchPlan::fill_in(char* map, std::uint64_t n) {
  write_number(map + id_at_, n);
  write_user(map + user_at_, user(n));
  if (item_at_ == 0) return;
  const std::uint32_t number = item(n);
  for (unsigned i = 0; i < 4; ++i) map[item_at_ + i] = static_cast<char>(number >> (24 - 8 * i));
  if (ticket_at_ != 0) std::memcpy(map + ticket_at_, tickets_.of(n).data(), tickets_.bytes());
  if (first_at_ == 0) return;
  map[first_at_] = n >= untried_ ? kTrue : kFalse;
  untried_ = std::max(untried_, n + 1);
}

std::string_view BenchPlan::frame(std::uint64_t n) {
  fill_in(map_.data(), n);
  return map_;
}

std::string_view BenchPlan::frame(std::span<const std::uint32_t> orders) {
  STAMPEDE_ASSERT(orders.size() <= kBatchMax, "a batch has at most 1000 orders");
  constexpr std::size_t kHead = 3;  // array 16
  const std::size_t size = kHead + orders.size() * map_.size();
  if (batch_.empty()) batch_ = "\xdc--";
  while (batch_.size() < size) batch_ += map_;
  batch_[1] = static_cast<char>(orders.size() >> 8);
  batch_[2] = static_cast<char>(orders.size() & 255U);
  char* map = batch_.data() + kHead;
  for (const auto n : orders) fill_in(map, n), map += map_.size();
  return std::string_view(batch_).substr(0, size);
}

// The item's number stands behind blanks, which JSON allows there.
std::string_view BenchPlan::json(std::uint64_t n) {
  write_number(json_.data() + json_id_at_, n);
  write_user(json_.data() + json_user_at_, user(n));
  char* digit = json_.data() + json_item_at_ + kItemDigits;
  std::fill_n(json_.data() + json_item_at_, kItemDigits, ' ');
  for (auto left = item(n); left > 0; left /= 10) *--digit = static_cast<char>('0' + left % 10);
  return json_;
}

std::optional<std::uint64_t> BenchPlan::random_repeat_after(std::uint64_t n) const {
  if (random_at(content_.seed, kForRepeat, n) >> 32 >= repeats_below_) return std::nullopt;
  return below(n + 1, random_at(content_.seed, kForEarlier, n));
}

std::optional<std::uint64_t> BenchPlan::index_of(std::string_view id) const {
  if (id.size() != prefix_.size() + kDigits || !id.starts_with(prefix_)) return std::nullopt;
  std::uint64_t index = 0;
  if (!read_digits(id.data() + prefix_.size(), kDigits, index)) return std::nullopt;
  return index;
}

std::string BenchPlan::id(std::uint64_t n) const {
  std::string text = prefix_ + std::string(kDigits, '0');
  write_number(text.data() + prefix_.size(), n);
  return text;
}

}  // namespace stampede::tools
