#include "storage/disk/posix_disk.h"
#include "storage/line_form/command_text.h"
#include "storage/replay/fate_table.h"
#include "storage/replay/replay.h"
#include "tools/log/log_files.h"
#include "tools/log/log_tool.h"

namespace stampede::tools {
namespace {

using storage::BatchInfo;
using storage::Command;
using storage::FateTable;
using storage::Json;
using storage::LineHeader;
using storage::Lsn;
using storage::RecordType;
using storage::RecordView;
using storage::Status;

// Prints record after record, in either form.
class Dumper final : public storage::LogVisitor {
 public:
  // `fates`: of the whole log, only when pending commands alone are wanted.
  Dumper(const LogDumpOptions& options, bool json, const FateTable* fates, std::ostream& out)
      : options_(options), json_(json), fates_(fates), out_(out) {}

  Status on_record(const BatchInfo& batch, const RecordView& record) override {
    began_ = true;
    if (auto folded = in_file(batch, table_.record(record)); !folded) return folded;
    switch (record.type) {
      case RecordType::emit:
        return wanted(record.lsn) ? emit(batch, record) : Status(storage::Done{});
      case RecordType::reject:
        return wanted(record.lsn) && !options_.pending ? reject(batch, record)
                                                       : Status(storage::Done{});
      case RecordType::exec:
      case RecordType::fail:
      case RecordType::optm:
        return options_.pending ? Status(storage::Done{}) : outcome(batch, record);
      case RecordType::config:
      case RecordType::claim:
      case RecordType::revoke:
        if (wanted(record.lsn) && !options_.pending) control(batch, record);
        return storage::Done{};
      default:
        mark(batch, record);
        return storage::Done{};
    }
  }

  [[nodiscard]] bool began() const { return began_; }  // a record was shown to it

 private:
  [[nodiscard]] bool wanted(Lsn lsn) const {
    return (!options_.from || lsn >= *options_.from) && (!options_.to || lsn <= *options_.to);
  }

  // Whether a command of an EMIT is to be printed.
  [[nodiscard]] bool shown(Lsn lsn, std::uint32_t position) const {
    if (fates_ == nullptr) return true;
    const auto command = fates_->find(lsn, position);
    if (!command) return false;  // logged after the fates were read
    const auto fate = fates_->fate(*command);
    return fate == storage::Fate::pending || fate == storage::Fate::failed;
  }

  Status emit(const BatchInfo& batch, const RecordView& record) {
    if (!decoder_.command_set(record.payload, set_)) return storage::Done{};  // folded: cannot be
    std::vector<std::uint32_t> positions;
    for (std::uint32_t i = 0; i < set_.size(); ++i) {
      if (shown(record.lsn, i)) positions.push_back(i);
    }
    if (positions.empty()) return storage::Done{};
    const LineHeader header{batch.wall_ns, batch.pid, storage::kLogTid, record.lsn};
    json_ ? emit_json(header, positions) : emit_line(header, positions);
    return storage::Done{};
  }

  void emit_line(const LineHeader& header, const std::vector<std::uint32_t>& positions) {
    begin_line(RecordType::emit, header);
    bool first = true;
    for (const auto position : positions) {
      if (!std::exchange(first, false)) text() += storage::kDelimiter;
      storage::append_command(text(), set_[position], id_of(header.lsn, position));
    }
    end_line();
  }

  void emit_json(const LineHeader& header, const std::vector<std::uint32_t>& positions) {
    Json commands = Json::array();
    for (const auto position : positions) {
      Json command;
      command["command"] = to_text(set_[position].kind);
      storage::append_members(command, set_[position], id_of(header.lsn, position));
      commands.push_back(std::move(command));
    }
    Json object = json_header(RecordType::emit, header);
    object["commands"] = std::move(commands);
    json_line(object);
  }

  std::string id_of(Lsn lsn, std::uint32_t position) const {
    if (!set_[position].id_text.empty()) return std::string(set_[position].id_text);
    return storage::command_id(lsn, position);
  }

  Status reject(const BatchInfo& batch, const RecordView& record) {
    storage::Rejection rejection;
    if (!decoder_.rejection(record.payload, rejection)) {
      return in_file(batch, Status(storage::unreadable_record("a rejection", record.lsn)));
    }
    const LineHeader header{batch.wall_ns, batch.pid, storage::kLogTid, record.lsn};
    if (json_) {
      Json object = json_header(RecordType::reject, header);
      storage::append_members(object, rejection);
      json_line(object);
    } else {
      begin_line(RecordType::reject, header);
      storage::append_rejection(text(), rejection);
      end_line();
    }
    return storage::Done{};
  }

