#include "test/bench/recovery/sale_memory.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "actors/sale/order_book.h"
#include "storage/commands/command.h"

namespace stampede::bench {

namespace {

// Decisions that a book takes as a replay does.
class BookSink final : public DecisionSink {
 public:
  storage::Lsn emit(std::string_view payload) override {
    const storage::Lsn lsn = storage::make_lsn(1, ++decisions_);
    if (decoder_.command_set(payload, set_) && book_.replay_set(set_, lsn)) return lsn;
    std::fprintf(stderr, "decision %llu contradicts the book\n",
                 static_cast<unsigned long long>(decisions_));
    std::exit(1);
  }
  [[nodiscard]] const actors::OrderBook& book() const { return book_; }

 private:
  actors::OrderBook book_{{1, 2, 3}, {}};
  storage::CommandDecoder decoder_;
  std::vector<storage::Command> set_;
  std::uint64_t decisions_ = 0;
};

std::int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t all = 0;
  std::int64_t resident = 0;
  statm >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

double each(std::int64_t bytes, std::uint64_t count) {
  return static_cast<double>(bytes) / static_cast<double>(count);
}

KindMemory between(std::string_view kind, const BookMemory& less, const BookMemory& more,
                   std::uint64_t count, double bound) {
  return {kind, each(more.by_tables - less.by_tables, count),
          each(more.by_kernel - less.by_kernel, count), bound};
}

}  // namespace

BookMemory book_memory(const SaleShape& shape) {
  const auto before = resident_bytes();
  BookSink sink;
  SaleLog(shape, sink).write();
  return {static_cast<std::int64_t>(sink.book().memory_bytes()), resident_bytes() - before};
}

std::vector<KindMemory> kind_memory(SaleShape shape, std::uint64_t count,
                                    const std::function<BookMemory(const SaleShape&)>& book) {
  shape.plain = shape.held = shape.paid = shape.expired = shape.tickets = shape.lag = 0;
  const auto nothing = book(shape);
  const auto with = [&](std::uint64_t SaleShape::*kind, std::uint64_t SaleShape::*settled) {
    auto one = shape;
    one.*kind = one.*settled = count;
    return book(one);
  };
  const auto plain = with(&SaleShape::plain, &SaleShape::plain);
  const auto unpaid = with(&SaleShape::held, &SaleShape::held);
  const auto expired = with(&SaleShape::held, &SaleShape::expired);
  const auto paid = with(&SaleShape::held, &SaleShape::paid);
  const auto tickets = with(&SaleShape::tickets, &SaleShape::tickets);
  return {between("order", nothing, plain, count, 64),
          between("hold, once settled", plain, expired, count, 48),
          between("hold, unpaid", plain, unpaid, count, 48 + 40),
          between("payment", expired, paid, count, 64),
          between("live ticket", nothing, tickets, count, 64)};
}

}  // namespace stampede::bench
