#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "actors/sale/request_hash.h"
#include "config/process/utc_text.h"
#include "storage/disk/posix_disk.h"
#include "storage/mysql/order_search.h"
#include "storage/replay/fate_table.h"
#include "tools/log/log_files.h"
#include "tools/log/order_finder.h"
#include "tools/log/read_whole.h"

namespace stampede::tools {
namespace {

using nlohmann::json;
using storage::BatchInfo;
using storage::Command;
using storage::CommandKind;
using storage::FateTable;
using storage::Lsn;
using storage::RecordType;
using storage::RecordView;
using storage::Status;

std::string time_text(std::int64_t wall_ns) {
  return config::utc_text(wall_ns / 1'000'000);
}

json time_of_us(std::int64_t us) {
  return us == 0 ? json(nullptr) : json(config::utc_text(us / 1000));
}

// Follows one request id through the log: its decision, and every outcome of its commands.
class Tracer final : public storage::LogVisitor {
 public:
  Tracer(std::string request_id, Lsn speaks_from) : id_(std::move(request_id)) {
    table_.speaks_from(speaks_from);
  }

  Status on_log(const storage::LogIdentity& identity) override {
    hash_ = actors::RequestHasher(identity.hash_key).id(id_);
    return storage::Done{};
  }

  Status on_record(const BatchInfo& batch, const RecordView& record) override {
    if (auto folded = in_file(batch, table_.record(record)); !folded) return folded;
    switch (record.type) {
      case RecordType::emit:
        emit(batch, record);
        break;
      case RecordType::reject:
        reject(batch, record);
        break;
      case RecordType::exec:
      case RecordType::fail:
      case RecordType::optm:
        outcome(batch, record);
        break;
      default:
        break;
    }
    return storage::Done{};
  }

  // The newest decision on the id, and what followed; null: the log has none.
  json decided = nullptr;
  json commands = json::array();

 private:
  [[nodiscard]] bool is_asked(const Command& command) const {
    if (command.kind == CommandKind::order_insert) return command.order.request_id == id_;
    return command.kind == CommandKind::item_put && command.put.request_id == id_;
  }
  [[nodiscard]] bool follows(const Command& command) const {  // what became of the order
    return lsn_ != 0 && command.kind == CommandKind::order_update && command.key() == lsn_;
  }

  void emit(const BatchInfo& batch, const RecordView& record) {
    if (!decoder_.command_set(record.payload, set_)) return;  // folded: cannot be
    bool asked = false;
    bool later = false;
    for (const auto& command : set_) {
      asked = asked || is_asked(command);
      later = later || follows(command);
    }
    if (asked) decide(batch, record);
    if (!asked && !later) return;
    for (std::uint32_t at = 0; at < set_.size(); ++at) add(batch, record.lsn, at);
  }

  void decide(const BatchInfo& batch, const RecordView& record) {
    begin(record.lsn);
    decided = {{"lsn", storage::to_text(lsn_)}, {"written_at", time_text(batch.wall_ns)}};
    for (const auto& command : set_) {
      if (command.kind != CommandKind::order_insert) continue;
      const auto& order = command.order;
      decided.update({{"state", "confirmed"},
                      {"order_id", std::to_string(lsn_)},
                      {"item", order.item},
                      {"user", order.user},
                      {"qty", order.qty},
                      {"unit_price_cents", order.unit_price_cents},
                      {"at", time_of_us(order.decided_at_us)}});
    }
    if (!decided.contains("state")) decided["state"] = "changed";  // an item
  }

  void reject(const BatchInfo& batch, const RecordView& record) {
    storage::Rejection rejection;
    if (!decoder_.rejection(record.payload, rejection) || rejection.request_hash != hash_) return;
    begin(record.lsn);
    decided = {{"lsn", storage::to_text(lsn_)},
               {"written_at", time_text(batch.wall_ns)},
               {"state", "rejected"},
               {"reason", to_text(rejection.reason)},
               {"item", rejection.item},
               {"qty", rejection.qty},
               {"at", time_of_us(rejection.decided_at_us)}};
  }

