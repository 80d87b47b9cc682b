#include <array>
#include <vector>

#include "storage/disk/posix_disk.h"
#include "storage/line_form/flat_json.h"
#include "storage/replay/fate_table.h"
#include "tools/log/log_files.h"
#include "tools/log/log_tool.h"

namespace stampede::tools {
namespace {

using storage::CommandKind;
using storage::Fate;
using storage::FateTable;

constexpr std::size_t kCommandsNamedMax = 20;  // of each sort, for people

// What recovery does with a command: applies it, or skips it because it is done, or because a newer
// command on the same item stands in for it.
struct Plan {
  explicit Plan(const FateTable& table) {
    for (FateTable::Index i = 0; i < table.size(); ++i) {
      if (table.fate(i) == Fate::executed) {
        ++skip_done;
      } else if (table.would_apply(i)) {
        applied.push_back(i);
        ++by_kind[static_cast<std::size_t>(table.kind(i))];
      } else {
        superseded.push_back(i);
      }
    }
  }
  std::vector<FateTable::Index> applied;
  std::vector<FateTable::Index> superseded;
  std::uint64_t skip_done = 0;
  std::array<std::uint64_t, std::size_t{static_cast<unsigned>(storage::kCommandKindLast)} + 1>
      by_kind{};
};

storage::Json json_of(const FateTable& table, FateTable::Index command) {
  const auto by = table.skipped_for(command);
  storage::Json object = {{"id", table.id(command)},
                          {"fate", to_text(by ? Fate::superseded : table.fate(command))}};
  if (by) object["by"] = table.id(*by);
  return object;
}

// Command by command: all of them at once may be more than there is memory.
void print_json(const FateTable& table, const Plan& plan, std::ostream& stream) {
  OutBuffer out(stream);
  out.text() += "{\"would_apply\":" + std::to_string(plan.applied.size()) +
                ",\"skip_done\":" + std::to_string(plan.skip_done) +
                ",\"skip_superseded\":" + std::to_string(plan.superseded.size()) +
                ",\"commands\":[";
  for (FateTable::Index i = 0; i < table.size(); ++i) {
    if (i > 0) out.text() += ',';
    out.end_piece();
    storage::append_json(out.text(), json_of(table, i));
  }
  out.text() += "]}";
  out.end_line();
}

std::string name_and_id(const FateTable& table, FateTable::Index command) {
  return std::string(to_text(table.kind(command))) + " " + table.id(command);
}

void print_kinds(const Plan& plan, std::ostream& out) {
  std::string separator = " (";
  for (std::size_t kind = 1; kind < plan.by_kind.size(); ++kind) {
    const std::uint64_t count = plan.by_kind[kind];
    if (count == 0) continue;
    out << separator << count << ' ' << to_text(static_cast<CommandKind>(kind));
    separator = ", ";
  }
  if (separator == ", ") out << ')';
}

void print_more(std::size_t all, std::ostream& out) {
  if (all > kCommandsNamedMax)
    out << "… and " << all - kCommandsNamedMax << " more (--json lists all)\n";
}

void print_text(const FateTable& table, const Plan& plan, std::ostream& out) {
  out << "would apply " << plan.applied.size();
  print_kinds(plan, out);
  out << ", skip " << plan.skip_done << " done, skip " << plan.superseded.size() << " superseded\n";
  for (std::size_t i = 0; i < plan.applied.size() && i < kCommandsNamedMax; ++i) {
    const bool failed = table.fate(plan.applied[i]) == Fate::failed;
    out << "apply " << name_and_id(table, plan.applied[i]) << (failed ? " (failed before)" : "")
        << '\n';
  }
  print_more(plan.applied.size(), out);
  for (std::size_t i = 0; i < plan.superseded.size() && i < kCommandsNamedMax; ++i) {
    const auto command = plan.superseded[i];
    const auto by = *table.skipped_for(command);
    out << "skip " << name_and_id(table, command) << ": superseded by " << table.id(by)
        << (table.fate(by) == Fate::executed ? ", executed" : ", to be applied") << '\n';
  }
  print_more(plan.superseded.size(), out);
}

}  // namespace

int run_log_replay_dry_run(const ToolOptions& options, const std::string& given, std::ostream& out,
                           std::ostream& err) {
  const auto dir = existing_log_dir(options, given);
  if (!dir) return report_error(err, dir.error());
  storage::PosixDisk disk;
  FateReader reader;
  auto beginning = read_fates(disk, *dir, reader);
  if (!beginning) return report_error(err, beginning.error());
  say_beginning(err, *beginning);
  const Plan plan(reader.table);
  options.json ? print_json(reader.table, plan, out) : print_text(reader.table, plan, out);
  out.flush();
  return kExitDone;
}

}  // namespace stampede::tools
