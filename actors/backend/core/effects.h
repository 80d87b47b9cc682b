#pragma once

// What the backend's decisions bring about, as data: BackendCore leaves it, its shell carries it
// out (actors/backend/backend). Values; whoever holds them owns them.

#include <cstdint>
#include <string>
#include <vector>

#include "actors/backend/core/projection.h"
#include "actors/protocol/envelope.h"
#include "actors/sale/order_book.h"

namespace stampede::actors {

// One answered or refused batch on its way to a webapp.
struct ResultMessage {
  transport::Envelope envelope;
  std::string body;
};

// The answer to a control request, in the body form of node_messages.h (one entry).
struct ControlAnswer {
  std::uint64_t number = 0;
  Lsn lsn = 0;  // of the decision, 0 when nothing was decided
  std::string body;
};

// The answer to a change of a promo.
struct PromoAnswer {
  std::uint64_t number = 0;
  Lsn lsn = 0;
  Code error = Code::none;
  std::string field;  // what is wrong, or in the way
  bool changed = false;
  PromoTable::Promo promo;  // as it is then
  PromoState state = PromoState::ended;
};

struct BooksAnswer {
  std::uint64_t number = 0;
  Lsn lsn = 0;  // the books are as of this decision, which is durable
  Books books;
};

struct Effects {
  std::vector<AppendPtr> appends;       // to the log, in this order
  std::vector<ResultMessage> results;   // to the broker
  std::vector<ControlAnswer> controls;  // to the supervisor
  std::vector<PromoAnswer> promos;
  std::vector<BooksAnswer> books;
  std::vector<LaneWork> work;  // to the lanes

  void clear() {
    appends.clear();
    results.clear();
    controls.clear();
    promos.clear();
    books.clear();
    work.clear();
  }
};

}  // namespace stampede::actors
