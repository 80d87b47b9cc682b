#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "actors/sale/request.h"
#include "config/process/wall_clock.h"
#include "storage/disk/posix_disk.h"
#include "storage/line_form/command_text.h"
#include "storage/log/log_segment.h"
#include "storage/log/log_writer.h"
#include "tools/log/log_files.h"
#include "tools/log/log_tool.h"

namespace stampede::tools {
namespace {

using storage::CommandKind;
using storage::Errc;
using storage::Error;
using storage::Lsn;
using storage::Outcome;
using storage::RecordType;
using storage::Status;
using storage::TextCommand;
using storage::TextLine;
using storage::to_text;

constexpr std::size_t kBatchBytes = storage::kBatchRecordsBytesMax / 4;
constexpr std::size_t kOutcomeNumbers = 3000;  // of at most 9 bytes each: well inside a record

struct ImportedBatch {
  storage::BatchHead head;
  storage::LogAppend append;
};

// Lines become records, records batches. Lines of one moment and process share a batch, and their
// outcomes of one lane a record, as the writer of a real log would have put them together.
class Importer {
 public:
  // Errc::invalid; the message begins with "column N: " or with what is wrong with the line.
  Status line(std::string_view text) {
    auto parsed = storage::parse_line(text);
    if (!parsed) return parsed.error();
    TextLine& line = *parsed;
    if (line.type == RecordType::emit) return emit(line);
    if (line.type == RecordType::reject) return reject(line);
    if (storage::is_control(line.type)) return control(line);
    return outcome(line);
  }

  // What the log must be able to hold.
  [[nodiscard]] storage::FeatureLevel level() const { return level_; }

  std::vector<ImportedBatch> finish() {
    end_outcome();
    if (batches_.empty()) return std::move(batches_);
    // The last batch gets a successor that vouches for it.
    std::string seal;
    storage::encode_seal(seal);
    ImportedBatch last;
    last.head = batches_.back().head;
    last.head.first_lsn = next_lsn_;
    last.append.add(RecordType::seal, seal);
    batches_.push_back(std::move(last));
    return std::move(batches_);
  }

 private:
  struct Place {
    Lsn lsn = 0;
    std::uint32_t position = 0;
    CommandKind kind{};
    std::optional<std::uint64_t> key;
  };

  Status emit(TextLine& line) {
    if (auto fits = decision_fits(line.header); !fits) return fits;
    for (const auto& in : line.commands)
      if (auto fits = texts_fit(in.command); !fits) return fits;
    std::vector<storage::Command> set;
    for (std::uint32_t position = 0; position < line.commands.size(); ++position) {
      TextCommand& in = line.commands[position];
      if (in.id != storage::command_id(line.header.lsn, position)) in.command.id_text = in.id;
      const Place place{line.header.lsn, position, in.kind, in.command.key()};
      level_ = std::max(level_, in.command.level);
      if (!places_.emplace(in.id, place).second) return wrong("the id " + in.id + " comes twice");
      set.push_back(in.command);
    }
    std::string payload;
    storage::encode_command_set(payload, set);
    return decide(line, payload);
  }

  // One rule for texts at every door: what is sold later is shown on screens.
  static Status texts_fit(const storage::Command& command) {
    std::string_view wrong_one;
    const auto look = [&](std::string_view name, std::string_view text) {
      if (!text.empty() && !actors::valid_text(text, text.size())) wrong_one = name;
    };
    if (command.kind == CommandKind::order_insert) {
      look("request_id", command.order.request_id);
      look("user", command.order.user);
    } else if (command.kind == CommandKind::item_put) {
      look("request_id", command.put.request_id);
      each_term(
          [&](const storage::Term& term, const auto& value) {
            if constexpr (std::is_convertible_v<decltype(value), std::string_view>)
              look(term.name, value);
          },
          command.put.terms);
    } else if (command.kind == CommandKind::promo_put) {
      look("request_id", command.sale->promo.request_id);
      look("name", command.sale->promo.name);
    } else if (command.kind == CommandKind::ticket_grant) {
      look("user", command.sale->ticket.user);
    }
    if (wrong_one.empty()) return storage::Done{};
    return wrong('"' + std::string(wrong_one) + "\" has a control character, or is no UTF-8");
  }

