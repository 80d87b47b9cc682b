#include "storage/line_form/command_text.h"

#include <array>
#include <ctime>

#include "storage/commands/command_arguments.h"

namespace stampede::storage {

namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

// One overload for each type an argument can have.
class MemberPrinter {
 public:
  explicit MemberPrinter(JsonObjectWriter& out) : out_(out) {}
  void operator()(std::string_view name, std::string_view value) { out_.text(name, value); }
  void operator()(std::string_view name, std::uint64_t value) { out_.number(name, value); }
  void operator()(std::string_view name, std::uint32_t value) { out_.number(name, value); }
  void operator()(std::string_view name, std::int64_t value) { out_.signed_number(name, value); }
  void operator()(std::string_view name, AsHex<const std::uint64_t> value) {
    std::string digits;
    append_hex(digits, value.value);
    out_.text(name, digits);
  }

 private:
  JsonObjectWriter& out_;
};

}  // namespace

std::string_view record_word(RecordType type) {
  switch (type) {
    case RecordType::emit:
      return "EMIT";
    case RecordType::exec:
      return "EXEC";
    case RecordType::fail:
      return "FAIL";
    case RecordType::optm:
      return "OPTM";
    case RecordType::seal:
      return "SEAL";
    case RecordType::checkpoint:
      return "CHECKPOINT";
    case RecordType::epoch:
      return "EPOCH";
    case RecordType::reject:
      return "REJECT";
    case RecordType::invalid:
      break;
  }
  return "INVALID";
}

void append_time(std::string& out, std::int64_t wall_ns) {
  std::int64_t seconds = wall_ns / kNsPerSecond;
  std::int64_t rest = wall_ns % kNsPerSecond;
  if (rest < 0) {
    rest += kNsPerSecond;
    --seconds;
  }
  const std::time_t time = seconds;
  std::tm utc{};
  gmtime_r(&time, &utc);
  std::array<char, 32> date{};
  const std::size_t length = std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  out.append(date.data(), length);
  const std::string micros = std::to_string(rest / 1000);
  out += '.';
  out.append(6 - micros.size(), '0');
  out += micros;
  out += 'Z';
}

void append_header(std::string& out, const LineHeader& header) {
  append_time(out, header.wall_ns);
  out += " pid=" + std::to_string(header.pid);
  out += " tid=" + std::to_string(header.tid);
  out += " lsn=" + to_text(header.lsn) + " : ";
}

void append_members(JsonObjectWriter& out, const Command& command, std::string_view id) {
  out.text("id", id);
  unsigned argument = 0;
  each_argument(command, [&](std::string_view name, const auto& value) {
    if (((command.missing >> ++argument) & 1) == 0) MemberPrinter{out}(name, value);
  });
  const auto& terms = command.put.terms;
  each_added_term(
      added_terms(terms),
      [&](const Term& term, const auto& value) { MemberPrinter{out}(term.name, value); }, terms);
}

void append_members(JsonObjectWriter& out, const Rejection& rejection) {
  std::string request;
  append_hex(request, rejection.request_hash[0]);
  append_hex(request, rejection.request_hash[1]);
  std::string content;
  append_hex(content, rejection.content_hash);
  out.text("request_id_hash", request);
  out.text("content_hash", content);
  out.number("item", rejection.item);
  out.number("qty", rejection.qty);
  out.text("reason", to_text(rejection.reason));
}

void append_command(std::string& out, const Command& command, std::string_view id) {
  out += to_text(command.kind);
  out += '=';
  JsonObjectWriter object(out);
  append_members(object, command, id);
  object.end();
}

void append_rejection(std::string& out, const Rejection& rejection) {
  JsonObjectWriter object(out);
  append_members(object, rejection);
  object.end();
}

}  // namespace stampede::storage
