#pragma once

// Looks for orders in the database, newest first, piece by piece of the primary key: no index is
// needed beside it, no statement takes long, and the caller may end whenever he has enough. Reads
// only. One session; thread-compatible: one thread. Every call blocks for a round trip or two.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "storage/lsn.h"
#include "storage/mysql/db_options.h"
#include "storage/result.h"

namespace stampede::storage {

class SqlSession;

// What is empty, or nothing, fits all.
struct OrderFilter {
  std::string request_id;
  std::string user;
  std::optional<std::uint64_t> item;
  std::string fulfilment;                // "none", "unpaid", …
  std::optional<std::int64_t> since_us;  // decided then or later, since 1970
  std::optional<std::int64_t> until_us;
};

struct FoundOrder {
  Lsn order_id = 0;
  std::string request_id;
  std::uint64_t item = 0;
  std::string user;
  std::uint32_t qty = 0;
  std::int64_t unit_price_cents = 0;
  std::int64_t decided_at_us = 0;
  std::string fulfilment;
};

class OrderSearch {
 public:
  // Errors: invalid, unavailable, as of Database::open; the schema is not looked at.
  static Result<OrderSearch> open(const DbOptions& options, OrderFilter filter);
  ~OrderSearch();
  OrderSearch(OrderSearch&&) noexcept;
  OrderSearch& operator=(OrderSearch&&) noexcept;

  // Gives up to `limit` orders of the next piece to on_row, descending. False: there is no further
  // piece. A piece that held more goes on with the next call.
  Result<bool> next(std::size_t limit, const std::function<void(const FoundOrder&)>& on_row);

  // No order from here on up is still to come; 0 when all were looked at.
  [[nodiscard]] Lsn looked_down_to() const { return below_; }

  static constexpr std::size_t kPieceRows = 50'000;
  // Decisions are in the order of their times but for as much.
  static constexpr std::int64_t kDisorderUs = 60'000'000;

 private:
  OrderSearch(std::unique_ptr<SqlSession> session, OrderFilter filter);
  struct Piece {
    Lsn from = 0;                    // 0: it is the last
    std::int64_t decided_at_us = 0;  // of its lowest order
  };
  Result<Piece> piece();
  [[nodiscard]] std::string select(Lsn from, std::size_t limit) const;

  std::unique_ptr<SqlSession> session_;
  OrderFilter filter_;
  Lsn below_ = ~Lsn{0};
};

}  // namespace stampede::storage