  Status reject(const TextLine& line) {
    if (auto fits = decision_fits(line.header); !fits) return fits;
    std::string payload;
    level_ = std::max(level_, line.rejection.level);
    storage::encode_rejection(payload, line.rejection);
    return decide(line, payload);
  }

  Status control(const TextLine& line) {
    if (auto fits = decision_fits(line.header); !fits) return fits;
    level_ = std::max(level_, storage::level_of(line.type));
    return decide(line, line.payload);
  }

  Status decision_fits(const storage::LineHeader& header) const {
    if (header.lsn >= next_lsn_) return storage::Done{};
    return wrong("lsn " + to_text(header.lsn) + " comes after " + to_text(next_lsn_ - 1) +
                 "; decisions stand in the order of their lsns");
  }

  Status decide(const TextLine& line, const std::string& payload) {
    if (payload.size() > storage::kRecordPayloadBytesMax) {
      return wrong("the line makes a record of more than 64 KiB");
    }
    end_outcome();
    const Lsn lsn = line.header.lsn;
    const std::uint64_t epoch = storage::lsn_epoch(lsn);
    if (batches_.empty() || epoch != batches_.back().head.epoch) take_over(line.header, epoch);
    if (lsn != next_lsn_ && batches_.back().append.decisions > 0) begin_batch(line.header, epoch);
    ImportedBatch& batch = batch_for(line.header, payload.size());
    if (batch.append.decisions == 0) batch.head.first_lsn = lsn;
    batch.append.add(line.type, payload);
    next_lsn_ = lsn + 1;
    return storage::Done{};
  }

  // As a real backend's log would begin: with the record of its epoch.
  void take_over(const storage::LineHeader& header, std::uint64_t epoch) {
    begin_batch(header, epoch);
    std::string payload;
    storage::encode_epoch(payload, epoch, header.wall_ns);
    batches_.back().append.add(RecordType::epoch, payload);
  }

  ImportedBatch& batch_for(const storage::LineHeader& header, std::size_t bytes) {
    const ImportedBatch& last = batches_.back();
    const bool full = last.append.records.size() + bytes > kBatchBytes;
    const bool same = last.head.wall_ns == header.wall_ns && last.head.pid == header.pid;
    if (full || !same) begin_batch(header, last.head.epoch);
    return batches_.back();
  }

  void begin_batch(const storage::LineHeader& header, std::uint64_t epoch) {
    ImportedBatch batch;
    batch.head.epoch = epoch;
    batch.head.first_lsn = std::max(next_lsn_, storage::make_lsn(epoch, 1));
    batch.head.wall_ns = header.wall_ns;
    batch.head.pid = header.pid;
    batches_.push_back(std::move(batch));
  }

  Status outcome(const TextLine& line) {
    const TextCommand& named = line.commands.front();
    const auto found = places_.find(named.id);
    if (found == places_.end()) return wrong("no EMIT before this line has the id " + named.id);
    const Place& place = found->second;
    if (place.kind != named.kind || place.lsn != line.header.lsn) {
      return wrong("the id " + named.id + " is " + std::string(to_text(place.kind)) + " of lsn " +
                   to_text(place.lsn) + ", the line says otherwise");
    }
    Lsn by = 0;
    if (line.type == RecordType::optm) {
      const auto newer = places_.find(named.superseded_by);
      if (newer == places_.end()) return wrong("no EMIT has the id " + named.superseded_by);
      const bool fits = newer->second.kind == place.kind && newer->second.key == place.key &&
                        newer->second.lsn > place.lsn && place.key;
      if (!fits) return wrong(named.superseded_by + " cannot stand in for " + named.id);
      by = newer->second.lsn;
    }
    begin_outcome(line, place);
    add_numbers(line.type, place, named, by);
    return storage::Done{};
  }

  void begin_outcome(const TextLine& line, const Place& place) {
    const std::uint32_t lane =
        line.header.tid < storage::kLaneTid ? 0 : line.header.tid - storage::kLaneTid;
    const bool same = open_type_ == line.type && open_header_.wall_ns == line.header.wall_ns &&
                      open_header_.pid == line.header.pid && open_.lane == lane &&
                      open_.kind == place.kind && open_.position == place.position &&
                      open_.numbers.size() < kOutcomeNumbers &&
                      (line.commands.front().tries > 0) == !open_.tries.empty();
    if (same) return;
    end_outcome();
    open_type_ = line.type;
    open_header_ = line.header;
    open_ = {lane, place.kind, place.position, {}};
    level_ = std::max(level_, storage::level_of(place.kind));
  }

