#include "actors/sale/ticket_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "actors/memory/mix.h"
#include "actors/memory/prefetch.h"
#include "actors/sale/base64url.h"
#include "actors/sale/request.h"
#include "config/process/invariant.h"

namespace stampede::actors {

namespace {

constexpr std::string_view kLetters = kBase64UrlLetters;
constexpr std::size_t kPackedCharacters = 32;

// The six bits of each letter.
constexpr std::array<std::uint8_t, 256> kSixBits = [] {
  std::array<std::uint8_t, 256> bits{};
  for (std::size_t i = 0; i < kLetters.size(); ++i)
    bits[static_cast<unsigned char>(kLetters[i])] = static_cast<std::uint8_t>(i);
  return bits;
}();

// Eight characters make six bytes, the first of them the lowest bits.
constexpr std::size_t kGroup = 8;
constexpr std::size_t kGroupBytes = 6;
static_assert(std::endian::native == std::endian::little);

// A UUID as it is often written: four dashes stand at places of their own.
constexpr std::size_t kDashedCharacters = kPackedCharacters + 4;
constexpr std::array<std::size_t, 4> kDashes{8, 13, 18, 23};

bool is_dashed(std::string_view id) {
  return id.size() == kDashedCharacters &&
         std::all_of(kDashes.begin(), kDashes.end(), [&](auto at) { return id[at] == '-'; });
}

std::string with_dashes(std::string id) {
  for (const auto at : kDashes) id.insert(at, 1, '-');
  return id;
}

}  // namespace

std::uint64_t TicketTable::key(std::uint64_t promo, std::uint64_t user) {
  return mix(user ^ mix(promo));
}

// What is behind the end counts as the letter of no bits.
TicketTable::PackedId TicketTable::pack(std::string_view id) {
  static_assert(kPackedBytes * kGroup == kPackedCharacters * kGroupBytes);
  std::array<char, kPackedCharacters> letters;
  letters.fill(kLetters[0]);
  std::memcpy(letters.data(), id.data(), std::min(id.size(), letters.size()));
  PackedId packed{};
  for (std::size_t group = 0; group * kGroup < id.size(); ++group) {
    std::uint64_t bits = 0;
    for (std::size_t i = kGroup; i-- > 0;)
      bits = bits << 6U | kSixBits[static_cast<unsigned char>(letters[group * kGroup + i])];
    std::memcpy(packed.data() + group * kGroupBytes, &bits, kGroupBytes);
  }
  return packed;
}

TicketTable::PackedId TicketTable::pack_dashed(std::string_view id) {
  std::array<char, kPackedCharacters> letters;
  auto* end = letters.data();
  for (std::size_t from = 0; const auto dash : kDashes) {
    end = std::copy(id.begin() + from, id.begin() + dash, end);
    from = dash + 1;
  }
  std::copy(id.begin() + kDashes.back() + 1, id.end(), end);
  return pack({letters.data(), letters.size()});
}

std::string TicketTable::unpack(const PackedId& packed, std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, packed.data() + i / kGroup * kGroupBytes, kGroupBytes);
    text[i] = kLetters[bits >> (i % kGroup * 6) & 63U];
  }
  return text;
}

std::uint32_t TicketTable::position(std::uint64_t key) const {
  return index_.find(key, [&](std::uint32_t at) { return slots_[at].key == key; });
}

std::string TicketTable::id_of(const Slot& slot) const {
  if (slot.is_long()) return long_ids_.at(slot.key);
  if (slot.is_dashed()) return with_dashes(unpack(slot.id, kPackedCharacters));
  return unpack(slot.id, slot.id_size());
}

std::optional<TicketTable::Ticket> TicketTable::find(std::uint64_t key) const {
  const auto at = position(key);
  if (at == DenseIndex::kNone) return std::nullopt;
  const auto& slot = slots_[at];
  return Ticket{slot.expires_at_ms(), id_of(slot)};
}

