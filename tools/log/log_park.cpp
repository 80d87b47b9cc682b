#include <nlohmann/json.hpp>
#include <variant>

#include "storage/disk/posix_disk.h"
#include "storage/log/parked_records.h"
#include "storage/snapshot/snapshot_file.h"
#include "tools/ask/admin_client.h"
#include "tools/log/log_files.h"
#include "tools/log/log_tool.h"

namespace stampede::tools {
namespace {

using nlohmann::json;
using storage::Errc;
using storage::Error;
using storage::Lsn;
using storage::ParkedRecord;
using storage::Status;
using storage::to_text;

// Looks for one decision, and at no payload: it may be one that nothing can read.
class Finder final : public storage::LogVisitor {
 public:
  explicit Finder(Lsn lsn) : lsn_(lsn) {}
  Status on_record(const storage::BatchInfo&, const storage::RecordView& record) override {
    found = found || record.lsn == lsn_;
    return storage::Done{};
  }
  bool found = false;

 private:
  Lsn lsn_;
};

// Errc::not_found unless a start would meet the decision.
Status must_be_met(storage::Disk& disk, const std::string& dir, Lsn lsn) {
  const auto snapshots = storage::list_snapshots(disk, dir);
  if (!snapshots) return snapshots.error();
  if (!snapshots->empty() && lsn <= snapshots->front().last_lsn) {
    return Error{Errc::not_found, snapshots->front().name + " stands for lsn " + to_text(lsn) +
                                      ": no start replays it"};
  }
  const auto beginning = log_beginning(disk, dir);
  if (!beginning) return beginning.error();
  Finder finder(lsn);
  const auto end = storage::read_log(disk, dir, finder, beginning->position);
  if (finder.found) return storage::Done{};
  if (!end) return end.error();
  return Error{Errc::not_found, "the log holds no decision of lsn " + to_text(lsn)};
}

int report(const ToolOptions& options, json result, const std::string& text, std::ostream& out) {
  if (options.json) {
    result["ok"] = true;
    out << result.dump() << '\n';
  } else {
    out << text << '\n';
  }
  return kExitDone;
}

// Which node was started anew; empty: there is no supervisor that could.
std::variant<std::string, AdminFailure> restart_backend(const ToolOptions& options) {
  const auto answer =
      ask_admin_for_operator(options.config, {{"do", "restart"}, {"node", "backend-1"}});
  if (const auto* failure = std::get_if<AdminFailure>(&answer)) {
    if (failure->exit == kExitNoConnection) return std::string{};
    return *failure;
  }
  return std::get<json>(answer).value("node", std::string{});
}

}  // namespace

int run_log_park(const ToolOptions& options, const std::string& given, Lsn lsn, std::ostream& out,
                 std::ostream& err) {
  const auto dir = own_log_dir(options, given);
  if (!dir) return report_error(err, dir.error());
  storage::PosixDisk disk;
  auto done = must_be_met(disk, *dir, lsn);
  if (done) done = storage::park_record(disk, *dir, {lsn, "the operator said so"});
  if (!done) return report_error(err, done.error());
  return report(options, {{"parked", to_text(lsn)}},
                "lsn " + to_text(lsn) +
                    " is parked: from the backend's next start on it is passed "
                    "over and its item is closed",
                out);
}

int run_log_unpark(const ToolOptions& options, const std::string& given, Lsn lsn, std::ostream& out,
                   std::ostream& err) {
  const auto dir = own_log_dir(options, given);
  if (!dir) return report_error(err, dir.error());
  storage::PosixDisk disk;
  if (auto done = storage::unpark_record(disk, *dir, lsn); !done)
    return report_error(err, done.error());
  return report(options, {{"unparked", to_text(lsn)}},
                "lsn " + to_text(lsn) +
                    " is parked no more: the backend's next start applies it "
                    "(`stampede log retry` starts it anew)",
                out);
}

int run_log_retry(const ToolOptions& options, std::optional<Lsn> lsn, std::ostream& out,
                  std::ostream& err) {
  const auto dir = own_log_dir(options, {});
  if (!dir) return report_error(err, dir.error());
  storage::PosixDisk disk;
  auto chosen = storage::list_parked(disk, *dir);
  if (!chosen) return report_error(err, chosen.error());
  if (lsn) *chosen = {ParkedRecord{*lsn, {}}};
  auto unparked = json::array();
  for (const auto& record : *chosen) {
    if (auto done = storage::unpark_record(disk, *dir, record.lsn); !done)
      return report_error(err, done.error());
    unparked.push_back(to_text(record.lsn));
  }
  const auto restarted = restart_backend(options);
  if (const auto* failure = std::get_if<AdminFailure>(&restarted)) {
    err << "stampede log retry: " << failure->message << '\n';
    return failure->exit;
  }
  const auto& node = std::get<std::string>(restarted);
  const std::string what = chosen->empty() ? "nothing is parked" : "unparked " + to_text(*chosen);
  return report(
      options,
      {{"unparked", std::move(unparked)}, {"restarted", node.empty() ? json() : json(node)}},
      what + (node.empty() ? "; no supervisor runs: the next start tries again"
                           : "; " + node + " is started anew and tries again"),
      out);
}

}  // namespace stampede::tools