  void begin(Lsn lsn) {
    lsn_ = lsn;
    commands = json::array();
    shown_.clear();
  }

  void add(const BatchInfo& batch, Lsn lsn, std::uint32_t position) {
    const auto command = table_.find(lsn, position);
    if (!command) return;
    json map = {{"id", table_.id(*command)},
                {"command", to_text(table_.kind(*command))},
                {"written_at", time_text(batch.wall_ns)},
                {"outcomes", json::array()}};
    if (const auto& sale = set_[position].sale;
        sale && set_[position].kind == CommandKind::order_update)
      map["fulfilment"] = to_text(static_cast<storage::Fulfilment>(sale->update.fulfilment));
    commands.push_back(std::move(map));
    shown_.push_back(*command);
  }

  void outcome(const BatchInfo& batch, const RecordView& record) {
    if (shown_.empty() || !decoder_.outcome(record.payload, outcome_)) return;
    table_.each_named(record.type, outcome_, [&](FateTable::Index command, const auto& named) {
      const auto at = std::find(shown_.begin(), shown_.end(), command);
      if (at == shown_.end()) return;
      json map = {{"at", time_text(batch.wall_ns)}, {"lane", outcome_.lane}};
      map["outcome"] = record.type == RecordType::exec   ? "EXEC"
                       : record.type == RecordType::fail ? "FAIL"
                                                         : "OPTM";
      if (record.type == RecordType::fail) map["errno"] = named.number;
      if (named.tries > 1) map["tries"] = named.tries;
      if (record.type == RecordType::optm) map["superseded_by"] = storage::to_text(named.number);
      commands[static_cast<std::size_t>(at - shown_.begin())]["outcomes"].push_back(std::move(map));
    });
  }

