#pragma once

// Compares the database with the ledger of the log. Reads only. One thread; blocks for the queries.

#include <cstdint>

#include "storage/mysql/database.h"
#include "tools/books/ledger.h"

namespace stampede::tools {

// From where on rows are waited for: what is before is stored. 0: from the first on.
struct BooksWait {
  storage::Lsn order = 0;  // or what its payment became
  storage::Lsn stock = 0;  // a StockChange
};

struct BooksDifference {
  std::uint64_t rows = 0;       // orders in the database up to the ledger's position
  std::uint64_t lost = 0;       // the log says executed, the row is not there
  std::uint64_t pending = 0;    // owed and not there yet, of whatever kind
  std::uint64_t strangers = 0;  // rows that the log does not know
  std::int64_t oversold = 0;    // units below zero in the database
  BooksWait wait;               // the first of each kind that is not there
  Findings findings;
};

// Everything up to `up_to`. `ledger` was read before: what it calls executed must be stored now.
storage::Result<BooksDifference> compare_books(storage::Database& database, const Ledger& ledger,
                                               storage::Lsn up_to);

// Whether every order and StockChange of the ledger from `from` on, and every change of an item or
// promo, has a row: cheaper than comparing, and all that waiting needs. Moves `from` to the first
// that has none.
storage::Result<bool> all_stored(storage::Database& database, const Ledger& ledger, BooksWait& from,
                                 storage::Lsn up_to);

}  // namespace stampede::tools
