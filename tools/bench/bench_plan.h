#pragma once

// What a bench sends: order n of a run has an id, an item and a user that follow from the seed
// alone, so a run can be repeated exactly. Pure; one thread.
//
// Ids are `b<seed>-<run>-<n>`: the run's name keeps repeats of the same seed apart, n has a fixed
// width so that an answer's id leads back to its order without a look-up. Frames are made ahead and
// patched in place.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tools/bench/ticket_texts.h"

namespace stampede::tools {

struct BenchContent {
  std::uint64_t seed = 1;
  std::string run;          // at most kRunBytesMax of [A-Za-z0-9_-]
  std::uint32_t items = 1;  // items 1 … items, each as likely
  std::uint32_t users = 100'000;
  double duplicates = 0;    // percent of orders that are followed by an earlier one, once more
  bool first = false;       // SF1: orders say at their first try that it is one
  std::string token{};      // that every order shows; empty: none
  std::uint64_t promo = 0;  // that orders name; 0: none
  bool tickets = false;     // SF1: each order has a user and a ticket of its own
};

inline constexpr std::size_t kRunBytesMax = 24;  // a step of a ramp adds some of its own
inline constexpr std::size_t kBatchMax = 1000;   // orders of one frame
inline constexpr std::uint64_t kBenchOrdersMax = 4'000'000'000;

class BenchPlan {
 public:
  explicit BenchPlan(const BenchContent& content);

  // With tickets all frames ask for them, until order_with_tickets().
  //
  // The SF1 frame that orders n; valid until the next call, as all frames.
  std::string_view frame(std::uint64_t n);
  // The SF1 frame that orders all of these, at most kBatchMax.
  std::string_view frame(std::span<const std::uint32_t> orders);
  // The body of POST /v1/orders.
  std::string_view json(std::uint64_t n);
  // The earlier order that is sent again after order n, if any.
  [[nodiscard]] std::optional<std::uint64_t> repeat_after(std::uint64_t n) const {
    return repeats_below_ == 0 ? std::nullopt : random_repeat_after(n);
  }
  // The ticket of order n, which an answer has brought. False: it is not as all the others are.
  [[nodiscard]] bool keep_ticket(std::uint64_t n, std::string_view text) {
    return tickets_.keep(n, text);
  }
  // From now on frames are orders with their tickets. False: one of the first `orders` has none.
  [[nodiscard]] bool order_with_tickets(std::uint64_t orders);
  // Which order an id names; nothing for an id of another run.
  [[nodiscard]] std::optional<std::uint64_t> index_of(std::string_view id) const;

  [[nodiscard]] std::string id(std::uint64_t n) const;
  [[nodiscard]] const std::string& token() const { return content_.token; }
  [[nodiscard]] const std::string& id_prefix() const { return prefix_; }
  [[nodiscard]] std::uint32_t item(std::uint64_t n) const;
  [[nodiscard]] std::uint32_t user(std::uint64_t n) const;

 private:
  static constexpr std::size_t kDigits = 10;
  static constexpr std::size_t kUserDigits = 9;
  [[nodiscard]] std::optional<std::uint64_t> random_repeat_after(std::uint64_t n) const;
  static void write_number(char* id_digits, std::uint64_t n);
  static void write_user(char* user_digits, std::uint32_t user);
  void make_map();
  void make_ticket_map();
  void add_promo();
  void add_token();
  void make_json();
  void fill_in(char* map, std::uint64_t n);

  BenchContent content_;
  std::uint64_t repeats_below_;  // of 2^32
  std::string prefix_;
  std::string map_;  // only these places of it change:
  std::size_t id_at_ = 0;
  std::size_t item_at_ = 0;  // 0: there is none
  std::size_t user_at_ = 0;
  std::size_t ticket_at_ = 0;  // 0: there is none
  std::size_t first_at_ = 0;   // 0: it is not said
  std::uint64_t untried_ = 0;  // no order from here on was in a frame
  std::string batch_;          // an array's head and many maps
  TicketTexts tickets_;
  std::string json_;
  std::size_t json_id_at_ = 0, json_item_at_ = 0, json_user_at_ = 0;
};

}  // namespace stampede::tools
