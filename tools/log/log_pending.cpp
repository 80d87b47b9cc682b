#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "config/process/wall_clock.h"
#include "storage/disk/posix_disk.h"
#include "tools/ask/admin_client.h"
#include "tools/log/log_files.h"
#include "tools/log/order_finder.h"
#include "tools/log/read_whole.h"

namespace stampede::tools {
namespace {

using nlohmann::json;
using storage::CommandKind;
using storage::FateTable;
using storage::Lsn;
using storage::RecordType;
using storage::Status;

struct Refusal {
  std::uint64_t errnum = 0;
  std::uint64_t tries = 0;
};

// Every command with its fate, when each decision was written, and what was refused.
class PendingReader final : public storage::LogVisitor {
 public:
  Status on_record(const storage::BatchInfo& batch, const storage::RecordView& record) override {
    if (auto folded = in_file(batch, table.record(record)); !folded) return folded;
    if (record.type == RecordType::emit) {
      if (times_.empty() || times_.back().second != batch.wall_ns)
        times_.emplace_back(record.lsn, batch.wall_ns);
    } else if (record.type == RecordType::fail && decoder_.outcome(record.payload, outcome_)) {
      table.each_named(record.type, outcome_, [this](FateTable::Index command, const auto& named) {
        auto& refusal = refusals_[command];
        refusal = {named.number, std::max(named.tries, refusal.tries + 1)};
      });
    }
    return storage::Done{};
  }

  [[nodiscard]] std::int64_t wall_ms(Lsn lsn) const {
    const auto behind = std::upper_bound(times_.begin(), times_.end(), lsn,
                                         [](Lsn of, const auto& time) { return of < time.first; });
    return behind == times_.begin() ? 0 : std::prev(behind)->second / 1'000'000;
  }
  [[nodiscard]] Refusal refusal(FateTable::Index command) const {
    const auto found = refusals_.find(command);
    return found == refusals_.end() ? Refusal{} : found->second;
  }

  FateTable table;

 private:
  std::vector<std::pair<Lsn, std::int64_t>> times_;  // ascending; holds for those behind it, too
  std::map<FateTable::Index, Refusal> refusals_;
  storage::CommandDecoder decoder_;
  storage::Outcome outcome_;
};

// Of the OrderUpdates the key is the order, of promos' commands the promo.
const char* key_name(CommandKind kind) {
  switch (kind) {
    case CommandKind::order_update:
      return "order";
    case CommandKind::promo_put:
    case CommandKind::ticket_grant:
      return "promo";
    default:
      return "item";
  }
}

class PendingList {
 public:
  PendingList(const PendingReader& reader, const PendingWish& wish, std::int64_t now_ms)
      : reader_(reader), wish_(wish), now_ms_(now_ms) {
    for (FateTable::Index at = 0; at < reader.table.size(); ++at) look(at);
  }

  json rows = json::array();
  std::size_t found = 0;

 private:
  void look(FateTable::Index at) {
    const auto& table = reader_.table;
    const auto fate = table.fate(at);
    const bool failed = fate == storage::Fate::failed;
    if (!failed && (fate != storage::Fate::pending || !table.would_apply(at))) return;
    const auto kind = table.kind(at);
    const bool of_item = std::string_view(key_name(kind)) == "item";
    if (wish_.exclude.contains(kind)) return;
    if (wish_.item && !(of_item && table.key(at) == *wish_.item)) return;
    const auto age_ms = std::max<std::int64_t>(0, now_ms_ - reader_.wall_ms(table.lsn(at)));
    if (age_ms < wish_.older_ms) return;
    if (++found <= wish_.limit) add(at, failed, age_ms);
  }

  void add(FateTable::Index at, bool failed, std::int64_t age_ms) {
    const auto& table = reader_.table;
    const auto refusal = reader_.refusal(at);
    const auto kind = table.kind(at);
    const bool of_order = kind == CommandKind::order_update;
    rows.push_back(
        {{"id", table.id(at)},
         {"command", to_text(kind)},
         {"state", failed ? "failed" : "pending"},
         {key_name(kind), of_order ? json(storage::to_text(table.key(at))) : json(table.key(at))},
         {"age_s", static_cast<double>(age_ms) / 1000},
         {"tries", refusal.tries},
         {"errno", refusal.errnum == 0 ? json(nullptr) : json(refusal.errnum)}});
  }

  const PendingReader& reader_;
  const PendingWish& wish_;
  std::int64_t now_ms_;
};

// Why all of them wait, where a system runs; null: nobody says.
json database_now(const ToolOptions& options) {
  const auto status = status_or_null(options.config);
  return status.is_null() ? status : status.value("database", json(nullptr));
}

void print_pending(const json& report, std::ostream& out) {
  const auto& rows = report.at("pending");
  char line[160];
  if (!rows.empty()) {
    std::snprintf(line, sizeof line, "%-18s %-17s %-8s %-22s %10s %6s %6s\n", "ID", "COMMAND",
                  "STATE", "OF", "AGE", "TRIES", "ERRNO");
    out << line;
  }
  for (const json& row : rows) {
    std::string of;
    for (const char* key : {"item", "promo", "order"})
      if (row.contains(key))
        of = std::string(key) + " " +
             (row[key].is_string() ? row[key].get<std::string>() : row[key].dump());
    std::snprintf(line, sizeof line, "%-18s %-17s %-8s %-22s %8.1f s %6s %6s\n",
                  row["id"].get<std::string>().c_str(), row["command"].get<std::string>().c_str(),
                  row["state"].get<std::string>().c_str(), of.c_str(), row["age_s"].get<double>(),
                  row["tries"].dump().c_str(),
                  row["errno"].is_null() ? "-" : row["errno"].dump().c_str());
    out << line;
  }
  out << grouped(report.at("found").get<std::uint64_t>()) << " pending or failed";
  if (report.at("found") != rows.size()) out << ", the oldest " << rows.size() << " shown";
  out << '\n';
  const auto& database = report.at("database");
  if (database.is_object() && database.contains("why"))
    out << "the database is " << database.value("state", "") << ": " << database.value("why", "")
        << '\n';
}

}  // namespace

int run_pending(const ToolOptions& options, const PendingWish& wish, std::ostream& out,
                std::ostream& err) {
  const auto dir = existing_log_dir(options, {});
  if (!dir) return report_error(err, dir.error());
  let_others_go_first();
  storage::PosixDisk disk;
  std::unique_ptr<PendingReader> reader;
  const auto beginning = read_whole(disk, *dir, reader, [](const LogBeginning& at) {
    auto made = std::make_unique<PendingReader>();
    made->table.speaks_from(at.speaks_from());
    return made;
  });
  if (!beginning) return report_error(err, beginning.error());
  PendingList list(*reader, wish, config::wall_ms());
  const json report = {{"pending", std::move(list.rows)},
                       {"found", list.found},
                       {"database", database_now(options)}};
  if (options.json) {
    out << report.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
  } else {
    say_beginning(err, *beginning);
    print_pending(report, out);
  }
  return kExitDone;
}

}  // namespace stampede::tools
