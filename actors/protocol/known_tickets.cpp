#include "actors/protocol/known_tickets.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "actors/memory/prefetch.h"

namespace stampede::actors {

// Whoever has no key cannot choose a MAC that counts: nobody fills one set.
std::size_t KnownTickets::set_of(std::string_view bytes) {
  std::uint16_t start = 0;
  static_assert(kSets == std::size_t{UINT16_MAX} + 1);
  std::memcpy(&start, bytes.data(), sizeof start);
  return start;
}

void KnownTickets::prefetch(std::string_view bytes) const {
  if (sets() != nullptr) prefetch_line(&sets()[set_of(bytes)]);
}

KnownTickets::Hashed KnownTickets::hashed(std::string_view bytes) const {
  Hashed ticket;
  ticket.set = set_of(bytes);
  static_assert(sizeof ticket.hash == crypto_shorthash_BYTES);
  static_assert(sizeof key_ == crypto_shorthash_KEYBYTES);
  crypto_shorthash(reinterpret_cast<unsigned char*>(&ticket.hash),
                   reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                   reinterpret_cast<const unsigned char*>(key_.data()));
  return ticket;
}

bool KnownTickets::has(const Hashed& ticket) const {
  if (sets() == nullptr) return false;
  bool found = false;
  for (const auto hash : sets()[ticket.set]) found |= hash == ticket.hash;
  return found;
}

void KnownTickets::add(const Hashed& ticket) {
  if (has(ticket)) return;
  if (sets() == nullptr) memory_ = PageMemory(kSets * sizeof(Set));
  auto& set = sets()[ticket.set];
  std::copy_backward(set.begin(), set.end() - 1, set.end());
  set.front() = ticket.hash;
}

}  // namespace stampede::actors
