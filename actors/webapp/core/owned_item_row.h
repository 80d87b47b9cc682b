#pragma once

// An ItemRow that owns its texts. A value; any thread.

#include <cstdint>
#include <optional>
#include <string>

#include "actors/sale/request.h"

namespace stampede::actors {

struct OwnedItemRow {
  std::uint64_t item = 0;
  storage::OwnedItemTerms terms;
  std::int64_t left = 0;
  Lsn seq = 0;
  std::optional<ShownPromo> promo{};  // its name is `promo_name`
  std::string promo_name{};
  storage::OwnedItemSale sale{};
};

inline OwnedItemRow copy_of(const ItemRow& row) {
  OwnedItemRow copy{row.item,         storage::copy_of(row.terms), row.left, row.seq, {}, {},
                    copy_of(row.sale)};
  if (!row.promo) return copy;
  copy.promo = row.promo;
  copy.promo_name = row.promo->name;
  copy.promo->name = {};
  return copy;
}

inline ItemRow view_of(const OwnedItemRow& row) {
  ItemRow view{row.item,         storage::view_of(row.terms), row.left, row.seq, row.promo,
               view_of(row.sale)};
  if (view.promo) view.promo->name = row.promo_name;
  return view;
}

}  // namespace stampede::actors
