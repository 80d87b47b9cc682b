#pragma once

// The vocabulary of the tests of commands, their text form and their replay.

#include <cstdint>
#include <string>
#include <vector>

#include "storage/commands/command.h"
#include "storage/log/log_format.h"

namespace stampede::test {

// Records kept as values; emits are numbered from lsn 1.1 on.
struct History {
  struct Record {
    storage::RecordType type{};
    storage::Lsn lsn = 0;
    std::string payload;
    [[nodiscard]] storage::RecordView view() const { return {type, 0, lsn, payload}; }
  };
  std::vector<Record> records;
  storage::Lsn next = storage::make_lsn(1, 1);

  storage::Lsn emit(const std::vector<storage::Command>& set) {
    Record record{storage::RecordType::emit, next, {}};
    storage::encode_command_set(record.payload, set);
    records.push_back(record);
    return next++;
  }
  void outcome(storage::RecordType type, const storage::Outcome& outcome) {
    Record record{type, 0, {}};
    storage::encode_outcome(record.payload, outcome);
    records.push_back(record);
  }
  void exec(storage::CommandKind kind, std::uint32_t position, storage::Lsn from, storage::Lsn to) {
    outcome(storage::RecordType::exec, {1, kind, position, {from, to}});
  }
  void fail(storage::CommandKind kind, std::uint32_t position, storage::Lsn lsn,
            std::uint64_t errnum = 1406) {
    outcome(storage::RecordType::fail, {1, kind, position, {lsn, errnum}});
  }
  void optm(storage::CommandKind kind, std::uint32_t position, std::uint64_t item,
            storage::Lsn from, storage::Lsn by) {
    outcome(storage::RecordType::optm, {1, kind, position, {item, from, by}});
  }
};

inline storage::Command order_of(std::uint64_t item, std::string_view request_id = "r",
                                 std::string_view user = "ann") {
  storage::Command command;
  command.kind = storage::CommandKind::order_insert;
  command.order = {request_id, item, user, 1, 19900, 1'790'000'000'000'000};
  return command;
}

inline storage::Command amount_of(std::uint64_t item, std::int64_t amount) {
  storage::Command command;
  command.kind = storage::CommandKind::item_amount_update;
  command.amount = {item, amount};
  return command;
}

inline storage::Command put_of(std::uint64_t item, std::string_view name = "Phone") {
  storage::Command command;
  command.kind = storage::CommandKind::item_put;
  command.put = {"p", item, {name, 19900, 100, 0, 5}, 0xfeedULL};
  return command;
}

inline storage::Command command_of(storage::CommandKind kind, std::uint64_t item) {
  switch (kind) {
    case storage::CommandKind::order_insert:
      return order_of(item);
    case storage::CommandKind::item_put:
      return put_of(item);
    default:
      return amount_of(item, 7);
  }
}

}  // namespace stampede::test
