#include <cstring>
#include <limits>

#include "storage/commands/command.h"
#include "storage/commands/command_arguments.h"
#include "storage/commands/command_layout.h"
#include "storage/msgpack/msgpack_cursor.h"

namespace stampede::storage {

namespace {

constexpr std::uint64_t kSignedMax = std::numeric_limits<std::int64_t>::max();

using Value = MsgpackCursor::Value;
using Type = MsgpackCursor::Type;

// Takes value after value. After the first one of a wrong type or range everything else is empty
// and ok() stays false.
class ValueCursor {
 public:
  explicit ValueCursor(std::string_view payload) : cursor_(payload) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return ok_ && cursor_.left() == 0; }

  // Elements of the array that comes next, 0 if none does.
  std::uint32_t array() {
    Value value;
    ok_ = ok_ && cursor_.next(value) && value.type == Type::array;
    return ok_ ? value.size : 0;
  }
  // Between these two arguments may be nil; the second tells which, from 1.
  void begin_arguments() {
    nil_allowed_ = true;
    argument_ = 0;
    missing_ = 0;
  }
  std::uint16_t end_arguments() {
    nil_allowed_ = false;
    return missing_;
  }

  std::uint64_t number(std::uint64_t max = std::numeric_limits<std::uint64_t>::max()) {
    Value value;
    if (!take(value)) return 0;
    return checked(value.type == Type::unsigned_int && value.number <= max) ? value.number : 0;
  }
  std::uint32_t number32() {
    return static_cast<std::uint32_t>(number(std::numeric_limits<std::uint32_t>::max()));
  }
  std::int64_t signed_number() {
    Value value;
    if (!take(value)) return 0;
    const bool fits = value.type == Type::negative_int ||
                      (value.type == Type::unsigned_int && value.number <= kSignedMax);
    return checked(fits) ? static_cast<std::int64_t>(value.number) : 0;
  }
  std::string_view text() { return view(Type::str); }
  std::string_view text_or_nil() {
    Value value;
    ok_ = ok_ && cursor_.next(value) && (value.type == Type::str || value.type == Type::nil);
    return ok_ ? value.text : std::string_view{};
  }
  std::string_view bytes() { return view(Type::bin); }

 private:
  // False: there is no value, or it is missing.
  bool take(Value& value) {
    ++argument_;
    ok_ = ok_ && cursor_.next(value);
    if (ok_ && value.type == Type::nil && nil_allowed_) {
      missing_ = static_cast<std::uint16_t>(missing_ | (1U << argument_));
      return false;
    }
    return ok_;
  }
  std::string_view view(Type type) {
    Value value;
    if (!take(value)) return {};
    return checked(value.type == type) ? value.text : std::string_view{};
  }
  bool checked(bool fits) {
    ok_ = ok_ && fits;
    return ok_;
  }

  MsgpackCursor cursor_;
  unsigned argument_ = 0;
  std::uint16_t missing_ = 0;
  bool nil_allowed_ = false;
  bool ok_ = true;
};

// One overload for each type an argument can have.
struct ArgumentReader {
  ValueCursor& in;
  void operator()(std::string_view, std::string_view& value) { value = in.text(); }
  void operator()(std::string_view, std::uint64_t& value) { value = in.number(kSignedMax); }
  void operator()(std::string_view, std::uint32_t& value) { value = in.number32(); }
  void operator()(std::string_view, std::int64_t& value) { value = in.signed_number(); }
  void operator()(std::string_view, AsHex<std::uint64_t> value) { value.value = in.number(); }
};

// Behind the arguments: the id text, and the terms that were added.
bool read_rest(ValueCursor& in, std::uint32_t values, Command& out) {
  if (values == 0) return true;
  out.id_text = in.text_or_nil();
  if (values == 1) return !out.id_text.empty();
  if (out.kind != CommandKind::item_put) return false;
  std::uint32_t read = 1;
  each_added_term(
      values - 1,
      [&](const Term& term, auto& value) {
        ArgumentReader{in}(term.name, value);
        ++read;
      },
      out.put.terms);
  return read == values;
}

// The business key of an item command is its item: it cannot be missing.
bool has_key(const Command& command) {
  constexpr std::uint16_t amount_item = 1U << 1;
  constexpr std::uint16_t put_item = 1U << 2;
  if (command.kind == CommandKind::item_amount_update) return (command.missing & amount_item) == 0;
  if (command.kind == CommandKind::item_put) return (command.missing & put_item) == 0;
  return true;
}

bool decode_command(ValueCursor& in, Command& out) {
  const std::uint32_t size = in.array();
  if (size == 0) return false;
  const std::uint64_t kind = in.number(static_cast<unsigned>(CommandKind::item_put));
  if (!in.ok() || kind == 0) return false;
  out.kind = static_cast<CommandKind>(kind);
  const std::uint32_t plain = 1 + count_arguments(out);
  if (size < plain) return false;
  in.begin_arguments();
  each_argument(out, ArgumentReader{in});
  out.missing = in.end_arguments();
  return read_rest(in, size - plain, out) && in.ok() && has_key(out);
}

}  // namespace

bool CommandDecoder::command_set(std::string_view payload, std::vector<Command>& set) {
  set.clear();
  ValueCursor in(payload);
  const std::uint32_t commands = in.array();
  if (commands == 0) return false;
  for (std::uint32_t i = 0; i < commands; ++i) {
    if (!decode_command(in, set.emplace_back())) return false;
  }
  return in.at_end();
}

bool CommandDecoder::rejection(std::string_view payload, Rejection& rejection) {
  ValueCursor in(payload);
  if (in.array() != 5) return false;
  const std::string_view hash = in.bytes();
  rejection.content_hash = in.number();
  rejection.item = in.number(kSignedMax);
  rejection.qty = in.number32();
  rejection.reason =
      static_cast<RejectReason>(in.number(static_cast<unsigned>(RejectReason::limit_reached)));
  if (!in.at_end() || hash.size() != kHashBytes || rejection.reason == RejectReason::invalid) {
    return false;
  }
  for (std::size_t word = 0; word < 2; ++word) {
    std::uint64_t big = 0;
    std::memcpy(&big, hash.data() + 8 * word, sizeof big);
    rejection.request_hash[word] = big_endian(big);
  }
  return true;
}

bool CommandDecoder::outcome(std::string_view payload, Outcome& outcome) {
  outcome.numbers.clear();
  ValueCursor in(payload);
  if (in.array() != 4) return false;
  outcome.lane = in.number32();
  outcome.kind = static_cast<CommandKind>(in.number(static_cast<unsigned>(CommandKind::item_put)));
  outcome.position = in.number32();
  if (!in.ok() || outcome.kind == CommandKind::invalid) return false;
  const std::uint32_t numbers = in.array();
  for (std::uint32_t i = 0; in.ok() && i < numbers; ++i) outcome.numbers.push_back(in.number());
  return in.at_end();
}

std::optional<std::uint64_t> CommandDecoder::epoch(std::string_view payload) {
  ValueCursor in(payload);
  if (in.array() != 2) return std::nullopt;
  const std::uint64_t epoch = in.number(kEpochMax);
  in.signed_number();
  if (!in.at_end()) return std::nullopt;
  return epoch;
}

}  // namespace stampede::storage
