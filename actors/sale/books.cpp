#include "actors/sale/books.h"

#include "actors/memory/mix.h"
#include "storage/commands/promo_terms.h"

namespace stampede::actors {

std::uint64_t books_hash(std::uint64_t item, std::int64_t amount, std::int64_t sold) {
  return mix(mix(mix(item) ^ static_cast<std::uint64_t>(amount)) ^
             static_cast<std::uint64_t>(sold));
}

void Books::add(std::uint64_t item, std::int64_t amount, std::int64_t units_sold) {
  ++items;
  sold += static_cast<std::uint64_t>(units_sold);
  hash += books_hash(item, amount, units_sold);
}

namespace {

// Of all terms but those of tickets.
struct HashTerm {
  std::uint64_t& hash;
  void operator()(const storage::Term&, std::string_view text) {
    for (const char c : text) hash = mix(hash ^ static_cast<unsigned char>(c));
  }
  template <class Number>
  void operator()(const storage::Term& term, const Number& number) {
    if (&term == &storage::kPromoTicketTerm || &term == &storage::kPromoGateTerm) return;
    hash = mix(hash ^ static_cast<std::uint64_t>(number));
  }
};

}  // namespace

// One without tickets has the hash that it always had.
std::uint64_t promo_hash(const storage::PromoPut& put, storage::Lsn put_lsn,
                         std::uint64_t granted) {
  std::uint64_t hash = mix(mix(put.promo) ^ put_lsn);
  each_promo_term(HashTerm{hash}, put);
  if (put.ticket == 0 && put.gate_factor == 0 && granted == 0) return hash;
  return mix(mix(mix(hash ^ put.ticket) ^ put.gate_factor) ^ granted);
}

std::uint64_t held_hash(storage::Lsn order, storage::Fulfilment fulfilment) {
  return mix(mix(order) ^ static_cast<std::uint64_t>(fulfilment));
}

void Books::add(storage::Lsn order, storage::Fulfilment fulfilment) {
  ++held;
  held_hash += actors::held_hash(order, fulfilment);
}

void Books::add(const storage::PromoPut& put, storage::Lsn put_lsn, std::uint64_t granted) {
  ++promos;
  promo_hash += actors::promo_hash(put, put_lsn, granted);
}

}  // namespace stampede::actors
