#include "tools/log/known_orders.h"

#include <deque>
#include <vector>

#include "storage/commands/order_row.h"
#include "storage/log/log_reader.h"

namespace stampede::tools {
namespace {

using storage::Status;

constexpr std::size_t kAskedAtOnce = 1000;

class OrderFinder final : public storage::LogVisitor {
 public:
  explicit OrderFinder(storage::Database& database) : database_(database) {}

  Status on_record(const storage::BatchInfo&, const storage::RecordView& record) override {
    if (found || record.type != storage::RecordType::emit) return storage::Done{};
    payloads_.emplace_back(record.payload);  // the batch's views outlive the record
    if (!decoder_.command_set(payloads_.back(), set_))
      return storage::unreadable_record("a command set", record.lsn);
    for (const auto& command : set_)
      if (command.kind == storage::CommandKind::order_insert && command.missing == 0)
        batch_.orders.push_back(storage::order_row(record.lsn, command));
    return payloads_.size() < kAskedAtOnce ? Status(storage::Done{}) : ask();
  }

  Status ask() {
    if (!batch_.orders.empty()) {
      const auto differing = database_.differing_orders(batch_);
      if (!differing) return differing.error();
      found = found || differing->size() < batch_.orders.size();
    }
    batch_ = {};
    payloads_.clear();
    return storage::Done{};
  }

  bool found = false;

 private:
  storage::Database& database_;
  std::deque<std::string> payloads_;  // of the orders in batch_; a deque never moves them
  storage::LaneBatch batch_;
  storage::CommandDecoder decoder_;
  std::vector<storage::Command> set_;
};

}  // namespace

storage::Result<bool> knows_orders(storage::Disk& disk, const std::string& dir,
                                   RememberedOrders& before, storage::Database& database) {
  const auto rows = database.order_count();
  if (!rows) return rows.error();
  if (*rows == 0) return true;
  if (auto looked = look_for_remembered(database, before); !looked) return looked.error();
  if (before.missing + before.differing < before.count) return true;
  OrderFinder finder(database);
  const auto read = storage::read_log(disk, dir, finder, before.beginning.position);
  if (!read) return read.error();
  if (auto asked = finder.ask(); !asked) return asked.error();
  return finder.found;
}

}  // namespace stampede::tools