  std::string id_;
  storage::RequestHash hash_{};
  FateTable table_;
  Lsn lsn_ = 0;
  std::vector<FateTable::Index> shown_;  // one for each of `commands`
  storage::CommandDecoder decoder_;
  std::vector<Command> set_;
  storage::Outcome outcome_;
};

// The order's row; null: there is none. Else why nobody can say.
storage::Result<json> row_of(const storage::DbOptions& database, const std::string& request_id) {
  storage::OrderFilter filter;
  filter.request_id = request_id;
  auto search = storage::OrderSearch::open(database, std::move(filter));
  if (!search) return search.error();
  json row = nullptr;
  const auto looked = search->next(2, [&](const storage::FoundOrder& order) {
    row = {{"order_id", std::to_string(order.order_id)},
           {"lsn", storage::to_text(order.order_id)},
           {"item", order.item},
           {"user", order.user},
           {"qty", order.qty},
           {"unit_price_cents", order.unit_price_cents},
           {"at", config::utc_text(order.decided_at_us / 1000)},
           {"fulfilment", order.fulfilment}};
  });
  if (!looked) return looked.error();
  return row;
}

// When the row was committed, as the log heard of it.
json stored_at(const json& commands) {
  for (const json& command : commands) {
    if (command.at("command") != "OrderInsert") continue;
    for (const json& outcome : command.at("outcomes"))
      if (outcome.at("outcome") == "EXEC") return outcome.at("at");
  }
  return nullptr;
}

std::string word(const json& map, const char* name) {
  const auto found = map.find(name);
  if (found == map.end() || found->is_null()) return "-";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string decided_text(const json& decided) {
  std::string text = word(decided, "state") + "  lsn " + word(decided, "lsn");
  if (decided.contains("reason")) text += "  " + word(decided, "reason");
  text += "  item " + word(decided, "item");
  if (decided.contains("user")) text += "  user " + word(decided, "user");
  return text + "  qty " + word(decided, "qty");
}

void print_command(const json& command, std::ostream& out) {
  out << "command   " << word(command, "written_at") << "  " << word(command, "command") << ' '
      << word(command, "id");
  if (command.contains("fulfilment")) out << "  " << word(command, "fulfilment");
  out << '\n';
  for (const json& outcome : command.at("outcomes")) {
    out << "  " << word(outcome, "outcome") << "    " << word(outcome, "at") << "  lane "
        << word(outcome, "lane");
    for (const char* more : {"errno", "tries", "superseded_by"})
      if (outcome.contains(more)) out << "  " << more << ' ' << word(outcome, more);
    out << '\n';
  }
  if (command.at("outcomes").empty()) out << "  pending\n";
}

void print_trace(const json& report, std::ostream& out) {
  const auto& decided = report.at("decided");
  out << "request   " << word(report, "request_id") << "\nreceived  not kept\n";
  out << "decided   " << word(decided, "at") << "  " << decided_text(decided) << '\n';
  if (report.at("durable").is_object())
    out << "durable   " << word(report["durable"], "written_at")
        << "  in the log's batch of this time\n";
  else
    out << "durable   yes; the log's segment of it is gone\n";
  for (const json& command : report.at("commands")) print_command(command, out);
  const auto& stored = report.at("stored");
  out << "stored    ";
  if (stored.is_null()) {
    out << (word(decided, "state") == "confirmed" ? "not yet, or the database cannot be asked"
                                                  : "a rejection has no row");
  } else {
    out << word(stored, "at") << "  row " << (stored.at("row") == true ? "there" : "not asked");
    if (stored.contains("fulfilment")) out << "  " << word(stored, "fulfilment");
  }
  out << "\nanswered  not kept\n";
}

// What log and row say together.
json report_of(const std::string& request_id, Tracer& tracer, const storage::Result<json>& row) {
  json report = {{"request_id", request_id}, {"received", nullptr}, {"answered", nullptr}};
  const bool in_log = !tracer.decided.is_null();
  const bool has_row = row && !row->is_null();
  report["decided"] = in_log ? tracer.decided : has_row ? *row : json(nullptr);
  if (!in_log && has_row) report["decided"]["state"] = "confirmed";
  report["durable"] =
      in_log ? json{{"written_at", tracer.decided.at("written_at")}} : json(nullptr);
  report["commands"] = std::move(tracer.commands);
  const auto at = stored_at(report["commands"]);
  report["stored"] = nullptr;
  if (has_row || !at.is_null()) {
    report["stored"] = {{"at", at}, {"row", row ? json(has_row) : json(nullptr)}};
    if (has_row) report["stored"]["fulfilment"] = row->at("fulfilment");
  }
  return report;
}

}  // namespace

int run_trace(const ToolOptions& options, const storage::DbOptions& database,
              const std::string& request_id, std::ostream& out, std::ostream& err) {
  const auto dir = existing_log_dir(options, {});
  if (!dir) return report_error(err, dir.error());
  let_others_go_first();
  storage::PosixDisk disk;
  std::unique_ptr<Tracer> tracer;
  const auto beginning = read_whole(disk, *dir, tracer, [&](const LogBeginning& at) {
    return std::make_unique<Tracer>(request_id, at.speaks_from());
  });
  if (!beginning) return report_error(err, beginning.error());
  const auto row = row_of(database, request_id);
  if (!row) err << "stampede trace: the database was not asked: " << row.error().message << '\n';
  const auto report = report_of(request_id, *tracer, row);
  if (report.at("decided").is_null()) {
    say_beginning(err, *beginning);
    err << "stampede trace: neither log nor database knows " << request_id
        << ": it was not decided, or rejected before the log begins\n";
    if (options.json) out << json{{"request_id", request_id}, {"decided", nullptr}}.dump() << '\n';
    return kExitFailure;
  }
  if (options.json)
    out << report.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
  else
    print_trace(report, out);
  return kExitDone;
}

}  // namespace stampede::tools
