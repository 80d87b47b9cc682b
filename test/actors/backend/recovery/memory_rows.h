#pragma once

// The tables of a RandomBackend, as retention asks for them.

#include <optional>
#include <string>
#include <vector>

#include "actors/backend/recovery/retention.h"
#include "test/actors/backend/recovery/random_backend.h"

namespace stampede::test {

class MemoryRows final : public actors::StoredRows {
 public:
  explicit MemoryRows(const MemoryTables& tables) : tables_(tables) {}
  storage::Result<std::optional<storage::LogUuid>> log_uuid() override { return uuid; }
  storage::Result<std::vector<storage::ItemRow>> items() override {
    if (away) return storage::Error{storage::Errc::unavailable, "away"};
    std::vector<storage::ItemRow> rows;
    for (const auto& [id, item] : tables_.items) {
      storage::ItemRow row;
      row.id = id;
      row.amount = item.amount;
      row.put_lsn = item.put_lsn;
      row.lsn = item.lsn;
      rows.push_back(std::move(row));
    }
    return rows;
  }
  storage::Result<std::vector<storage::PromoRow>> promos() override {
    if (away) return storage::Error{storage::Errc::unavailable, "away"};
    std::vector<storage::PromoRow> rows;
    for (const auto& [id, row] : tables_.promos) rows.push_back(row);
    return rows;
  }
  storage::Result<std::vector<std::string>> differing(const storage::LaneBatch& orders) override {
    if (away) return storage::Error{storage::Errc::unavailable, "away"};
    std::vector<std::string> out;
    for (const auto& order : orders.orders) {
      const auto row = tables_.orders.find(order.order_id);
      if (row == tables_.orders.end() || row->second.request_id != order.request_id ||
          row->second.user != order.user || row->second.qty != order.qty)
        out.push_back("order " + storage::to_text(order.order_id));
    }
    return out;
  }
  std::optional<storage::LogUuid> uuid = kLogUuid;
  bool away = false;

 private:
  const MemoryTables& tables_;
};

}  // namespace stampede::test
