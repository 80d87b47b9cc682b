#pragma once

// Snapshots as bytes; documented byte by byte in snapshot_format.md. What the entries of a section
// mean is their owner's business (actors/sale/item_table, decided_requests and user_totals,
// storage/replay/replay_snapshot). Pure: no I/O. Value types, any thread.

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "storage/log/log_format.h"

namespace stampede::storage {

inline constexpr std::uint32_t kSnapshotHeaderBytes = 128;
inline constexpr std::uint32_t kSnapshotBlockHeaderBytes = 24;
inline constexpr std::uint32_t kSnapshotBlockBytes = 256u << 10;   // a block is closed behind this
inline constexpr std::uint32_t kSnapshotBlockBytesMax = 1u << 20;  // of its entries
static_assert(kSnapshotBlockBytes + kRecordBytesMax <= kSnapshotBlockBytesMax,
              "the last entry of a block may be as large as a log record");

enum class SnapshotSection : std::uint32_t {
  invalid = 0,
  summary = 1,       // how many entries the others have, and the fold's numbers
  items = 2,         // in the order of their first ItemPut
  users = 3,         // counts on items with a limit
  known = 4,         // confirmed orders and item changes, ascending lsn
  rejections = 5,    // the remembered ones, oldest first
  owed_orders = 6,   // with their EMIT payloads
  owed_puts = 7,     // "
  owed_amounts = 8,  // newest per item
  owed_promos = 9,  // newest per promo, with their EMIT payloads; from level `sale` on, as the next
  promos = 10,      // ascending by id
  owed_updates = 11,     // of orders, the newest of each, with their EMIT payloads
  owed_stock = 12,       // StockChanges, likewise
  held = 13,             // orders that need payment, ascending by lsn
  payments = 14,         // in the order in which they came
  owed_grants = 15,      // newest TicketGrant per promo, with their EMIT payloads
  grants = 16,           // how many tickets each promo gave, ascending by promo
  tickets = 17,          // those that are live, ascending by key
  ended_sessions = 18,   // ascending by lsn
  newest_sessions = 19,  // of users who have one at a time, ascending by user
  end = 255,             // the content hash; nothing follows
};
inline constexpr std::uint32_t kSnapshotSectionLast = 19;  // but for the end
inline constexpr std::uint32_t kEndOfFormat1 = 9;          // SnapshotSection::end in a file of it

// Takes the entries of a snapshot, section by section in ascending order. A snapshot has the format
// and the level of the log that it stands for, so an old log's are what they always were.
class SnapshotSink {
 public:
  explicit SnapshotSink(FeatureLevel level = kFeatureLevelMade) : level_(level) {}
  virtual ~SnapshotSink() = default;
  [[nodiscard]] FeatureLevel level() const { return level_; }
  virtual void add(SnapshotSection section, std::string_view entry) = 0;

 private:
  FeatureLevel level_;
};

struct SnapshotBlock {
  SnapshotSection section{};
  std::uint32_t count = 0;   // entries
  std::string_view entries;  // valid until the next block is read
  FeatureLevel level = kFeatureLevelMade;
};

// BLAKE2b-128 over position and entries: equal for equal contents, however they came about. As
// text: to_text() of log_segment.h, as for a uuid.
using SnapshotHash = std::array<std::uint8_t, 16>;

// --- numbers of an entry, little-endian and unaligned -------------------------------------------

static_assert(std::endian::native == std::endian::little, "files are little-endian");

class EntryWriter {
 public:
  // What entries look like depends on the snapshot's level.
  explicit EntryWriter(FeatureLevel level = kFeatureLevelMade) : level_(level) {}
  [[nodiscard]] FeatureLevel level() const { return level_; }

  template <class T>
  EntryWriter& number(T value) {
    static_assert(std::is_integral_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  EntryWriter& text(std::string_view text) {
    bytes_.append(text);
    return *this;
  }
  // The entry, and room for the next one. Valid until the next number or text.
  std::string_view take() {
    taken_.swap(bytes_);
    bytes_.clear();
    return taken_;
  }

 private:
  FeatureLevel level_;
  std::string bytes_;
  std::string taken_;
};

// Reads the entries of a block; nothing is read beyond its end: failed() then.
class EntryReader {
 public:
  explicit EntryReader(std::string_view bytes, FeatureLevel level = kFeatureLevelMade)
      : bytes_(bytes), level_(level) {}
  [[nodiscard]] FeatureLevel level() const { return level_; }

  template <class T>
  T number() {
    static_assert(std::is_integral_v<T>);
    T value{};
    if (bytes_.size() < sizeof value) return failed_ = true, value;
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_.remove_prefix(sizeof value);
    return value;
  }
  std::string_view text(std::size_t size) {
    if (bytes_.size() < size) return failed_ = true, std::string_view{};
    const auto out = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return out;
  }
  [[nodiscard]] std::string_view rest() const { return bytes_; }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool at_end() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
  FeatureLevel level_;
  bool failed_ = false;
};

}  // namespace stampede::storage