// Without a text made of the one that is kept.
bool TicketTable::has_id(const Slot& slot, std::string_view id) const {
  if (slot.id_size() != id.size()) return false;
  if (slot.is_long()) return long_ids_.at(slot.key) == id;
  if (slot.is_dashed()) return is_dashed(id) && slot.id == pack_dashed(id);
  return slot.id == pack(id);
}

std::optional<std::int64_t> TicketTable::expiry(std::uint64_t key, std::string_view id) const {
  const auto at = position(key);
  if (at == DenseIndex::kNone || !has_id(slots_[at], id)) return std::nullopt;
  return slots_[at].expires_at_ms();
}

// It may begin in one line and end in the next.
void TicketTable::prefetch_ticket(std::uint64_t key) const {
  const auto at = index_.likely(key);
  if (at == DenseIndex::kNone) return;
  const auto& slot = slots_[at];
  prefetch_line(&slot);
  prefetch_line(&slot.id.back());
}

void TicketTable::put(std::uint64_t key, std::string_view id, std::int64_t expires_at_ms) {
  STAMPEDE_ASSERT(valid_request_id(id) && expires_at_ms >= 0, "tickets are bounded at the edge");
  end(key);
  Slot slot;
  slot.key = key;
  slot.expiry = static_cast<std::uint64_t>(expires_at_ms) << 8U | id.size();
  if (is_dashed(id)) {
    slot.expiry |= Slot::kDashed;
    slot.id = pack_dashed(id);
  } else if (slot.is_long()) {
    long_ids_[key] = id;
  } else {
    slot.id = pack(id);
  }
  auto at = static_cast<std::uint32_t>(slots_.size());
  if (free_.empty()) {
    slots_.push_back(slot);
  } else {
    at = free_.back();
    free_.pop_back();
    slots_[at] = slot;
  }
  index_.insert(key, at);
  ++ends_[expires_at_ms];
}

void TicketTable::release(std::uint32_t position) {
  auto& slot = slots_[position];
  if (slot.is_long()) long_ids_.erase(slot.key);
  const auto end = ends_.find(slot.expires_at_ms());
  if (--end->second == 0) ends_.erase(end);
  index_.erase(slot.key, position);
  slot = {};
  free_.push_back(position);
}

void TicketTable::end(std::uint64_t key) {
  if (const auto at = position(key); at != DenseIndex::kNone) release(at);
}

// Which go depends on what is there and on the time alone, so that a replay forgets the same.
void TicketTable::drop_expired(std::int64_t now_ms) {
  for (std::uint32_t at = 0; at < slots_.size() && any_expired(now_ms); ++at)
    if (slots_[at].used() && slots_[at].expires_at_ms() <= now_ms) release(at);
}

std::size_t TicketTable::memory_bytes() const {
  constexpr std::size_t kLongId = 100;  // with its node
  return slots_.memory_bytes() + index_.memory_bytes() + free_.capacity() * sizeof free_[0] +
         long_ids_.size() * kLongId;
}

void TicketTable::save(storage::SnapshotSink& sink) const {
  std::vector<std::uint32_t> ascending;
  ascending.reserve(size());
  for (std::uint32_t at = 0; at < slots_.size(); ++at)
    if (slots_[at].used()) ascending.push_back(at);
  std::sort(ascending.begin(), ascending.end(), [&](std::uint32_t one, std::uint32_t other) {
    return slots_[one].key < slots_[other].key;
  });
  storage::EntryWriter out(sink.level());
  for (const auto at : ascending) {
    const auto& slot = slots_[at];
    const auto id = id_of(slot);
    sink.add(storage::SnapshotSection::tickets,
             encode(out, storage::SnapshotTicket{slot.key, slot.expires_at_ms(), id}));
  }
}

bool TicketTable::load(const storage::SnapshotTicket& entry) {
  const bool ascending = size() == 0 || entry.key > last_loaded_;
  if (!ascending || full() || !valid_request_id(entry.id)) return false;
  last_loaded_ = entry.key;
  put(entry.key, entry.id, entry.expires_at_ms);
  return true;
}

}  // namespace stampede::actors