  void add_numbers(RecordType type, const Place& place, const TextCommand& named, Lsn by) {
    auto& numbers = open_.numbers;
    const std::size_t size = numbers.size();
    if (type == RecordType::exec) {
      if (size > 0 && numbers[size - 1] + 1 == place.lsn) {
        numbers[size - 1] = place.lsn;  // the range goes on
      } else {
        numbers.insert(numbers.end(), {place.lsn, place.lsn});
      }
    } else if (type == RecordType::fail) {
      numbers.insert(numbers.end(), {place.lsn, named.errnum});
      if (named.tries > 0) open_.tries.push_back(named.tries);
    } else if (size == 0 || numbers[size - 3] != *place.key || numbers[size - 1] != by) {
      // A triple leaves out all commands of the key from one on; later lines are inside it.
      numbers.insert(numbers.end(), {*place.key, place.lsn, by});
    }
  }

  void end_outcome() {
    if (open_type_ == RecordType::invalid) return;
    std::string payload;
    storage::encode_outcome(payload, open_);
    batch_for(open_header_, payload.size()).append.add(open_type_, payload);
    open_type_ = RecordType::invalid;
  }

  static Error wrong(std::string message) { return {Errc::invalid, std::move(message)}; }

  std::unordered_map<std::string, Place> places_;
  std::vector<ImportedBatch> batches_;
  storage::FeatureLevel level_ = storage::kFeatureLevelMade;
  Lsn next_lsn_ = 0;
  RecordType open_type_ = RecordType::invalid;  // of the outcome record being collected
  storage::LineHeader open_header_;
  Outcome open_;
};

struct ImportedLog {
  std::vector<ImportedBatch> batches;
  storage::FeatureLevel level{};
};

storage::Result<ImportedLog> read_text(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return Error{Errc::invalid, "cannot read " + file};
  Importer importer;
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    if (auto taken = importer.line(line); !taken) {
      return Error{Errc::invalid,
                   file + ": line " + std::to_string(number) + ", " + taken.error().message};
    }
  }
  if (in.bad()) return Error{Errc::io, "reading " + file + " failed"};
  return ImportedLog{importer.finish(), importer.level()};
}

Status write_log(const ImportedLog& log, const std::string& dir) {
  storage::PosixDisk disk;
  auto lock = storage::LogLock::take(disk, dir);
  if (!lock) return lock.error();
  storage::LogUuid uuid;
  std::random_device random;
  for (auto& byte : uuid) byte = static_cast<std::uint8_t>(random());
  storage::LogOptions options;
  options.created_ns = config::wall_ns();
  options.level = log.level;
  auto writer = storage::LogWriter::create(disk, dir, uuid, options);
  if (!writer) return writer.error();
  for (const ImportedBatch& batch : log.batches) {
    storage::BatchHead head = batch.head;
    head.count = batch.append.count;
    const std::string_view records = batch.append.records;
    if (auto appended = writer->append({&records, 1}, head); !appended) return appended;
    if (auto synced = writer->sync(); !synced) return synced;
  }
  return storage::Done{};
}

}  // namespace

int run_log_import(const ToolOptions& options, const std::string& file, const std::string& dir,
                   std::ostream& out, std::ostream& err) {
  std::error_code ignored;
  if (std::filesystem::exists(dir, ignored) && !std::filesystem::is_empty(dir, ignored)) {
    err << "stampede: " << dir << " is not empty; name a directory to be made\n";
    return kExitRefused;
  }
  const auto log = read_text(file);
  if (!log) return report_error(err, log.error());
  if (auto written = write_log(*log, dir); !written) return report_error(err, written.error());
  std::uint64_t records = 0;
  for (const auto& batch : log->batches) records += batch.append.count;
  if (options.json) {
    out << "{\"ok\":true,\"batches\":" << log->batches.size() << ",\"records\":" << records
        << "}\n";
  } else {
    out << "wrote " << records << " records to " << dir << '\n';
  }
  return kExitDone;
}

}  // namespace stampede::tools
