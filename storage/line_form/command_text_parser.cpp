#include <algorithm>
#include <charconv>
#include <ctime>
#include <deque>
#include <limits>
#include <optional>

#include "storage/commands/command_arguments.h"
#include "storage/line_form/command_text.h"

namespace stampede::storage {

namespace {

constexpr std::uint64_t kSignedMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kTriesMax = std::numeric_limits<std::uint32_t>::max();
constexpr std::string_view kExpectedType =
    "expected [EMIT], [EXEC], [FAIL], [OPTM], [REJECT], [CONFIG], [CLAIM] or [REVOKE]";

// Small letters, as they are printed.
bool append_bytes(std::string_view digits, std::string& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  if (digits.size() % 2 != 0) return false;
  for (std::size_t at = 0; at < digits.size(); at += 2) {
    const auto high = kDigits.find(digits[at]);
    const auto low = kDigits.find(digits[at + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return false;
    bytes += static_cast<char>(high * 16 + low);
  }
  return true;
}

// The line from left to right. The first error is kept; after it nothing is read any more.
class LineParser {
 public:
  explicit LineParser(std::string_view line) : line_(line) {}

  Result<TextLine> parse() {
    TextLine out;
    header(out.header);
    out.type = type();
    if (out.type == RecordType::reject) {
      rejection(out.rejection);
    } else if (is_control(out.type)) {
      control(out);
    } else {
      commands(out);
    }
    literal(kEndOfLine, "expected /EOL/");
    if (!error_ && at_ != line_.size()) fail(at_, "nothing may follow /EOL/");
    if (error_) return *error_;
    return out;
  }

 private:
  void header(LineHeader& out) {
    out.wall_ns = time();
    literal(" pid=", "expected \" pid=\" behind the time");
    out.pid = number32();
    literal(" tid=", "expected \" tid=\" behind the pid");
    out.tid = number32();
    literal(" lsn=", "expected \" lsn=\" behind the tid");
    const std::size_t start = at_;
    const std::string_view word = until(' ');
    const auto lsn = parse_lsn(word);
    if (!lsn || lsn_counter(*lsn) == 0 || lsn_epoch(*lsn) == 0 || *lsn > kSignedMax) {
      fail(start, "expected an lsn, epoch.counter, both from 1");
    }
    out.lsn = lsn.value_or(0);
    literal(" : ", "expected \" : \" behind the lsn");
  }

  std::int64_t time() {
    const std::size_t start = at_;
    const int year = digits(4), month = after('-', 2), day = after('-', 2);
    const int hour = after('T', 2), minute = after(':', 2), second = after(':', 2);
    std::int64_t fraction = 0;
    if (at_ < line_.size() && line_[at_] == '.') fraction = nanoseconds();
    literal("Z", "expected a time like 2026-11-21T10:42:01.203118Z");
    if (error_) return 0;
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60 ||
        year < 1700 || year > 2200) {
      fail(start, "this is no time in UTC");
      return 0;
    }
    std::tm utc{};
    utc.tm_year = year - 1900;
    utc.tm_mon = month - 1;
    utc.tm_mday = day;
    utc.tm_hour = hour;
    utc.tm_min = minute;
    utc.tm_sec = second;
    return std::int64_t{timegm(&utc)} * 1'000'000'000 + fraction;
  }

  int digits(std::size_t count) {
    int value = 0;
    for (std::size_t i = 0; i < count; ++i, ++at_) {
      const char c = at_ < line_.size() ? line_[at_] : '\0';
      if (c < '0' || c > '9') {
        fail(at_, "expected a time like 2026-11-21T10:42:01.203118Z");
        return 0;
      }
      value = value * 10 + (c - '0');
    }
    return value;
  }
  int after(char separator, std::size_t count) {
    literal({&separator, 1}, "expected a time like 2026-11-21T10:42:01.203118Z");
    return error_ ? 0 : digits(count);
  }
  std::int64_t nanoseconds() {
    std::int64_t value = 0;
    int read = 0;
    for (++at_; at_ < line_.size() && line_[at_] >= '0' && line_[at_] <= '9' && read < 9; ++read) {
      value = value * 10 + (line_[at_++] - '0');
    }
    if (read == 0) fail(at_, "expected digits behind the point of the time");
    for (; read < 9; ++read) value *= 10;
    return value;
  }

  std::uint32_t number32() {
    std::uint32_t value = 0;
    if (error_) return 0;
    const char* last = line_.data() + line_.size();
    const auto [end, error] = std::from_chars(line_.data() + at_, last, value);
    if (error != std::errc{}) fail(at_, "expected a number below 2^32");
    if (!error_) at_ = static_cast<std::size_t>(end - line_.data());
    return value;
  }

  RecordType type() {
    const std::size_t start = at_;
    literal("[", kExpectedType);
    const std::string_view word = until(']');
    for (const auto type :
         {RecordType::emit, RecordType::exec, RecordType::fail, RecordType::optm,
          RecordType::reject, RecordType::config, RecordType::claim, RecordType::revoke}) {
      if (word != record_word(type)) continue;
      literal("]", "expected ]");
      return type;
    }
    fail(start, kExpectedType);
    return RecordType::invalid;
  }

  void commands(TextLine& out) {
    do {
      TextCommand& command = out.commands.emplace_back();
      name_and_object(command);
      if (error_) return;
      if (out.type == RecordType::emit) {
        arguments(command);
      } else {
        outcome(out.type, command);
      }
      if (error_ || out.type != RecordType::emit) return;
    } while (skip(kDelimiter));
  }

  void name_and_object(TextCommand& out) {
    const std::size_t start = at_;
    const auto kind = parse_command_kind(until('='));
    if (!kind) {
      fail(start, "expected the name of a command, like OrderInsert=");
      return;
    }
    out.kind = *kind;
    literal("=", "expected = behind the command's name");
    object_ = at_;
    object(out.arguments);
    if (error_) return;
    const JsonMember* id = out.arguments.find("id");
    out.id = id != nullptr ? text_of(*id) : std::string_view();
    if (out.id.empty()) fail(object_, "the command has no \"id\", a text");
  }

  void object(FlatObject& out) {
    if (error_) return;
    auto parsed = parse_flat_object(line_, at_);
    if (parsed) {
      out = std::move(*parsed);
    } else {
      error_ = parsed.error();
    }
  }

  void arguments(TextCommand& out) {
    out.command.kind = out.kind;
    unsigned argument = 0;
    std::size_t known = 1;  // the id
    each_argument(out.command, [&](std::string_view name, auto&& value) {
      ++argument;
      if (!assign_if_there(out, name, value, known))
        out.command.missing = static_cast<std::uint16_t>(out.command.missing | 1U << argument);
    });
    if (out.kind == CommandKind::item_put) {
      const auto assign_added = [&](const Term& term, auto& value) {
        (void)assign_if_there(out, term.name, value, known);
      };
      each_added_term(kAddedTerms, assign_added, out.command.put.terms);
    }
    sale_arguments(out, known);
    if (known != out.arguments.members.size()) unknown_member(out);
    if (out.kind > CommandKind::item_put) return;
    const JsonMember* item = out.arguments.find("item");
    const bool has_item = item != nullptr && !item->value.is_null();
    if (out.kind != CommandKind::order_insert && !has_item) {
      fail(object_, "\"item\", the business key of this command, is missing");
    }
  }

  // Of an older kind they may all be missing; of a kind of its own, those that may be nil.
  void sale_arguments(TextCommand& out, std::size_t& known) {
    auto sale = std::make_shared<SaleArguments>();
    bool any = false;
    with_sale_array(out.kind, *sale, [&](auto& part) {
      each_sale_argument(part, [&](std::string_view name, auto value) {
        any = assign_if_there(out, name, value, known) || any;
      });
    });
    with_sale_command(out.kind, *sale, [&](auto& some) {
      any = true;
      each_bounded_argument(some, [&](std::string_view name, auto value) {
        if (!assign_if_there(out, name, value, known)) require(name, value);
      });
    });
    if (!any) return;
    out.command.sale = std::move(sale);
    out.command.level = FeatureLevel::sale;
  }

  template <class Bounded>
  void require(std::string_view name, const Bounded& value) {
    bool may_be_nil = false;
    if constexpr (requires { value.may_be_nil; }) may_be_nil = value.may_be_nil;
    if (!may_be_nil) fail(object_, "\"" + std::string(name) + "\" is missing");
  }

  template <class Value>
  bool assign_if_there(const TextCommand& out, std::string_view name, Value&& value,
                       std::size_t& known) {
    const JsonMember* member = out.arguments.find(name);
    if (member == nullptr) return false;
    ++known;
    if (member->value.is_null()) return false;
    assign(*member, value);
    return true;
  }

  void unknown_member(const TextCommand& out) {
    for (const JsonMember& member : out.arguments.members) {
      bool known = member.name == "id";
      const auto compare = [&](std::string_view name) { known = known || member.name == name; };
      each_argument(out.command, [&](std::string_view name, const auto&) { compare(name); });
      if (out.kind == CommandKind::item_put)
        each_added_term(kAddedTerms, [&](const Term& term) { compare(term.name); });
      const SaleArguments sale;
      const auto each = [&](std::string_view name, const auto&) { compare(name); };
      with_sale_array(out.kind, sale, [&](const auto& part) { each_sale_argument(part, each); });
      with_sale_command(out.kind, sale,
                        [&](const auto& some) { each_bounded_argument(some, each); });
      if (!known) fail(member.at, "\"" + member.name + "\" is no argument of this command");
    }
  }

  void outcome(RecordType type, TextCommand& out) {
    const JsonMember* errnum = out.arguments.find("errno");
    if (type == RecordType::fail && errnum != nullptr) assign(*errnum, out.errnum);
    const JsonMember* tries = out.arguments.find("tries");
    if (type == RecordType::fail && tries != nullptr)
      assign(*tries, Within<std::uint64_t>{out.tries, 1, kTriesMax});
    if (type != RecordType::optm) return;
    const JsonMember* by = out.arguments.find("superseded_by");
    if (by == nullptr || !by->value.is_string()) {
      fail(object_, "an OPTM names the id it was left out for: \"superseded_by\", a text");
      return;
    }
    out.superseded_by = text_of(*by);
  }

  void rejection(Rejection& out) {
    FlatObject members;
    object_ = at_;
    object(members);
    for (const JsonMember& member : members.members) {
      if (member.name == "request_id_hash") {
        request_hash(member, out.request_hash);
      } else if (member.name == "content_hash") {
        assign(member, AsHex<std::uint64_t>{out.content_hash});
      } else if (member.name == "item") {
        assign(member, out.item);
      } else if (member.name == "qty") {
        assign(member, out.qty);
      } else if (member.name == "reason") {
        reason(member, out.reason);
      } else if (member.name == "user_hash") {
        assign(member, AsHex<std::uint64_t>{out.user_hash});
      } else if (!sale_member(member, out)) {
        fail(member.at, "\"" + member.name + "\" is no member of a rejection");
      }
    }
    if (out.reason == RejectReason::invalid) fail(object_, "a rejection needs its \"reason\"");
  }

  bool sale_member(const JsonMember& member, Rejection& out) {
    bool found = false;
    each_sale_argument(out, [&](std::string_view name, auto value) {
      if (member.name != name) return;
      found = true;
      assign(member, value);
    });
    if (found) out.level = FeatureLevel::sale;
    return found;
  }

  void control(TextLine& out) {
    if (out.type == RecordType::config) control<ConfigRecord>(out.payload);
    if (out.type == RecordType::claim) control<ClaimRecord>(out.payload);
    if (out.type == RecordType::revoke) control<RevokeRecord>(out.payload);
  }

  template <class Record>
  void control(std::string& payload) {
    Record record;
    TextCommand members;  // for what is done with the members of a command
    object_ = at_;
    object(members.arguments);
    if (error_) return;
    std::size_t known = 0;
    each_bounded_argument(record, [&](std::string_view name, auto value) {
      if (!assign_if_there(members, name, value, known)) require(name, value);
    });
    if (known != members.arguments.members.size())
      fail(object_, "there is a member that this record does not have");
    if (!error_) encode_control(payload, record);
  }

  void request_hash(const JsonMember& member, RequestHash& out) {
    const std::string_view text = text_of(member);
    const auto first = parse_hex(text.substr(0, 16));
    const auto second = text.size() == 32 ? parse_hex(text.substr(16)) : std::nullopt;
    if (!first || !second) return fail(member.at, "\"request_id_hash\" is 32 hex digits");
    out = {*first, *second};
  }

  void reason(const JsonMember& member, RejectReason& out) {
    for (const auto known : {RejectReason::sold_out, RejectReason::limit_reached}) {
      if (text_of(member) == to_text(known)) out = known;
    }
    if (out == RejectReason::invalid) {
      fail(member.at, "\"reason\" is sold_out or limit_reached");
    }
  }

  // --- a member's value into an argument ---
  void assign(const JsonMember& member, std::string_view& out) {
    if (!member.value.is_string()) return fail(member.at, "\"" + member.name + "\" is a text");
    out = text_of(member);
  }
  void assign(const JsonMember& member, std::uint64_t& out) {
    unsigned_up_to(kSignedMax, member, out);
  }
  void assign(const JsonMember& member, std::uint32_t& out) {
    std::uint64_t wide = 0;
    unsigned_up_to(std::numeric_limits<std::uint32_t>::max(), member, wide);
    out = static_cast<std::uint32_t>(wide);
  }
  void assign(const JsonMember& member, std::int64_t& out) {
    const auto& value = member.value;
    const bool large = value.is_number_unsigned() && value.get<std::uint64_t>() > kSignedMax;
    if (!value.is_number_integer() || large) {
      return fail(member.at, "\"" + member.name + "\" is an integer of 64 bits");
    }
    out = value.get<std::int64_t>();
  }
  void assign(const JsonMember& member, AsHex<std::uint64_t> out) {
    const auto value = parse_hex(text_of(member));
    if (!value) return fail(member.at, "\"" + member.name + "\" is a text of 16 hex digits");
    out.value = *value;
  }
  template <class Number>
  void assign(const JsonMember& member, Within<Number> out) {
    const auto& value = member.value;
    const bool large = value.is_number_unsigned() && value.get<std::uint64_t>() > kSignedMax;
    const std::int64_t number =
        value.is_number_integer() && !large ? value.get<std::int64_t>() : out.min - 1;
    if (number < out.min || number > out.max)
      return fail(member.at, "\"" + member.name + "\" is an integer from " +
                                 std::to_string(out.min) + " to " + std::to_string(out.max));
    out.value = static_cast<Number>(number);
  }
  void assign(const JsonMember& member, WithinText<std::string_view> out) {
    const auto text = text_of(member);
    const bool fits = member.value.is_string() && text.size() >= out.min && text.size() <= out.max;
    if (!fits)
      return fail(member.at, "\"" + member.name + "\" is a text of " + std::to_string(out.min) +
                                 " to " + std::to_string(out.max) + " bytes");
    out.value = text;
  }
  void assign(const JsonMember& member, WithinBytes<std::string_view> out) {
    const auto digits = text_of(member);
    std::string& bytes = bytes_.emplace_back();
    const bool fits = member.value.is_string() && digits.size() >= 2 * out.min &&
                      digits.size() <= 2 * out.max && append_bytes(digits, bytes);
    if (!fits)
      return fail(member.at, "\"" + member.name + "\" is a text of hex digits, of " +
                                 std::to_string(out.min) + " to " + std::to_string(out.max) +
                                 " bytes");
    out.value = bytes;
  }
  void unsigned_up_to(std::uint64_t max, const JsonMember& member, std::uint64_t& out) {
    if (!member.value.is_number_unsigned() || member.value.get<std::uint64_t>() > max) {
      return fail(member.at,
                  "\"" + member.name + "\" is an integer from 0 to " + std::to_string(max));
    }
    out = member.value.get<std::uint64_t>();
  }
  // Lives as long as the member; empty when it is no text.
  static std::string_view text_of(const JsonMember& member) {
    const auto* text = member.value.get_ptr<const std::string*>();
    return text != nullptr ? std::string_view(*text) : std::string_view();
  }

  // --- pieces of the line ---
  std::string_view until(char c) {
    if (error_) return {};
    const std::size_t end = std::min(line_.find(c, at_), line_.size());
    const std::string_view word = line_.substr(at_, end - at_);
    at_ = end;
    return word;
  }
  bool skip(std::string_view word) {
    if (error_ || !line_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void literal(std::string_view word, std::string_view message) {
    if (!skip(word)) fail(at_, message);
  }
  void fail(std::size_t at, std::string_view message) {
    if (!error_) error_ = at_column(at, message);
  }

  std::string_view line_;
  std::size_t at_ = 0;
  std::size_t object_ = 0;         // where the object being read begins
  std::deque<std::string> bytes_;  // that were hex digits
  std::optional<Error> error_;
};

}  // namespace

Result<TextLine> parse_line(std::string_view line) {
  return LineParser(line).parse();
}

}  // namespace stampede::storage