  void control(const BatchInfo& batch, const RecordView& record) {
    const LineHeader header{batch.wall_ns, batch.pid, storage::kLogTid, record.lsn};
    Json object = json_ ? json_header(record.type, header) : Json::object();
    append_control_members(object, record.type, record.payload);
    if (json_) return json_line(object);
    begin_line(record.type, header);
    storage::append_json(text(), object);
    end_line();
  }

  Status outcome(const BatchInfo& batch, const RecordView& record) {
    if (!decoder_.outcome(record.payload, outcome_)) return storage::Done{};  // folded: cannot be
    table_.each_named(record.type, outcome_, [&](FateTable::Index command, const auto& named) {
      const Lsn lsn = table_.lsn(command);
      if (!wanted(lsn)) return;
      const LineHeader header{batch.wall_ns, batch.pid, storage::tid_of_lane(outcome_.lane), lsn};
      outcome_of(record.type, header, command, named);
    });
    return storage::Done{};
  }

  void outcome_of(RecordType type, const LineHeader& header, FateTable::Index command,
                  const FateTable::Named& named) {
    const std::string_view name = to_text(table_.kind(command));
    Json object = json_ ? json_header(type, header) : Json::object();
    if (json_) object["command"] = name;
    object["id"] = table_.id(command);
    if (type == RecordType::fail) object["errno"] = named.number;
    if (named.tries > 1) object["tries"] = named.tries;
    if (type == RecordType::optm) object["superseded_by"] = superseder(command, named.number);
    if (json_) return json_line(object);
    begin_line(type, header);
    text().append(name) += '=';
    storage::append_json(text(), object);
    end_line();
  }

  // The command of the same type and item in the set `by`.
  std::string superseder(FateTable::Index command, Lsn by) const {
    std::uint32_t position = table_.position(command);
    for (std::uint32_t i = 0; table_.find(by, i); ++i) {
      const auto other = *table_.find(by, i);
      if (table_.kind(other) == table_.kind(command) && table_.key(other) == table_.key(command)) {
        return table_.id(other);
      }
    }
    return storage::command_id(by, position);
  }

  // EPOCH, SEAL, HA and HASH speak of no decision: they have no line, and no place in a selection.
  void mark(const BatchInfo& batch, const RecordView& record) {
    if (!json_ || options_.pending || options_.from || options_.to) return;
    Json object = {{"type", storage::record_word(record.type)},
                   {"time", time_text(batch.wall_ns)},
                   {"pid", batch.pid}};
    if (record.type == RecordType::epoch) {
      object["epoch"] = decoder_.epoch(record.payload).value_or(0);
    }
    append_control_members(object, record.type, record.payload);
    json_line(object);
  }

  static Json json_header(RecordType type, const LineHeader& header) {
    Json object;  // member by member: an initializer list would copy each value twice
    object["type"] = storage::record_word(type);
    object["time"] = time_text(header.wall_ns);
    object["pid"] = header.pid;
    object["tid"] = header.tid;
    object["lsn"] = storage::to_text(header.lsn);
    return object;
  }

  static std::string time_text(std::int64_t wall_ns) {
    std::string time;
    storage::append_time(time, wall_ns);
    return time;
  }

  void begin_line(RecordType type, const LineHeader& header) {
    storage::append_header(text(), header);
    text() += '[';
    text() += storage::record_word(type);
    text() += ']';
  }
  void end_line() {
    text() += storage::kEndOfLine;
    out_.end_line();
  }
  void json_line(const Json& object) {
    storage::append_json(text(), object);
    out_.end_line();
  }
  std::string& text() { return out_.text(); }

  const LogDumpOptions& options_;
  bool json_;
  const FateTable* fates_;
  OutBuffer out_;
  bool began_ = false;
  FateTable table_;  // of what was read so far: outcomes speak of commands before them
  storage::CommandDecoder decoder_;
  std::vector<Command> set_;
  storage::Outcome outcome_;
};

}  // namespace

int run_log_dump(const ToolOptions& options, const std::string& given, const LogDumpOptions& dump,
                 std::ostream& out, std::ostream& err) {
  const auto dir = existing_log_dir(options, given);
  if (!dir) return report_error(err, dir.error());
  storage::PosixDisk disk;
  FateReader fates;
  auto beginning = dump.pending ? read_fates(disk, *dir, fates) : log_beginning(disk, *dir);
  if (!beginning) return report_error(err, beginning.error());
  Dumper dumper(dump, options.json, dump.pending ? &fates.table : nullptr, out);
  auto end = storage::read_log(disk, *dir, dumper, beginning->position);
  while (!end && !dumper.began() && begins_later_now(disk, *dir, *beginning)) {
    end = storage::read_log(disk, *dir, dumper, beginning->position);
  }
  say_beginning(err, *beginning);
  return end ? kExitDone : report_error(err, end.error());
}

}  // namespace stampede::tools
