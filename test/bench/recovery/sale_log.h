#pragma once

// A whole sale as the log has it, record by record, always the same for the same shape: items,
// promos, orders without rules, orders in promos with a hold of which some are paid and some
// expire, tickets. What is written is format 2, made by the product's own encoders; a replay that
// finds a contradiction in it says so. Pure; one thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/commands/command.h"

namespace stampede::bench {

// Where decisions go. One that fails ends the program.
class DecisionSink {
 public:
  virtual ~DecisionSink() = default;
  // The payload of an EMIT; its lsn, which follows that of the one before.
  virtual storage::Lsn emit(std::string_view payload) = 0;
};

struct SaleShape {
  std::uint64_t items = 1;
  std::uint64_t promos = 0;  // no more than items; each of an item of its own
  std::uint64_t plain = 0;   // orders without rules
  std::uint64_t held = 0;    // orders in promos with a hold, of users of their own in each promo
  std::uint64_t paid = 0;    // of these
  std::uint64_t expired = 0;
  std::uint64_t lag = 100'000;    // so many held orders come before one of these is settled
  std::uint64_t tickets = 0;      // live in the end
  std::uint64_t ticket_uses = 0;  // one of so many held orders has had a ticket; 0: none
  bool shuffled = false;          // items come in any order of their ids
  bool limited = false;           // promos have a limit per user
  bool bounded = false;           // promos and their items bound what a user has unpaid
  bool long_ids = false;          // of tickets: 36 characters, as UUIDs are often written, not 32
};

class SaleLog {
 public:
  SaleLog(const SaleShape& shape, DecisionSink& sink);

  // All of it: orders of both kinds in turns, and what becomes of held ones some time later.
  void write();

  // The same by kinds, in this order; the counts add up.
  void items();
  void promos();
  void plain_orders(std::uint64_t count);
  void held_orders(std::uint64_t count);
  void pay(std::uint64_t count);     // the oldest that are unpaid
  void expire(std::uint64_t count);  // likewise
  void grant_tickets(std::uint64_t count);

 private:
  void item(std::uint64_t id);
  void settle(std::uint64_t count);
  void grant(std::uint64_t promo, std::string_view user, std::string_view id);
  [[nodiscard]] std::int64_t next_moment_us() { return now_us_ += 10; }
  [[nodiscard]] std::string ticket_id(char kind, std::uint64_t number) const;

  SaleShape shape_;
  DecisionSink& sink_;
  std::string payload_;
  storage::ByteBuffer grant_;
  std::int64_t now_us_;
  std::vector<std::int64_t> amounts_;   // of each item, from 1 on
  std::vector<std::uint64_t> granted_;  // of each promo, from 1 on
  std::uint64_t plain_ = 0;
  std::vector<storage::Lsn> held_;  // orders
  std::uint64_t settled_ = 0;
  std::uint64_t paid_ = 0;
  std::uint64_t tickets_ = 0;
};

}  // namespace stampede::bench
