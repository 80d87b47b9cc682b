#pragma once

// Keyed hashes of what clients choose (SipHash-2-4, libsodium). The key is the log's hash key (the
// uuid it began with), so hashes outlive restarts and cannot be steered by clients who do not know
// it. Pure; thread-safe.

#include <array>
#include <cstdint>
#include <string_view>

#include "storage/commands/command.h"

namespace stampede::actors {

struct ItemRequest;
using LogUuid = std::array<std::uint8_t, 16>;

class RequestHasher {
 public:
  explicit RequestHasher(const LogUuid& key) : key_(key) {}

  [[nodiscard]] storage::RequestHash id(std::string_view request_id) const;
  // What a repeat of an order must have in common with the first: item, user, qty, and the promo if
  // it names one.
  [[nodiscard]] std::uint64_t order_content(std::uint64_t item, std::string_view user,
                                            std::uint32_t qty,
                                            std::uint64_t promo = storage::kNoNumber) const {
    return promo == storage::kNoNumber ? plain_content(item, user, qty)
                                       : content_in_promo(plain_content(item, user, qty), promo);
  }
  // The same of one in a promo, from what the order without it has.
  [[nodiscard]] std::uint64_t content_in_promo(std::uint64_t plain, std::uint64_t promo) const;
  // The same for changes of an item.
  [[nodiscard]] std::uint64_t item_content(const ItemRequest& request) const;
  [[nodiscard]] std::uint64_t stock_content(std::uint64_t item, std::int64_t delta) const;
  // Of a change of a promo: what it says as a whole, its request id, hash and time aside. `change`
  // tells kinds of changes apart.
  [[nodiscard]] std::uint64_t promo_change_content(std::uint32_t change,
                                                   const storage::PromoPut& put) const;
  // Of the user alone; as it stands in REJECT.
  [[nodiscard]] std::uint64_t user(std::string_view user) const;
  [[nodiscard]] std::uint64_t user_on_item(std::uint64_t item, std::string_view user) const;
  [[nodiscard]] std::uint64_t user_in_promo(std::uint64_t promo, std::string_view user) const;

 private:
  [[nodiscard]] std::uint64_t plain_content(std::uint64_t item, std::string_view user,
                                            std::uint32_t qty) const;

  LogUuid key_;
};

}  // namespace stampede::actors
