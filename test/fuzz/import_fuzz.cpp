// Lines of `stampede log import-text`. Checked: a line that is taken, printed and read again,
// prints the same; a line that is refused says in which column.

#include <string>

#include "storage/line_form/command_text.h"
#include "test/fuzz/fuzz.h"

namespace {

using namespace stampede::storage;

void print_command(std::string& out, RecordType type, const TextCommand& command) {
  if (type == RecordType::emit) return append_command(out, command.command, command.id);
  out.append(to_text(command.kind)).append("=");
  Json members = {{"id", command.id}};
  if (type == RecordType::fail) members["errno"] = command.errnum;
  if (command.tries > 0) members["tries"] = command.tries;
  if (type == RecordType::optm) members["superseded_by"] = command.superseded_by;
  append_json(out, members);
}

std::string printed(const TextLine& line) {
  std::string out;
  append_header(out, line.header);
  out.append("[").append(record_word(line.type)).append("]");
  if (line.type == RecordType::reject) append_rejection(out, line.rejection);
  if (is_control(line.type)) {
    Json members = Json::object();
    FUZZ_CHECK(append_control_members(members, line.type, line.payload));
    append_json(out, members);
  }
  for (std::size_t i = 0; i < line.commands.size(); ++i) {
    if (i > 0) out.append(kDelimiter);
    print_command(out, line.type, line.commands[i]);
  }
  return out.append(kEndOfLine);
}

std::string printed_again(const std::string& text) {
  const auto line = parse_line(text);
  FUZZ_CHECK(static_cast<bool>(line));
  return printed(*line);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = parse_line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line) {
      FUZZ_CHECK(line.error().message.starts_with("column "));
      continue;
    }
    const std::string twice = printed_again(printed(*line));
    FUZZ_CHECK(printed_again(twice) == twice);
  }
  return 0;
}
