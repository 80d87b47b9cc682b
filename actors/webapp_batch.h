#pragma once

// The insides of WebappCore's waiting table; nobody else includes this. A batch owns the bytes that
// are sent, and the ids of its waiters are views into them: waiting costs no allocation per order.

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "actors/webapp_core.h"

namespace stampede::actors {

inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

struct WebappCore::Waiter {
  ClientToken client;
  std::int64_t deadline_us = 0;
  std::uint32_t entry_at = 0;  // offset of the request in the batch's body
  std::uint32_t id_at = 0;     // offset of the id in `body`, or in `texts` for items
  std::uint32_t rows = 0;      // items: rows the answer may hold
  std::uint8_t id_size = 0;
  RequestKind kind = RequestKind::invalid;
  WaitMode mode = WaitMode::deadline;
  bool detached = false;  // its client was told `queued` and is gone
  bool done = false;
};

struct WebappCore::Batch {
  std::uint64_t number = 0;  // 0: never sent
  std::string body;
  std::string texts;                  // ids that are not in the body
  std::vector<Waiter> waiters;        // by position
  std::uint32_t open = 0;             // waiters not done, detached ones included
  std::uint32_t detached = 0;         // of these, detached
  std::int64_t earliest_us = kNever;  // no open waiter's deadline is earlier
  std::int64_t sent_us = 0;
  std::int64_t not_before_us = 0;
  std::size_t answer_bytes = 0;  // a bound on the size of the result
  unsigned attempts = 0;         // since the last hello
  bool in_flight = false;
  bool repeat = false;        // to be sent again
  Code refused = Code::none;  // what the broker said last

  [[nodiscard]] std::uint32_t count() const { return static_cast<std::uint32_t>(waiters.size()); }
  [[nodiscard]] std::string_view id(const Waiter& waiter) const {
    const std::string& from = waiter.kind == RequestKind::items ? texts : body;
    return std::string_view(from).substr(waiter.id_at, waiter.id_size);
  }
  [[nodiscard]] std::string_view entry(std::size_t position) const {
    const auto begin = waiters[position].entry_at;
    const auto end = position + 1 < waiters.size() ? waiters[position + 1].entry_at : body.size();
    return std::string_view(body).substr(begin, end - begin);
  }
  void clear() {
    auto kept_body = std::move(body);
    auto kept_texts = std::move(texts);
    auto kept_waiters = std::move(waiters);
    *this = Batch{};
    kept_body.clear(), kept_texts.clear(), kept_waiters.clear();
    body = std::move(kept_body), texts = std::move(kept_texts), waiters = std::move(kept_waiters);
  }
};

}  // namespace stampede::actors
