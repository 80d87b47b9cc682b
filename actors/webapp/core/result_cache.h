#pragma once

// What a webapp remembers about orders it took over HTTP with "202, ask later": queued until the
// answer came, then the answer for a while. An answer is the id's, for ever; a refusal is that of
// one request, so it never takes an answer's place, and says nothing as long as another request
// with the id is open. Pure, one thread; time is given in microseconds of any monotonic clock.
// Bounded: at most `queued` as many as the waiting table holds, and `settled_max` answers (the
// oldest go first); who asks after that is referred to the backend.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "actors/protocol/node_messages.h"
#include "actors/sale/codes.h"

namespace stampede::actors {

struct CachedResult {
  bool queued = true;
  Answer answer;              // when not queued and code is none
  Code code = Code::none;     // the backend took no decision
  std::int64_t retry_us = 0;  // of a code: when it may be another one; 0: what the code says
};

class ResultCache {
 public:
  ResultCache(std::int64_t ttl_us, std::size_t settled_max)
      : ttl_us_(ttl_us), settled_max_(settled_max) {
    results_.reserve(std::min(settled_max, kReserved));  // growing would stop the port for long
  }

  // `user`: who ordered, where that is known of everybody who asks.
  void queued(std::string_view id, std::string_view user = {});
  void settle(std::string_view id, const Answer& answer, std::int64_t now_us);
  // The backend decided nothing.
  void refuse(std::string_view id, Code code, std::int64_t now_us, std::int64_t retry_us = 0);
  void forget(std::string_view id);
  void expire(std::int64_t now_us);

  [[nodiscard]] const CachedResult* find(std::string_view id) const;  // until the next change
  // Whether what is remembered of the id is of this user's order and of nobody else's.
  [[nodiscard]] bool is_of(std::string_view id, std::string_view user) const;
  [[nodiscard]] std::size_t size() const { return results_.size(); }

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  struct Entry {
    CachedResult result;           // queued, as long as there is none
    std::string user;              // who ordered
    bool disputed = false;         // so did another one, with the same id
    std::uint32_t open = 0;        // orders with this id that still wait
    std::uint64_t settled_as = 0;  // which entry of order_ speaks of this answer
  };
  static constexpr std::size_t kReserved = 1 << 19;

  // An entry of results_ lives at least as long as the last Settled that speaks of it: it is erased
  // only with that one, or before it was ever settled.
  struct Settled {
    const std::string* id;
    std::int64_t expires_us;
    std::uint64_t number;
  };
  void keep(const std::string& id, Entry& entry, std::int64_t now_us);
  void drop_oldest();

  std::int64_t ttl_us_;
  std::size_t settled_max_;
  std::uint64_t next_number_ = 1;
  std::unordered_map<std::string, Entry, TextHash, std::equal_to<>> results_;
  std::deque<Settled> order_;
};

}  // namespace stampede::actors
