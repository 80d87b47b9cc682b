// Which request ids are known: for ever, or until so many newer rejections came.

#include "actors/sale/decided_requests.h"

#include <doctest/doctest.h>

#include "test/actors/sale/saved_entries.h"

using namespace stampede;
using namespace stampede::actors;
using storage::SnapshotSection;

namespace {

using Kind = DecidedRequests::Kind;

storage::RequestHash hash(std::uint64_t id) {
  return {id * 0x9e3779b97f4a7c15ULL, id};
}

DecidedRequests::Known known(std::uint64_t id, Kind kind = Kind::confirmed) {
  DecidedRequests::Known one;
  one.hash = hash(id);
  one.lsn = id;
  one.kind = kind;
  if (kind == Kind::rejected) one.reason = storage::RejectReason::sold_out;
  return one;
}

DecidedRequests::Rejection rejection(std::uint64_t id) {
  return {known(id, Kind::rejected), 1000 + id};
}

struct Decided {
  void reject(std::uint64_t id) { requests.remember_rejection(rejection(id)); }
  void confirm(std::uint64_t id) { requests.remember(known(id)); }
  storage::Lsn lsn(std::uint64_t id) const {  // 0: not known
    const auto* found = requests.find(hash(id));
    return found == nullptr ? 0 : found->lsn;
  }

  DecidedRequests requests{5, 3};
};

}  // namespace

TEST_CASE("what was remembered is found, and nothing else") {
  Decided d;
  d.confirm(1);
  d.reject(2);
  CHECK(d.lsn(1) == 1);
  CHECK(d.lsn(2) == 2);
  CHECK(d.lsn(3) == 0);
  CHECK(d.requests.find(hash(2))->kind == Kind::rejected);
}

TEST_CASE("ids whose index hashes are equal are told apart") {
  Decided d;
  auto one = known(1);
  auto other = known(2);
  other.hash[0] = one.hash[0];
  d.requests.remember(one);
  d.requests.remember(other);
  CHECK(d.requests.find(one.hash)->lsn == 1);
  CHECK(d.requests.find(other.hash)->lsn == 2);
}

TEST_CASE("the oldest rejections are forgotten, one for each that is too many") {
  Decided d;
  for (std::uint64_t id = 1; id <= 100; ++id) {
    d.reject(id);
    CHECK(d.lsn(id) == id);
    if (id > 3) CHECK(d.lsn(id - 3) == 0);
    if (id > 2) CHECK(d.lsn(id - 2) == id - 2);
  }
}

TEST_CASE("at the limit no further id may be remembered for ever; rejections do not count") {
  Decided d;
  for (std::uint64_t id = 1; id <= 5; ++id) {
    CHECK_FALSE(d.requests.full());
    d.confirm(id);
    d.reject(100 + id);
  }
  CHECK(d.requests.full());
}

TEST_CASE("a confirmed id counts before an older rejection of it") {
  Decided d;
  d.reject(7);
  auto confirmed = known(7);
  confirmed.lsn = 70;
  d.requests.remember(confirmed);
  CHECK(d.lsn(7) == 70);
  for (std::uint64_t id = 10; id < 20; ++id) d.reject(id);
  CHECK(d.lsn(7) == 70);
}

TEST_CASE("what is saved and loaded is known again, in the order in which it came") {
  Decided d;
  for (std::uint64_t id = 1; id <= 4; ++id) d.confirm(id);
  for (std::uint64_t id = 11; id <= 15; ++id) d.reject(id);  // 11 and 12 are forgotten
  SavedEntries saved;
  d.requests.save(saved);
  storage::SnapshotSummary summary;
  d.requests.count(summary);
  CHECK(summary.known == 4);
  CHECK(summary.rejections == 3);
  CHECK(summary.rejections_max == 3);

  Decided loaded;
  loaded.requests.reserve(summary);
  saved.each<DecidedRequests::Known>(
      SnapshotSection::known, [&](const auto& entry) { CHECK(loaded.requests.load(entry)); });
  saved.each<DecidedRequests::Rejection>(SnapshotSection::rejections, [&](const auto& entry) {
    CHECK(entry.user_hash == 1000 + entry.decision.lsn);
    CHECK(loaded.requests.load(entry));
  });
  for (const std::uint64_t id : {1, 4, 13, 15}) CHECK(loaded.lsn(id) == id);
  CHECK(loaded.lsn(12) == 0);
  SavedEntries again;
  loaded.requests.save(again);
  CHECK(again.entries == saved.entries);
}

TEST_CASE("of more rejections than are to be remembered the newest are loaded") {
  DecidedRequests few(5, 2);
  for (std::uint64_t id = 1; id <= 3; ++id) CHECK(few.load(rejection(id)));
  CHECK(few.find(hash(1)) == nullptr);
  CHECK(few.find(hash(3)) != nullptr);
}

TEST_CASE("an entry in the wrong section or out of order is refused") {
  Decided d;
  CHECK_FALSE(d.requests.load(DecidedRequests::Rejection{known(1), 0}));
  CHECK_FALSE(d.requests.load(known(1, Kind::rejected)));
  CHECK(d.requests.load(known(5)));
  CHECK_FALSE(d.requests.load(known(5)));
  CHECK_FALSE(d.requests.load(known(4, Kind::item_change)));
}

TEST_CASE("room that was made is enough for so many, and is made only up to the limits") {
  DecidedRequests requests(10'000, 10'000);
  while (requests.make_room(5'000)) {
  }
  const auto bytes = requests.memory_bytes();
  for (std::uint64_t id = 1; id <= 5'000; ++id) requests.remember(known(id));
  CHECK(requests.memory_bytes() == bytes);
  while (requests.make_room(1'000'000)) {
  }
  CHECK(requests.memory_bytes() < 4 * bytes);
}
