#pragma once

// The live tickets: at most one of each user and promo, what its id is, and until when it is good.
// Which are given, and when one ends, is OrderBook's to decide.
//
// Owned by OrderBook; pure, one thread. Memory: a ticket 52 to 64 bytes, index included, with an id
// of up to 32 characters or a UUID with its dashes; a longer one takes about 100 more. What is over
// is forgotten with the next change of a promo, or when there is no room for another
// (drop_expired).
//
// Limits: full() says when no further one may be kept.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "actors/memory/block_vector.h"
#include "actors/memory/dense_index.h"
#include "storage/snapshot/snapshot_entries.h"

namespace stampede::actors {

class TicketTable {
 public:
  static constexpr std::size_t kTicketsMax = 4'000'000;

  struct Ticket {
    std::int64_t expires_at_ms = 0;
    std::string id;
  };

  explicit TicketTable(std::size_t tickets_max = kTicketsMax) : tickets_max_(tickets_max) {}

  // `user`: RequestHasher::user().
  [[nodiscard]] static std::uint64_t key(std::uint64_t promo, std::uint64_t user);

  [[nodiscard]] std::size_t size() const { return slots_.size() - free_.size(); }
  [[nodiscard]] bool full() const { return size() >= tickets_max_; }
  // Whether one is over by then.
  [[nodiscard]] bool any_expired(std::int64_t now_ms) const {
    return !ends_.empty() && ends_.begin()->first <= now_ms;
  }
  [[nodiscard]] std::optional<Ticket> find(std::uint64_t key) const;
  // Until when the ticket under the key is good, if it has this id.
  [[nodiscard]] std::optional<std::int64_t> expiry(std::uint64_t key, std::string_view id) const;

  // Asks for the lines of memory that the two look at first: the index's, then, once that is there,
  // the ticket's.
  void prefetch(std::uint64_t key) const { index_.prefetch(key); }
  void prefetch_ticket(std::uint64_t key) const;

  void put(std::uint64_t key, std::string_view id, std::int64_t expires_at_ms);  // for any before
  void end(std::uint64_t key);                                                   // if there is one
  void drop_expired(std::int64_t now_ms);
  [[nodiscard]] std::size_t memory_bytes() const;

  // --- snapshots: ascending by key, whatever came when
  void count(storage::SnapshotSummary& summary) const { summary.tickets = size(); }
  void save(storage::SnapshotSink& sink) const;
  [[nodiscard]] bool load(const storage::SnapshotTicket& entry);  // false: it cannot stand there

 private:
  static constexpr std::size_t kPackedBytes = 24;  // 32 characters of 6 bits
  using PackedId = std::array<std::uint8_t, kPackedBytes>;
  struct Slot {
    std::uint64_t key = 0;
    // ms, and in the lowest 8 bits the length of the id, and whether it is kept without its dashes
    std::uint64_t expiry = 0;
    PackedId id{};

    static constexpr std::uint64_t kDashed = 0x80;
    [[nodiscard]] bool used() const { return expiry != 0; }
    [[nodiscard]] std::size_t id_size() const { return expiry & 0x7FU; }
    [[nodiscard]] bool is_dashed() const { return (expiry & kDashed) != 0; }
    [[nodiscard]] bool is_long() const { return id_size() * 6 > kPackedBytes * 8 && !is_dashed(); }
    [[nodiscard]] std::int64_t expires_at_ms() const {
      return static_cast<std::int64_t>(expiry >> 8U);
    }
  };
  static_assert(sizeof(Slot) == 40);

  [[nodiscard]] std::uint32_t position(std::uint64_t key) const;
  [[nodiscard]] static PackedId pack(std::string_view id);
  [[nodiscard]] static PackedId pack_dashed(std::string_view id);
  [[nodiscard]] static std::string unpack(const PackedId& packed, std::size_t size);
  [[nodiscard]] std::string id_of(const Slot& slot) const;
  [[nodiscard]] bool has_id(const Slot& slot, std::string_view id) const;
  void release(std::uint32_t position);

  BlockVector<Slot> slots_;
  std::vector<std::uint32_t> free_;  // positions
  DenseIndex index_;
  std::unordered_map<std::uint64_t, std::string> long_ids_;  // by key
  std::map<std::int64_t, std::size_t> ends_;  // how many are good until then: a few windows
  std::size_t tickets_max_;
  std::uint64_t last_loaded_ = 0;
};

}  // namespace stampede::actors
