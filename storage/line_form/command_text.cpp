#include "storage/line_form/command_text.h"

#include <array>
#include <ctime>
#include <utility>

#include "storage/commands/command_arguments.h"

namespace stampede::storage {

namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

// Every type an argument can have as JSON has it.
void put(Json& out, std::string_view name, AsHex<const std::uint64_t> value) {
  out[std::string(name)] = hex_text(value.value);
}
template <class Number>
void put(Json& out, std::string_view name, Within<Number> value) {
  if (value.may_be_nil && value.value == static_cast<Number>(kNoNumber)) return;
  out[std::string(name)] = value.value;
}
void put(Json& out, std::string_view name, WithinText<const std::string_view> value) {
  if (!value.may_be_nil || !value.value.empty()) out[std::string(name)] = value.value;
}
void put(Json& out, std::string_view name, WithinBytes<const std::string_view> value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  if (value.may_be_nil && value.value.empty()) return;
  std::string digits;
  for (const char byte : value.value) {
    digits += kDigits[static_cast<unsigned char>(byte) >> 4];
    digits += kDigits[static_cast<unsigned char>(byte) & 0xFU];
  }
  out[std::string(name)] = digits;
}
template <class Value>
void put(Json& out, std::string_view name, const Value& value) {
  out[std::string(name)] = value;
}

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
    case RecordType::ha:
      return "HA";
    case RecordType::hash:
      return "HASH";
    case RecordType::config:
      return "CONFIG";
    case RecordType::claim:
      return "CLAIM";
    case RecordType::revoke:
      return "REVOKE";
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

void append_members(Json& out, const Command& command, std::string_view id) {
  out["id"] = id;
  unsigned argument = 0;
  each_argument(command, [&](std::string_view name, const auto& value) {
    if (((command.missing >> ++argument) & 1) == 0) put(out, name, value);
  });
  const auto& terms = command.put.terms;
  const auto put_term = [&](const Term& term, const auto& value) { put(out, term.name, value); };
  each_added_term(added_terms(terms), put_term, terms);
  if (!command.sale) return;
  const auto each = [&](std::string_view name, const auto& value) { put(out, name, value); };
  const SaleArguments& sale = *command.sale;
  with_sale_array(command.kind, sale, [&](const auto& part) { each_sale_argument(part, each); });
  with_sale_command(command.kind, sale,
                    [&](const auto& some) { each_bounded_argument(some, each); });
}

namespace {

template <class Record>
bool append_control(Json& out, std::string_view payload) {
  Record record;
  if (!CommandDecoder().control(payload, record)) return false;
  each_bounded_argument(std::as_const(record),
                        [&](std::string_view name, const auto& value) { put(out, name, value); });
  return true;
}

}  // namespace

bool append_control_members(Json& out, RecordType type, std::string_view payload) {
  switch (type) {
    case RecordType::ha:
      return append_control<HaRecord>(out, payload);
    case RecordType::hash:
      return append_control<HashRecord>(out, payload);
    case RecordType::config:
      return append_control<ConfigRecord>(out, payload);
    case RecordType::claim:
      return append_control<ClaimRecord>(out, payload);
    case RecordType::revoke:
      return append_control<RevokeRecord>(out, payload);
    default:
      return false;
  }
}

void append_members(Json& out, const Rejection& rejection) {
  out["request_id_hash"] =
      hex_text(rejection.request_hash[0]) + hex_text(rejection.request_hash[1]);
  out["content_hash"] = hex_text(rejection.content_hash);
  out["item"] = rejection.item;
  out["qty"] = rejection.qty;
  out["reason"] = to_text(rejection.reason);
  if (rejection.user_hash != 0) out["user_hash"] = hex_text(rejection.user_hash);
  if (rejection.level < FeatureLevel::sale) return;
  each_sale_argument(rejection,
                     [&](std::string_view name, const auto& value) { put(out, name, value); });
}

void append_command(std::string& out, const Command& command, std::string_view id) {
  out += to_text(command.kind);
  out += '=';
  Json members;
  append_members(members, command, id);
  append_json(out, members);
}

void append_rejection(std::string& out, const Rejection& rejection) {
  Json members;
  append_members(members, rejection);
  append_json(out, members);
}

}  // namespace stampede::storage
