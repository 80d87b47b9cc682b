#pragma once

// The insides of WebappCore's waiting table; nobody else includes this. A batch owns the bytes that
// are sent, and the ids of its waiters are views into them: waiting costs no allocation per order.
// There is one waiter per message of a client; an array of orders costs 4 bytes an order beside
// the bytes that are sent.

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "actors/webapp/core/webapp_core.h"

namespace stampede::actors {

inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
inline constexpr std::size_t kAnswerBytes = 64;  // more than one encoded answer or error takes

using MintedId = std::array<char, 32>;
MintedId minted_id(const std::array<std::uint64_t, 2>& bits);

struct WebappCore::Waiter {
  ClientToken client;
  std::int64_t deadline_us = 0;
  std::uint32_t first = 0;        // position of its first entry in the batch
  std::uint32_t count = 1;        // entries; array: those that are asked of the backend
  std::uint32_t faults_at = 0;    // array: its first fault in `faults`
  std::uint32_t faults = 0;       // array: entries refused here
  std::uint32_t items_id_at = 0;  // items: the client's id in `texts`
  std::uint32_t rows = 0;         // items: rows the answer may hold
  std::uint8_t items_id_size = 0;
  RequestKind kind = RequestKind::invalid;
  WaitMode mode = WaitMode::deadline;
  bool array = false;     // answered with one array
  bool detached = false;  // its client was told `queued` and is gone
  bool done = false;
};

// An entry of an array that the backend is not asked about.
struct WebappCore::Fault {
  std::uint32_t index = 0;  // in the array
  Code code = Code::none;
  std::string_view field;   // a literal
  std::uint32_t id_at = 0;  // in `texts`
  std::uint8_t id_size = 0;
};

struct WebappCore::Batch {
  std::uint64_t number = 0;  // 0: never sent
  storage::ByteBuffer body;
  std::string texts;                   // ids that are not in the body
  std::vector<std::uint32_t> entries;  // by position: where the request begins in the body
  std::vector<Waiter> waiters;         // in the order of their entries
  std::vector<Fault> faults;
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

  [[nodiscard]] std::uint32_t count() const { return static_cast<std::uint32_t>(entries.size()); }
  // The id of an order or a get, where it stands in the request.
  [[nodiscard]] std::string_view id_at(std::size_t position) const {
    const char* text = body.data() + entries[position] + 2;  // behind the array's head and the kind
    const auto lead = static_cast<unsigned char>(*text);
    if (lead == 0xD9) return {text + 2, static_cast<unsigned char>(text[1])};
    return {text + 1, lead & 0x1FU};
  }
  [[nodiscard]] std::string_view id(const Waiter& waiter) const {
    if (waiter.kind != RequestKind::items) return id_at(waiter.first);
    return std::string_view(texts).substr(waiter.items_id_at, waiter.items_id_size);
  }
  [[nodiscard]] std::string_view entry(std::size_t position) const {
    const auto begin = entries[position];
    const auto end = position + 1 < entries.size() ? entries[position + 1] : body.size();
    return body.view().substr(begin, end - begin);
  }
  void begin_entry() { entries.push_back(static_cast<std::uint32_t>(body.size())); }
  void add_fault(std::uint32_t index, const Refusal& refusal) {
    faults.push_back({index, refusal.code, refusal.field, static_cast<std::uint32_t>(texts.size()),
                      static_cast<std::uint8_t>(refusal.id.size())});
    texts.append(refusal.id);
  }

  // Where the batch ended before something was added that may have to be taken out again.
  struct End {
    std::size_t body, texts, entries, faults;
  };
  [[nodiscard]] End end() const {
    return {body.size(), texts.size(), entries.size(), faults.size()};
  }
  void cut_back(const End& end) {
    body.cut_back(end.body), texts.resize(end.texts);
    entries.resize(end.entries), faults.resize(end.faults);
  }

  void clear() {
    Batch kept;
    kept.body = std::move(body), kept.texts = std::move(texts);
    kept.entries = std::move(entries), kept.waiters = std::move(waiters);
    kept.faults = std::move(faults);
    kept.body.clear(), kept.texts.clear();
    kept.entries.clear(), kept.waiters.clear(), kept.faults.clear();
    *this = std::move(kept);
  }
};

}  // namespace stampede::actors
