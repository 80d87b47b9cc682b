#pragma once

// The line form of the log (contract §7): what `stampede log dump` prints and
// `stampede log import-text` reads.
//
//   TIME pid=N tid=N lsn=E.C : [EMIT]Name={…}/DELIMITER/Name={…}/EOL/
//   TIME pid=N tid=N lsn=E.C : [EXEC]Name={"id":"…"}/EOL/
//                              (FAIL: errno, tries from 2 on; OPTM: superseded_by)
//   TIME pid=N tid=N lsn=E.C : [REJECT]{…}/EOL/                  (CONFIG, CLAIM, REVOKE likewise)
//
// HA and HASH speak of no decision and have no line, as EPOCH and SEAL; their members are here.
// Pure functions and value types; any thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/commands/command.h"
#include "storage/line_form/flat_json.h"
#include "storage/log/log_format.h"
#include "storage/result.h"

namespace stampede::storage {

// The thread of a line is a role: 0 core, 1 log, from 2 on the lanes.
inline constexpr std::uint32_t kLogTid = 1;
inline constexpr std::uint32_t kLaneTid = 2;
// Of the one who wrote the record: decisions become durable in the log, outcomes come from lanes.
constexpr std::uint32_t tid_of_lane(std::uint32_t lane) {
  return kLaneTid + lane;
}

struct LineHeader {
  std::int64_t wall_ns = 0;  // since 1970-01-01 UTC; printed in microseconds
  std::uint32_t pid = 0;
  std::uint32_t tid = 0;
  Lsn lsn = 0;  // of the decision that the line speaks of
};

std::string_view record_word(RecordType type);                   // "EMIT", …
void append_time(std::string& out, std::int64_t wall_ns);        // 2026-11-21T10:42:01.203118Z
void append_header(std::string& out, const LineHeader& header);  // "TIME pid= tid= lsn= : "

// The members of a command's object, id first, missing arguments left out.
void append_members(Json& out, const Command& command, std::string_view id);
void append_members(Json& out, const Rejection& rejection);
void append_command(std::string& out, const Command& command, std::string_view id);  // Name={…}
void append_rejection(std::string& out, const Rejection& rejection);                 // {…}
// Of a control record, when its payload is one of `type`; else nothing and false.
bool append_control_members(Json& out, RecordType type, std::string_view payload);
constexpr bool is_control(RecordType type) {
  return type >= RecordType::ha && type <= RecordType::revoke;
}

// A command as a line names it. An EMIT's has arguments; an outcome's may repeat some, unread.
struct TextCommand {
  TextCommand() = default;
  TextCommand(TextCommand&&) = default;  // never copied: views would point into the original
  TextCommand& operator=(TextCommand&&) = default;

  CommandKind kind = CommandKind::invalid;
  std::string id;
  FlatObject arguments;
  Command command;            // EMIT: views point into `arguments`
  std::uint64_t errnum = 0;   // FAIL: member errno, 0 when it is missing
  std::uint64_t tries = 0;    // FAIL: member tries, 0 when it is missing
  std::string superseded_by;  // OPTM: an id, required
};

struct TextLine {
  LineHeader header;
  RecordType type = RecordType::invalid;
  std::vector<TextCommand> commands;  // EMIT: one or more; outcomes: exactly one
  Rejection rejection;
  std::string payload;  // CONFIG, CLAIM, REVOKE: as it stands in a log
};

// Parses one line without its line feed. Errc::invalid, the message starts with "column N: ".
Result<TextLine> parse_line(std::string_view line);

}  // namespace stampede::storage
